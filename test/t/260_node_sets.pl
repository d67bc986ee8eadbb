# More nodes than the board has room for ready sets: the set that was used
# longest ago makes room, and what belongs to it is found again, also what was
# delayed meanwhile.  Without the audit, which would repair what is lost.

use strict;
use warnings FATAL => 'all';

use DfsmrTest;
use Test::More;

my $node = dfsmr_node('main', conf => "dfsmr.max_sets = 4\ndfsmr.audit_interval = 0");
my @machines = map { "m$_" } 1 .. 6;

define($node, "id: $_\nnodes:\n  a: {start: true, transitions: {ok: done}}\n  done: {final: true}\n")
  for @machines;

# Do all that is ready; returns how much that was.
sub work
{
	my ($machine) = @_;

	return sql($node, "SELECT count(*) FROM dfsmr.ready('c', '$machine', max => 10) t,
		dfsmr.transition(t.instance, 'ok', '{}', t.visit)");
}

sub resets
{
	return sql($node, "SELECT used FROM dfsmr.status WHERE item = 'resets'");
}

# The task is delayed while the node has its set in one slot ...
work($_) for @machines;
sql($node, "SELECT dfsmr.start('m1', delay => '1 hour')");
is(work('m1'), 0, 'a delayed task is not ready');
sql($node, "SELECT dfsmr.start('m1', delay => '2 hours', priority => 5)");

# ... which goes to another node, and it gets one elsewhere.
work($_) for @machines;
is(work('m1'), 0, 'nor is it when its node has its sets in another place');
sql($node, "SELECT dfsmr.start('m1')");
is(work('m1'), 1, 'the set knows all that is ready');
is(sql($node, "SELECT used FROM dfsmr.status WHERE item = 'delayed tasks'"), 2,
	'the delayed tasks are on the board');

my $resets = resets();
sql($node, "SELECT dfsmr.tick(clock_timestamp() + interval '61 min')");
is(work('m1'), 1, 'a task that became due is found');
sql($node, "SELECT dfsmr.tick(clock_timestamp() + interval '121 min')");
is(work('m1'), 1, 'and the next one');
is(resets(), $resets, 'without looking at everything again');

$node->stop;
done_testing();
