# What was learnt of durations outlives the board: the scheduler saves it, now and
# then and when it leaves, and a restart or a crash does not leave a node unknown.
# Saved durations that are damaged count as none.  The settings bound timeouts.
# The view can be read where there is no board: without preload, on a standby.

use strict;
use warnings FATAL => 'all';

use DfsmrTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = dfsmr_node('main', allows_streaming => 1);

define($node, <<'YAML');
id: m
nodes:
  a: {start: true, transitions: {ok: done, on: b}}
  b: {heartbeat: 1h, transitions: {ok: done}}
  done: {final: true}
YAML
my $id = '00000000-0000-0000-0000-00000000000';

# Minutes, to what a sketch is exact to.
sub minutes
{
	my ($interval) = @_;

	return "(round(extract(epoch FROM $interval) / 15) / 4)::numeric(9, 2)";
}
my $look = 'SELECT samples, ' . minutes('p95') . ', ' . minutes('timeout')
  . " FROM dfsmr.node_stats WHERE node = 'a'";

# Somebody claims and completes so many, each in so many minutes.
sub work
{
	my ($n, $minutes) = @_;

	sql($node, <<"SQL");
DO \$\$
DECLARE
	task dfsmr.task;
BEGIN
	FOR i IN 1 .. $n LOOP
		PERFORM dfsmr.start('m');
		COMMIT;
		SELECT * INTO STRICT task FROM dfsmr.ready('w', 'm');
		COMMIT;
		PERFORM dfsmr.tick(dfsmr.board_time() + $minutes * interval '1 minute');
		PERFORM dfsmr.transition(task.instance, 'ok', '{}', task.visit, 'w', task.attempt);
		COMMIT;
	END LOOP;
END \$\$
SQL
	return;
}

# How long a lease of a new instance is.
sub lease
{
	sql($node, "SELECT dfsmr.start('m')");
	return sql($node, 'WITH t AS (SELECT * FROM dfsmr.ready(\'w\', \'m\')) SELECT '
		  . minutes('expires_at - claimed_at')
		  . ', count((SELECT dfsmr.abort(instance) FROM t)) FROM t GROUP BY 1') =~ s/\|.*//r;
}

sub saved
{
	return sql($node, "SELECT xmin::text FROM dfsmr.node_duration WHERE node = 'a'");
}

# A clean restart forgets nothing.
work(30, 2);
is(sql($node, $look), '30|2.00|2.00', 'thirty samples');
$node->restart;
is(sql($node, $look), '30|2.00|2.00', 'a restart forgets none');
is(lease() + 0, 2, 'and leases go by them');
my $before = saved();
work(1, 2);
is(sql($node, $look), '31|2.00|2.00', 'new ones are added');

# A crash does not forget what was saved.
wait_until {
	sql($node, "SELECT dfsmr.tick(dfsmr.board_time() + interval '11 s')");
	saved() ne $before
}
'the scheduler saves now and then';
crash($node);
start_after_crash($node);
is(sql($node, $look), '31|2.00|2.00', 'a crash does not forget what was saved');
is(lease() + 0, 2, 'and leases go by it');

# A lease that was forgotten and is taken again by a heartbeat: nobody knows when
# it was claimed, so its completion is no sample.
sql($node, "SELECT dfsmr.start('m', id => '${id}1')");
sql($node, "SELECT dfsmr.move('${id}1', 'b', 'test')");
is(sql($node, "SELECT visit FROM dfsmr.ready('w', 'm', 'b')"), '2', 'claimed');
crash($node);
start_after_crash($node);
ok(sql($node, "SELECT dfsmr.heartbeat('${id}1', 2, 1) IS NOT NULL") eq 't', 'and claimed again');
sql($node, "SELECT * FROM dfsmr.transition('${id}1', 'ok', '{}', 2, 'w', 1)");
is(sql($node, "SELECT samples FROM dfsmr.node_stats WHERE node = 'b'"), '0', 'does not count');

# One whose lease is saved does.
sql($node, "SELECT dfsmr.start('m', id => '${id}2')");
sql($node, "SELECT dfsmr.move('${id}2', 'b', 'test')");
sql($node, "SELECT visit FROM dfsmr.ready('w', 'm', 'b')");
$node->restart;
sql($node, "SELECT * FROM dfsmr.transition('${id}2', 'ok', '{}', 2, 'w', 1)");
is(sql($node, "SELECT samples FROM dfsmr.node_stats WHERE node = 'b'"), '1', 'over a restart it does');

# Settings.
sub set
{
	my ($name, $value) = @_;

	sql($node, "ALTER SYSTEM SET $name = '$value'");
	sql($node, 'SELECT pg_reload_conf()');
	wait_until {
		sql($node, "SELECT current_setting('$name')::interval = '$value'::interval") eq 't'
	}
	"$name is $value";
	return;
}
set('dfsmr.min_timeout', '3min');
is(lease() + 0, 3, 'dfsmr.min_timeout');
set('dfsmr.max_timeout', '1min');
is(lease() + 0, 1, 'dfsmr.max_timeout comes before it');
is(sql($node, $look), '31|2.00|1.00', 'and shows');
sql($node, "ALTER SYSTEM RESET ALL");
sql($node, 'SELECT pg_reload_conf()');
wait_until { lease() == 2 } 'without them it is as before';
set('dfsmr.default_timeout', '7min');

# A standby has no board of its own.
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is(sql($standby, $look), '31|2.00|2.00', 'a standby shows what was saved');
is(sqlstate($standby, "SELECT * FROM dfsmr.ready('w', 'm')"), '25006', 'and changes nothing');
$standby->promote;
wait_until {
	sql($standby, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'dfsmr scheduler'") eq '1'
}
'promoted';
sql($standby, "SELECT dfsmr.start('m')");
is(sql($standby, 'SELECT ' . minutes('expires_at - claimed_at') . " FROM dfsmr.ready('w', 'm')"), '2.00',
	'promoted, it goes on with that');
$standby->stop;

# Without preload.
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
is(sql($node, $look), '31|2.00|2.00', 'it can be read without a board');
is(sql($node, "SELECT instances, ready, running FROM dfsmr.node_stats WHERE node = 'a'"), '0|0|0',
	'and counts are there');
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'dfsmr'");

# A dump takes it along.
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';
PostgreSQL::Test::Utils::system_or_bail('pg_dump', '-f', $dump, $node->connstr('postgres'));
$node->restart;
sql($node, 'CREATE DATABASE copy');
$node->command_ok([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('copy') ],
	'a dump is restored');
is(sql($node, $look, db => 'copy'), '31|2.00|2.00', 'with what was learnt');

# Damaged: reported, and as if it were not there.
sql($node, "UPDATE dfsmr.node_duration SET sketch = substr(sketch, 2) WHERE node = 'a'");
is(sql($node, $look), '0||7.00', 'damaged durations count as none');
is(lease() + 0, 7, 'so the default applies');
like(slurp_file($node->logfile), qr/ignoring the saved durations of node "a" of machine "m"/, 'and are reported');
work(20, 1);
is(sql($node, $look), '20|1.00|1.00', 'new ones take their place');
$node->restart;
is(sql($node, $look), '20|1.00|1.00', 'and are saved');

$node->stop;
done_testing();
