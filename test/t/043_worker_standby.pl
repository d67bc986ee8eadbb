# Nothing runs on a standby, where nothing could be written; on promotion the
# launcher and the schedulers start by themselves and do what has become due.

use strict;
use warnings FATAL => 'all';

use DfsmrTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my $primary = new_dfsmr_node('primary', allows_streaming => 1);
$primary->start;
$primary->safe_psql('postgres', 'CREATE EXTENSION dfsmr');
$primary->safe_psql('postgres', 'CREATE DATABASE other');
define($primary, <<'YAML');
id: alarm
nodes:
  wait: {start: true, delay: 1h, transitions: {ok: rung}}
  rung: {final: true}
YAML
sql($primary, "SELECT dfsmr.start('alarm', key => 'a')");

$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby);

sub processes
{
	return sql($standby, "SELECT coalesce(string_agg(backend_type || coalesce(' ' || datname, ''), ', '
		ORDER BY backend_type), '') FROM pg_stat_activity WHERE backend_type ~ '^dfsmr'");
}

is(processes(), '', 'nothing runs on a standby');
is(sql($standby, 'SELECT key FROM dfsmr.instances'), 'a', 'reading works');
is(sqlstate($standby, 'SELECT dfsmr.tick()'), '25006', 'tick() is refused');

# One that finishes leaves its table, and is known by the change that finished it.
sql($primary, "SELECT dfsmr.abort(dfsmr.start(machine, key => 'over')) FROM dfsmr.machines WHERE current");
$primary->wait_for_catchup($standby);
my $over = "FROM dfsmr.instances AS i WHERE i.key = 'over'";
is(sql($standby, "SELECT i.state, i.outcome $over"), 'finished|failure', 'a finished instance is read there');
is( sql($standby, "SELECT (SELECT string_agg(h.kind, ' ') FROM dfsmr.history(i.instance) AS h) $over"),
	'start abort',
	'with its history');
is( sql($standby, "SELECT count(*) FROM dfsmr.allowed((SELECT i.instance $over))"),
	'0',
	'and that it is over');

# Databases come and go there without commands.
sql($primary, 'CREATE DATABASE copy TEMPLATE postgres');
sql($primary, 'DROP DATABASE copy');
$primary->wait_for_catchup($standby);

$primary->stop;
$standby->promote;
wait_until { processes() eq 'dfsmr launcher, dfsmr scheduler postgres' }
'promoted, it is served';
sql($standby, "SELECT dfsmr.tick(now() + interval '2 hours')");
wait_until { sql($standby, "SELECT node FROM dfsmr.instances WHERE key = 'a'") eq 'rung' } 'the timer fires';
pass('the timer of the old primary fires on the new one');
$standby->stop;

done_testing();
