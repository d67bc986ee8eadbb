# A wave of timers, all due at once, far more than the board holds.  Its scheduler
# is terminated, and then killed, in the middle: none is lost, none fires twice.
# It goes in bounded batches, each a transaction of its own, and between them
# others have their turn: publishing, expired leases, timers that are due later.

use strict;
use warnings FATAL => 'all';

use DfsmrTest;
use Test::More;

# The first lasts for so long that there is time to do something beside it.
my ($long, $short) = (60_000, 15_000);
my $wave;
my $started = 0;
my $batch = 250;
my $node = dfsmr_node('main', conf => "dfsmr.timer_set_size = 1000\ndfsmr.audit_interval = 0");

sub left
{
	return sql($node, "SELECT count(*) FROM dfsmr.instance WHERE machine = 'wave' AND kind = 'd'");
}

define($node, <<'YAML');
id: wave
nodes:
  w: {start: true, delay: 1h, fire: ok, transitions: {ok: done}}
  done: {final: true}
YAML
define($node, <<'YAML');
id: other
nodes:
  a: {start: true, timeout: 10ms, transitions: {ok: done, rest: w}}
  w: {delay: 1ms, fire: ok, transitions: {ok: done}}
  done: {final: true}
YAML

# All of them are due already, and none fires as long as the machine is paused.
sub prepare_wave
{
	($wave) = @_;
	$started += $wave;
	sql($node, "SELECT dfsmr.pause('wave')");
	sql($node, "SELECT count(dfsmr.start('wave', delay => '1 us')) FROM generate_series(1, $wave)");
	is(left(), $wave, 'the wave is there');
	return;
}

sub check_wave
{
	wait_until { left() eq '0' } 'the wave is over';
	is(sql($node, "SELECT count(*), count(DISTINCT instance) FROM dfsmr.changes
		WHERE machine = 'wave' AND kind = 'timer'"),
		"$started|$started", 'each timer has fired, once');
	is(sql($node, "SELECT count(*) FROM dfsmr.instance WHERE machine = 'wave' AND NOT
		(node = 'done' AND visit = 2)"), '0', 'each instance has made that one step');
	return;
}

# --- between the batches

prepare_wave($long);
sql($node, "SELECT count(dfsmr.start('other')) FROM generate_series(1, 2)");
my $published = sql($node, "SELECT published FROM dfsmr.installation");
my $worker = session($node);
my $listener = session($node);
$listener->query('LISTEN dfsmr');
sql($node, "SELECT dfsmr.resume('wave')");
wait_until { left() < $wave } 'the wave has begun';
$worker->query("SELECT count(*) FROM dfsmr.ready('silent', 'other')");
my ($rest) = $worker->query("SELECT node FROM (SELECT t.instance, t.visit, t.attempt
	FROM dfsmr.ready('busy', 'other') AS t) AS c,
	dfsmr.transition(c.instance, 'rest', '{}', c.visit, 'busy', c.attempt)");
is($rest, 'w', 'a timer is due that comes after the wave');
wait_until {
	sql($node, "SELECT count(*) FROM dfsmr.changes WHERE machine = 'other' AND kind IN ('timer', 'timeout')") >= 2
}
'it has fired, and the lease that ran out is taken back';
check_wave();
is(sql($node, "SELECT count(DISTINCT c.kind) FROM dfsmr.change AS c
	WHERE c.machine = 'other' AND c.kind IN ('timer', 'timeout')
	  AND c.seq < (SELECT max(w.seq) FROM dfsmr.change AS w WHERE w.machine = 'wave')"), '2',
	'both while the wave went on');
cmp_ok(sql($node, "SELECT max(n) FROM (SELECT count(*) AS n FROM dfsmr.change
	WHERE machine = 'wave' AND kind = 'timer' GROUP BY xid) AS t"), '<=', $batch,
	'no transaction fires more than a batch');

# Whoever notifies has a transaction number.  The batches' own are taken out of
# their range, and those of the other machine; what is left is the publisher's.
cmp_ok(sql($node, "SELECT max(xid::text::bigint) - min(xid::text::bigint) + 1 - count(DISTINCT xid)
	FROM dfsmr.change WHERE machine IN ('wave', 'other') AND kind <> 'start'
	  AND xid >= (SELECT min(xid) FROM dfsmr.change WHERE machine = 'wave' AND kind = 'timer')"),
	'>', 10, 'publication has its turn between them');
$worker->quit;
$listener->quit;

# --- terminated, and killed

prepare_wave($short);
my $scheduler = scheduler_pid($node);
sql($node, "SELECT dfsmr.resume('wave')");
wait_until { left() < $wave } 'the wave has begun';
sql($node, "SELECT pg_terminate_backend($scheduler)");
wait_until { (my $pid = scheduler_pid($node)) ne $scheduler } 'the scheduler has left';
check_wave();
cmp_ok(sql($node, "SELECT count(*) FROM dfsmr.status WHERE item = 'repairs by the audit' AND used = 0"),
	'==', 1, 'nothing had to be repaired');

prepare_wave($short);
wait_until { scheduler_pid($node) ne '' } 'there is a scheduler';
$scheduler = scheduler_pid($node);
sql($node, "SELECT dfsmr.resume('wave')");
wait_until { left() < $wave } 'the wave has begun';
kill 'KILL', $scheduler;
wait_until { (my $pid = scheduler_pid($node)) ne $scheduler } 'the server has recovered';
check_wave();

$node->stop;
done_testing();
