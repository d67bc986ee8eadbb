# What is handed out at most once is never handed out twice, whatever is killed:
# a worker's backend, the scheduler, all of the server.  What nobody was told of
# is not lost for it: a call that is cancelled while its claim is being written
# gives it back.  A dump has what is held, and it stays held.

use strict;
use warnings FATAL => 'all';

use DfsmrTest;
use POSIX ();
use Test::More;

my $node = dfsmr_node('main', conf => "dfsmr.max_wait = 20s\n");
my $machine = <<'YAML';
id: m
nodes:
  pay: {start: true, timeout: 0, transitions: {ok: done, mail: mail}}
  mail: {delivery: at_most_once, timeout: 2s, on_timeout: late, transitions: {ok: done, late: lost}}
  lost: {await: signal, transitions: {drop: done}}
  done: {final: true}
YAML
define($node, $machine);

sub start
{
	my ($key) = @_;

	return sql($node, "SELECT dfsmr.start('m', key => '$key')");
}

sub where_is
{
	my ($key) = @_;

	return sql($node, "SELECT node, state, attempt, client FROM dfsmr.instances WHERE key = '$key'");
}

# Stopped, the scheduler neither works nor dies.
sub stop_scheduler
{
	my $pid;

	wait_until { $pid = scheduler_pid($node) } 'there is a scheduler';
	kill 'STOP', $pid;
	return $pid;
}

# ---- one is killed ----

start('a');
my $worker = session($node);
is($worker->query("SELECT key, attempt FROM dfsmr.ready('w1')"), 'a|1', 'claimed');
$worker->kill;
wait_until { sql($node, "SELECT count(*) FROM pg_stat_activity WHERE pid = " . $worker->pid) eq '0' } 'it is gone';
is(sql($node, "SELECT count(*) FROM dfsmr.ready('w2')"), 0, 'the death of its worker gives nothing back');
is(sql($node, "SELECT count(*) FROM dfsmr.stuck"), 0, 'which nobody knows yet');

# All of it, in the very moment in which the claim is known.
start('b');
sql($node, 'CHECKPOINT');
$worker = session($node);
is($worker->query("SET synchronous_commit = off; SELECT key FROM dfsmr.ready('w1')"), 'b', 'claimed');
crash($node);
$worker->kill;
start_after_crash($node);
is(sql($node, "SELECT count(*) FROM dfsmr.ready('w2', wait => '300ms')"), 0, 'nothing is handed out after a crash');
is(where_is('b'), 'pay|running|1|w1', 'it is held');
is(sql($node, "SELECT key, reason FROM dfsmr.stuck ORDER BY key"), "a|at most once\nb|at most once", 'and stuck says so');
my $hint = sql($node, "SELECT substring(hint FROM 'SELECT \\* FROM dfsmr.relinquish.*;') FROM dfsmr.stuck WHERE key = 'a'");
like(sql($node, $hint), qr/\|pay$/, 'the hint gives it back');
is(sql($node, "SELECT key, attempt FROM dfsmr.ready('w2')"), 'a|2', 'to be handed out again');

# A worker that lives on says so, and completes.
my $id = sql($node, "SELECT instance FROM dfsmr.instances WHERE key = 'b'");
is(sqlstate($node, "SELECT dfsmr.heartbeat('$id', 1, 1)"), '00000', 'a heartbeat is taken');
is(sql($node, "SELECT count(*) FROM dfsmr.stuck"), 0, 'then it is not stuck any more');
is(sql($node, "SELECT node FROM dfsmr.transition('$id', 'ok', visit => 1, client => 'w1', attempt => 1)"), 'done', 'the completion too');

# ---- a timeout with a way out, which a crash does not forget ----

$id = start('c');
sql($node, "SELECT node FROM dfsmr.transition('$id', 'mail')");
is(sql($node, "SELECT key, expires_at - claimed_at FROM dfsmr.ready('w1', 'm', 'mail')"), 'c|00:00:02', 'claimed for a while');
crash($node);
start_after_crash($node);
wait_until { where_is('c') =~ /^lost/ } 'its time is up';
is(sql($node, "SELECT kind, transition, client, attempt FROM dfsmr.history('$id') ORDER BY seq DESC LIMIT 1"),
	'timeout|late|w1|1', 'by the way out');

# ---- nobody was told ----

my $waits = sub {
	return sql($node, 'SELECT wait_event_type FROM pg_stat_activity WHERE pid = ' . $worker->pid) eq 'Extension';
};

