# The background processes come and go by themselves: a scheduler in every
# database that has the extension and in no other, after the server's start,
# after CREATE EXTENSION and after whatever ended a process; none is left after
# DROP EXTENSION, none leaves when that is rolled back, and where there is no
# extension nothing is started again and again.

use strict;
use warnings FATAL => 'all';

use DfsmrTest;
use PostgreSQL::Test::Utils;
use Test::More;

# The postmaster says at this level which workers it starts.
my $node = new_dfsmr_node('main', conf => 'log_min_messages = debug1');
$node->start;

# The databases that are served, in order of their names.
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

# The launcher and both schedulers.
sub wait_until_asleep
{
	wait_until {
		sql($node, "SELECT count(*) FROM pg_stat_activity
			WHERE backend_type ~ '^dfsmr' AND wait_event_type = 'Extension'") == 3
	} 'all sleep';
	return;
}

sub launcher_pid
{
	return sql($node,
		"SELECT pid FROM pg_stat_activity WHERE backend_type = 'dfsmr launcher'");
}

# How often a scheduler was started in the database.
sub starts
{
	my ($db) = @_;
	my $log = slurp_file($node->logfile);

	return () = $log =~ /starting background worker process "dfsmr scheduler $db"/g;
}

sub context_switches
{
	my ($pid) = @_;
	my ($n) = slurp_file("/proc/$pid/status") =~ /^voluntary_ctxt_switches:\s*(\d+)/m;

	return $n;
}

# ---- CREATE EXTENSION ------------------------------------------------------

wait_until { launcher_pid() } 'the launcher is there';
sql($node, "CREATE DATABASE $_") for qw(app empty);
wait_until { starts('empty') == 1 && starts('app') == 1 } 'new databases were looked at';
is(served(), '', 'nothing is served where there is no extension');

sql($node, 'BEGIN; CREATE EXTENSION dfsmr; ROLLBACK', db => 'app');
sql($node, 'BEGIN; SAVEPOINT s; CREATE EXTENSION dfsmr; ROLLBACK TO s; COMMIT', db => 'app');
sql($node, 'CREATE EXTENSION dfsmr');
wait_until_served('postgres', 'CREATE EXTENSION starts a scheduler, one rolled back does not');
sql($node, 'CREATE EXTENSION dfsmr', db => 'app');
wait_until_served('app postgres', 'each database has its own');

like(sql($node, "SELECT query FROM pg_stat_activity
	WHERE backend_type = 'dfsmr scheduler' AND datname = 'app' AND state = 'idle'
	UNION ALL SELECT 'waiting for work' LIMIT 1"),
	qr/^waiting/, 'pg_stat_activity says what a scheduler is doing');

# ---- DROP EXTENSION --------------------------------------------------------

my $pid = scheduler_pid($node, 'app');

sql($node, 'BEGIN; DROP EXTENSION dfsmr; ROLLBACK', db => 'app');
sql($node, 'BEGIN; SAVEPOINT s; DROP EXTENSION dfsmr; ROLLBACK TO s; COMMIT', db => 'app');
sql($node, "BEGIN; DROP EXTENSION dfsmr; PREPARE TRANSACTION 'drop'", db => 'app');
sql($node, "ROLLBACK PREPARED 'drop'", db => 'app');

# Another comes and goes: the launcher has looked around meanwhile.
sql($node, 'DROP EXTENSION dfsmr');
wait_until_served('app', 'DROP EXTENSION makes the scheduler leave');
is(scheduler_pid($node, 'app'), $pid, 'one that was rolled back does not');

sql($node, 'BEGIN; DROP EXTENSION dfsmr; CREATE EXTENSION dfsmr; COMMIT', db => 'app');
wait_until { (scheduler_pid($node, 'app') || $pid) ne $pid }
'dropped and created at once, it is served by another';

sql($node, "BEGIN; DROP EXTENSION dfsmr; PREPARE TRANSACTION 'drop'", db => 'app');
sql($node, "COMMIT PREPARED 'drop'", db => 'app');
wait_until_served('', 'a DROP EXTENSION that was prepared works when it is committed');
sql($node, "BEGIN; CREATE EXTENSION dfsmr; PREPARE TRANSACTION 'create'", db => 'app');
is(served(), '', 'a CREATE EXTENSION that is prepared does not work yet');
sql($node, "COMMIT PREPARED 'create'", db => 'app');
wait_until_served('app', '... but when it is committed');

sql($node, 'CREATE ROLE boss SUPERUSER');
sql($node, 'DROP EXTENSION dfsmr; SET ROLE boss; CREATE EXTENSION dfsmr', db => 'app');
wait_until_served('app', 'served again');
sql($node, 'DROP OWNED BY boss', db => 'app');
wait_until_served('', 'DROP OWNED makes it leave');

sql($node, 'CREATE EXTENSION dfsmr; DROP EXTENSION dfsmr', db => 'app') for 1 .. 3;
sql($node, 'CREATE EXTENSION dfsmr', db => 'app');
wait_until_served('app', 'created and dropped in quick succession, it is served');

# ---- processes that end ----------------------------------------------------

$pid = scheduler_pid($node, 'app');
sql($node, "SELECT pg_cancel_backend($pid)");
sql($node, "SELECT pg_reload_conf()");
sql($node, "SELECT pg_terminate_backend($pid)");
wait_until { (scheduler_pid($node, 'app') || $pid) ne $pid } 'a terminated scheduler comes back';

$pid = scheduler_pid($node, 'app');
my $launcher = launcher_pid();
sql($node, "SELECT pg_terminate_backend($launcher)");
wait_until { (launcher_pid() || $launcher) ne $launcher } 'a terminated launcher comes back';
sql($node, 'CREATE EXTENSION dfsmr');
wait_until_served('app postgres', 'and does its work');
is(scheduler_pid($node, 'app'), $pid, 'leaving alone the schedulers that run');

$pid = scheduler_pid($node, 'app');
kill 'KILL', $pid;
wait_until { (scheduler_pid($node, 'app') || $pid) ne $pid } 'the server is back';
wait_until_served('app postgres', 'after kill -9 of a scheduler all are served again');

# One that is asked to leave while it starts says so, as every worker does.
wait_until_asleep();
my $before = starts('empty');
$node->restart;
wait_until_served('app postgres', 'after a restart all are served again');
wait_until { starts('empty') > $before } 'the empty database was looked at';

crash($node);
start_after_crash($node);
wait_until_served('app postgres', 'after kill -9 of the postmaster all are served again');
wait_until { starts('empty') > $before + 1 } 'the empty database was looked at';

# ---- idle ------------------------------------------------------------------

$launcher = launcher_pid();
wait_until_asleep();
my $switches = context_switches($launcher);
my $probes = starts('empty');
sql($node, 'SELECT pg_sleep(1.5)');
cmp_ok(context_switches($launcher) - $switches, '<=', 1, 'the launcher sleeps');
is(starts('empty'), $probes, 'nothing is started where there is no extension');

$node->stop;
unlike(slurp_file($node->logfile), qr/FATAL:.*dfsmr|PANIC:|TRAP:/,
	'nothing of it ended in a way that an administrator has to read about');

done_testing();
