# The scheduler sleeps until something is due.  Proves: what becomes due sooner
# than it meant to sleep wakes it, though nothing else happens in its database
# -- a lease, which no row tells of, and a timer -- and what is due later than
# that does not.

use strict;
use warnings FATAL => 'all';

use DfsmrTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# Nothing but what is due: no audit.
my $node = new_dfsmr_node('main', conf => 'dfsmr.audit_interval = 0');
$node->start;
sql($node, 'CREATE EXTENSION dfsmr');
sql($node, q{SELECT dfsmr.define($$
id: short
nodes:
  work: {start: true, timeout: 1s, transitions: {ok: pause}}
  pause: {delay: 1s, fire: ok, transitions: {ok: done}}
  done: {final: true}
$$), dfsmr.define($$
id: long
nodes:
  work: {start: true, timeout: 10m, transitions: {ok: done}}
  done: {final: true}
$$)});
wait_until { scheduler_pid($node, 'postgres') } 'there is a scheduler';

sub context_switches
{
	my ($n) = slurp_file('/proc/' . scheduler_pid($node, 'postgres') . '/status') =~
	  /^voluntary_ctxt_switches:\s*(\d+)/m;

	return $n;
}

# Until it has not run for longer than it waits before it saves anything.
sub wait_until_asleep
{
	my $switches = -1;
	my $since = 0;

	wait_until
	{
		my $now = context_switches();

		($switches, $since) = ($now, time()) if $now != $switches;
		time() - $since > 1.5;
	} 'the scheduler sleeps';
	return;
}

sub happened
{
	my ($kind) = @_;

	return sql($node, "SELECT count(*) FROM dfsmr.changes WHERE kind = '$kind'");
}

sql($node, "SELECT dfsmr.start('short')");
wait_until_asleep();
is(sql($node, "SELECT attempt FROM dfsmr.ready('w1', 'short')"), 1, 'a claim');
wait_until { happened('timeout') == 1 } 'its lease runs out, though nothing else happens';
pass('a lease wakes the scheduler');

sql($node, "SELECT dfsmr.ready('w2', 'short')");
wait_until_asleep();
sql($node, "SELECT dfsmr.transition(instance, 'ok') FROM dfsmr.instances");
wait_until { happened('timer') == 1 } 'the timer fires, though nothing else happens';
pass('a timer wakes the scheduler');

# It sleeps until the first lease of these runs out, and not for less.
sql($node, "SELECT dfsmr.start('long') FROM generate_series(1, 50)");
sql($node, "SELECT count(*) FROM dfsmr.ready('w1', 'long')");
wait_until_asleep();
my $switches = context_switches();
sql($node, "SELECT count(*) FROM dfsmr.ready('w1', 'long')") for 1 .. 40;
is(context_switches(), $switches, 'leases that run out later do not wake it');

$node->stop;

# More delayed tasks than the board has room for: when a claim has made all of them
# ready that it knew, somebody has to look for the next.
my $small = new_dfsmr_node('small',
	conf => "dfsmr.audit_interval = 0\ndfsmr.timer_set_size = 4\nmax_prepared_transactions = 2");
$small->start;
sql($small, 'CREATE EXTENSION dfsmr');
sql($small, q{SELECT dfsmr.define($$
id: later
nodes:
  work: {start: true, timeout: 10m, transitions: {ok: done}}
  done: {final: true}
$$)});
wait_until { scheduler_pid($small, 'postgres') } 'there is a scheduler';
$node = $small;
sql($small, "SELECT dfsmr.start('later', delay => CASE WHEN i <= 4 THEN interval '1 s' ELSE '2500 ms' END)
	FROM generate_series(1, 8) AS i");
# A claim comes before the scheduler: which is held up meanwhile.
kill 'STOP', scheduler_pid($small, 'postgres') or die "cannot stop the scheduler: $!";
wait_until
{
	sql($small, "SELECT count(*) FROM dfsmr.instances WHERE ready_at <= dfsmr.board_time()") == 4
}
'the first are due';
is(sql($small, "SELECT count(*) FROM dfsmr.ready('w', 'later', max => 8)"), 4, 'a claim takes them');
kill 'CONT', scheduler_pid($small, 'postgres');
is( sql($small, "SELECT count(*) FROM dfsmr.ready('w', 'later', wait => '5s')"),
	1,
	'and who waits is woken for the next, of which the board did not know');

# What is prepared is published when it commits, whoever slept meanwhile.
my $listener = session($small);
$listener->query('LISTEN dfsmr');
sql($small, "BEGIN; SELECT dfsmr.start('later', key => 'prepared'); PREPARE TRANSACTION 'p'");
sql($small, "SELECT dfsmr.start('later', key => 'meanwhile')");
my $heard = '';
wait_until { ($heard .= $listener->query('SELECT 1')) =~ /meanwhile/ } 'others are published meanwhile';
unlike($heard, qr/prepared/, 'what is prepared is not yet');
sql($small, "COMMIT PREPARED 'p'");
wait_until { ($heard .= $listener->query('SELECT 1')) =~ /prepared/ } 'it is when it has committed';
is(() = $heard =~ /"key": ?"prepared"/g, 1, 'once');
$listener->quit;

$small->stop;
done_testing();