# The scheduler does not answer: the call waits, is cancelled, and all is as before.
start('d');
my $scheduler = stop_scheduler();
$worker = session($node);
$worker->send("SELECT key FROM dfsmr.ready('w1', 'm', 'pay')");
wait_until { $waits->() } 'it waits';
is(where_is('d'), 'pay|ready|0|', 'nothing is claimed');
sql($node, 'SELECT pg_cancel_backend(' . $worker->pid . ')');
like(($worker->result)[1], qr/57014/, 'it is cancelled at once');
kill 'CONT', $scheduler;
is($worker->query("SELECT key, attempt FROM dfsmr.ready('w1', 'm', 'pay')"), 'd|1', 'it was not lost');

# Somebody has the row locked.
start('e');
my $locker = session($node);
$locker->query("BEGIN; SELECT 1 FROM dfsmr.instance WHERE key = 'e' FOR UPDATE");
$worker->send("SELECT key FROM dfsmr.ready('w1', 'm', 'pay')");
wait_until { $waits->() } 'it waits';
ok(!$worker->is_done, 'a locked row is waited for');
$locker->query('COMMIT');
is(($worker->result)[0], 'e', 'and claimed when it is free');

# The scheduler is ended while calls wait: the next one writes.
start('f');
$scheduler = stop_scheduler();
$worker->send("SELECT key FROM dfsmr.ready('w1', 'm', 'pay')");
wait_until { $waits->() } 'it waits';
sql($node, "SELECT pg_terminate_backend($scheduler)");
kill 'CONT', $scheduler;
is(($worker->result)[0], 'f', 'claimed by way of another scheduler');
is(sql($node, "SELECT used FROM dfsmr.status WHERE item = 'repairs by the audit'"), 0, 'nothing had to be repaired');

# ---- dump and restore ----

my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';

$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('copy') ], 'restore');
is(sql($node, "SELECT string_agg(key || ' ' || node || ' ' || state || ' ' || client, ', ' ORDER BY key) FROM dfsmr.instances WHERE state = 'running'", db => 'copy'),
	'a pay running w2, d pay running w1, e pay running w1, f pay running w1', 'what is held stays held');
is(sql($node, "SELECT count(*) FROM dfsmr.ready('w2', 'm')", db => 'copy'), 0, 'and is not handed out');
is(sql($node, "SELECT string_agg(key, ' ' ORDER BY key) FROM dfsmr.stuck WHERE reason = 'at most once'", db => 'copy'), 'a d e f',
	'but listed as stuck');

# ---- under load, with kills ----

# Workers write down what they were told.
sql($node, "SELECT count(dfsmr.start('m', key => 'n' || n)) FROM generate_series(1, 600) n");
my $dir = PostgreSQL::Test::Utils::tempdir();
my $connstr = $node->connstr('postgres');
my $psql = $node->installed_command('psql');
my @workers;

# They must not outlive a test that fails.
END
{
	local $?;
	kill 'TERM', @workers;
}

for my $w (1 .. 4)
{
	my $pid = fork();

	die "fork: $!" unless defined $pid;
	if ($pid == 0)
	{
		open STDERR, '>', '/dev/null';
		open STDOUT, '>>', "$dir/told$w";
		until (-e "$dir/stop")
		{
			local $SIG{PIPE} = 'IGNORE';
			open my $in, '|-', $psql, '-XAtq', '-d', $connstr, '-f', '-' or POSIX::_exit(1);
			print $in "SELECT key FROM dfsmr.ready('w$w', 'm', 'pay', max => 3);\n" x 20;
			close $in;
			select undef, undef, undef, 0.05;
		}
		# Not exit: that would run the parent's END blocks, and stop its server.
		POSIX::_exit(0);
	}
	push @workers, $pid;
}

my $unclaimed = sub {
	return sql($node, "SELECT count(*) FROM dfsmr.instances WHERE key LIKE 'n%' AND state = 'ready'");
};
wait_until { $unclaimed->() < 550 } 'they work';
sql($node, 'SELECT pg_terminate_backend(' . scheduler_pid($node) . ')');
wait_until { $unclaimed->() < 450 } 'they go on without that scheduler';
crash($node);
start_after_crash($node);
wait_until { $unclaimed->() eq '0' } 'all is claimed';
open my $stop, '>', "$dir/stop";
close $stop;
waitpid shift @workers, 0 while @workers;

my %told;
for my $w (1 .. 4)
{
	open my $in, '<', "$dir/told$w" or next;
	while (<$in>)
	{
		$told{$1}++ if /^(n\d+)$/;
	}
}
is(join(' ', grep { $told{$_} > 1 } sort keys %told), '', 'none was handed out twice');
cmp_ok(scalar keys %told, '>', 500, 'and most to somebody who lived to tell');
is(sql($node, "SELECT used FROM dfsmr.status WHERE item = 'repairs by the audit'"), 0, 'nothing had to be repaired');

done_testing();
