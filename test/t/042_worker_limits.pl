# What stands in the way of a scheduler is said once, with a hint, and hurts
# nobody else: no free worker process, no place on the board, a table that is
# locked, hostile settings of the database.  When it is out of the way, work
# goes on by itself.  Nothing runs without the preload or in a binary upgrade.

use strict;
use warnings FATAL => 'all';

use DfsmrTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_dfsmr_node('main', conf => <<'CONF');
max_logical_replication_workers = 0
max_worker_processes = 2
dfsmr.max_databases = 4
CONF
$node->start;

sub served
{
	return sql($node, "SELECT coalesce(string_agg(datname, ' ' ORDER BY datname), '')
		FROM pg_stat_activity WHERE backend_type = 'dfsmr scheduler' AND query <> ''");
}

sub wait_until_served
{
	my ($expected, $what) = @_;

	wait_until { served() eq $expected } "$what: served are \"$expected\"";
	pass($what);
	return;
}

# How often the log says so.
sub said
{
	my ($pattern) = @_;
	my $log = slurp_file($node->logfile);

	return () = $log =~ /$pattern/g;
}

# ---- no free worker process ------------------------------------------------

# The launcher is one, a scheduler the other.
sql($node, 'CREATE DATABASE app');
sql($node, 'CREATE EXTENSION dfsmr');
wait_until_served('postgres', 'there is one process for a scheduler');
sql($node, 'CREATE EXTENSION dfsmr', db => 'app');
my $shortage = qr/could not start the dfsmr scheduler of database "app": no worker process is free/;
wait_until { said($shortage) } 'the log says that there is no process';
is(said(qr/HINT:.*"max_worker_processes"/), 1, 'and what to set');

sql($node, 'DROP EXTENSION dfsmr');
wait_until_served('app', 'a process that becomes free is used');
is(said($shortage), 1, 'that there was none was said once');

# ---- no place on the board -------------------------------------------------

$node->append_conf('postgresql.conf', "max_worker_processes = 8\ndfsmr.max_databases = 1");
$node->restart;
wait_until_served('app', 'there is a place for one');
sql($node, 'CREATE EXTENSION dfsmr');
my $no_place = qr/no place on the board for database "postgres"/;
wait_until { said($no_place) } 'the log says that there is no place';
is(said(qr/HINT:.*"dfsmr.max_databases"/), 1, 'and what to set');
sql($node, 'SELECT pg_reload_conf()');

sql($node, 'DROP EXTENSION dfsmr', db => 'app');
wait_until_served('postgres', 'a place that becomes free is used');
is(said($no_place), 1, 'that there was none was said once');

sql($node, 'DROP EXTENSION dfsmr');
sql($node, 'CREATE EXTENSION dfsmr', db => 'app');
wait_until_served('app', 'and given on');
sql($node, 'DROP DATABASE app; CREATE DATABASE app');
sql($node, 'CREATE EXTENSION dfsmr');
wait_until_served('postgres', 'also when its database was dropped');

# ---- hostile settings ------------------------------------------------------

# They would refuse the writes, end the calls and mislead the names.
sql($node, "ALTER DATABASE postgres SET $_") for (
	'default_transaction_isolation = serializable',
	'search_path = hostile, pg_catalog',
	'statement_timeout = 1',
	'lock_timeout = 1',
	"datestyle = 'SQL, DMY'",
	'default_transaction_read_only = on');

# psql has to be saved from them.
local $ENV{PGOPTIONS} = join ' ', map { "-c $_" } (
	'default_transaction_read_only=off', 'default_transaction_isolation=read\ committed',
	'search_path=public', 'statement_timeout=0', 'lock_timeout=0');
$node->restart;
wait_until_served('postgres', 'hostile settings do not keep it away');

define($node, <<'YAML');
id: alarm
nodes:
  wait: {start: true, delay: 10ms, transitions: {ok: rung}}
  rung: {final: true}
YAML
sql($node, "SELECT dfsmr.start('alarm')");
wait_until { sql($node, 'SELECT node FROM dfsmr.instances') eq 'rung' } 'the timer fires';
pass('it works under hostile settings');

# ---- a step that fails -----------------------------------------------------

# Timers cannot fire, for the instances are locked; changes are published.
my $locker = session($node);
my $listener = session($node);
$listener->query('LISTEN dfsmr');
$locker->query("SELECT dfsmr.start('alarm', key => 'late', delay => '100ms')");
$locker->query('BEGIN; LOCK TABLE dfsmr.instance IN ACCESS EXCLUSIVE MODE');
my $failed = qr/WARNING:  canceling statement due to lock timeout/;
wait_until { said($failed) } 'the log says that a step fails';
like(slurp_file($node->logfile), qr/step "\w[\w ]*" of the dfsmr scheduler of database "postgres"/,
	'and which');
wait_until {
	sql($node, "SELECT query FROM pg_stat_activity WHERE backend_type = 'dfsmr scheduler'") =~
	  /^waiting; step ".*" has failed/
} 'pg_stat_activity shows it';
my $pid = scheduler_pid($node);
define($node, <<'YAML');
id: other
nodes:
  a: {start: true, transitions: {ok: b}}
  b: {final: true}
YAML
wait_until {
	($listener->try('SELECT 1'))[0] =~ /"kind":\s*"define".*"other"|"other".*"define"/
} 'the other steps go on';

my $said = said($failed);
$locker->query('COMMIT');
wait_until { sql($node, "SELECT node FROM dfsmr.instances WHERE key = 'late'") eq 'rung' }
'the lock is gone and the timer fires';
is(scheduler_pid($node), $pid, 'the process has survived it');
wait_until { said(qr/works again/) } 'the log says that it works again';
cmp_ok($said, '<=', 5, 'each step has said once that it fails');
$_->quit for $locker, $listener;

# ---- DROP EXTENSION that has to wait, and is waited for --------------------

my $dropper = session($node);
$dropper->query('BEGIN; DROP EXTENSION dfsmr');
sql($node, 'SELECT pg_sleep(1.2)');
$dropper->query('ROLLBACK');
is(scheduler_pid($node), $pid, 'a DROP EXTENSION that takes long and is rolled back');
$dropper->query('DROP EXTENSION dfsmr');
wait_until_served('', 'and one that is not');
$dropper->quit;
unlike(slurp_file($node->logfile), qr/could not open relation|cache lookup failed/,
	'nothing was looked for that is gone');

# ---- where nothing runs ----------------------------------------------------

sql($node, "ALTER DATABASE postgres RESET ALL");
delete $ENV{PGOPTIONS};
sql($node, 'CREATE EXTENSION dfsmr');
wait_until_served('postgres', 'served');

sub processes
{
	return sql($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ '^dfsmr'");
}

$node->stop;
my @start = ($node->installed_command('pg_ctl'), '-w', '-D', $node->data_dir,
	'-l', $node->logfile);
PostgreSQL::Test::Utils::system_or_bail(@start, '-o', '-b', 'start');
is(processes(), 0, 'nothing runs in a binary upgrade');
PostgreSQL::Test::Utils::system_or_bail(@start, 'stop');

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->start;
is(processes(), 0, 'nothing runs without the preload');
is(sqlstate($node, 'SELECT dfsmr.tick()'), 'SM012', 'tick() says so');
sql($node, 'CREATE DATABASE copy TEMPLATE app');
sql($node, 'DROP DATABASE copy; DROP EXTENSION dfsmr');
$node->stop;

done_testing();
