# A wake-up is never lost: a waiter that was woken, but is cancelled or terminated
# before it has looked, passes it on to the next one, who has the task long before
# its own time is up.  And a waiter whose client has gone claims nothing.

use strict;
use warnings FATAL => 'all';

use DfsmrTest;
use Test::More;
use Time::HiRes qw(time);

# Waits are long, so that nobody looks again for another reason.
my $node = dfsmr_node('main', conf => "dfsmr.max_wait = 50s\ndfsmr.audit_interval = 0");

define($node, <<'YAML');
id: m
nodes:
  a: {start: true, timeout: 1h, transitions: {ok: done}}
  done: {final: true}
YAML

sub waiters
{
	return sql($node, "SELECT used FROM dfsmr.status WHERE item = 'waiters'");
}

my $call = "SELECT key FROM dfsmr.ready('%s', 'm', wait => '50s')";
my %ends = (
	'is cancelled' => 'pg_cancel_backend',
	'is terminated' => 'pg_terminate_backend');

for my $what (sort keys %ends)
{
	my ($first, $second) = (session($node), session($node));
	my $key = $what =~ s/\W/_/gr;

	$first->send(sprintf $call, 'first');
	wait_until { waiters() eq '1' } 'the first waits';
	$second->send(sprintf $call, 'second');
	wait_until { waiters() eq '2' } 'the second waits behind it';

	# Stopped, the first is woken but cannot look; then comes its end.
	kill 'STOP', $first->pid;
	my $began = time;
	sql($node, "SELECT dfsmr.start('m', key => '$key')");
	wait_until { waiters() eq '1' } 'the commit woke the first';
	sql($node, "SELECT $ends{$what}(" . $first->pid . ')');
	kill 'CONT', $first->pid;
	my ($out) = $second->result;
	is($out, $key, "a woken waiter that $what passes its wake-up on");
	cmp_ok(time - $began, '<', 20, 'and the next one need not wait for its time to be up');
	is(sql($node, "SELECT client FROM dfsmr.instances WHERE key = '$key'"), 'second',
		'who holds the lease now');
	eval { $_->quit } for $first, $second;
}

# Two tasks for two waiters, one of which takes both: nobody sleeps beside work.
{
	my ($first, $second) = (session($node), session($node));

	$first->send("SELECT count(*) FROM dfsmr.ready('first', 'm', max => 2, wait => '50s')");
	wait_until { waiters() eq '1' } 'the first waits';
	$second->send("SELECT count(*) FROM dfsmr.ready('second', 'm', wait => '50s')");
	wait_until { waiters() eq '2' } 'the second waits';
	sql($node, "SELECT count(dfsmr.start('m')) FROM generate_series(1, 3)");
	my ($one) = $first->result;
	my ($two) = $second->result;
	is($one + $two, 3, 'three tasks at once, and two waiters have them all');
	$_->quit for $first, $second;
}

# A client that has gone while its call waited.
{
	my $gone = session($node);
	my $pid = $gone->pid;

	$gone->send(sprintf $call, 'gone');
	wait_until { waiters() eq '1' } 'it waits';
	$gone->kill;
	sql($node, "SELECT dfsmr.start('m', key => 'kept')");
	wait_until {
		sql($node, "SELECT count(*) FROM pg_stat_activity WHERE pid = $pid") eq '0'
	}
	'its backend noticed';
	is(sql($node, "SELECT state FROM dfsmr.instances WHERE key = 'kept'"), 'ready',
		'nothing was claimed for a client that has gone');
}

$node->stop;
done_testing();
