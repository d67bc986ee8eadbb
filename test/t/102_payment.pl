# examples/payment.yaml keeps its promises when things fail: a charge is handed
# out at most once, what silences its workers ends in the poison lane, a receipt
# that is not sent in time is given up, and errors are retried for three days.
# The hours in between are set by tick().

use strict;
use warnings FATAL => 'all';

use DfsmrTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = dfsmr_node('main');

define($node, slurp_file("$ENV{DFSMR_ROOT}/examples/payment.yaml"));

sub start_payment
{
	my ($key) = @_;

	return sql($node, "SELECT dfsmr.start('payment', key => '$key')");
}

# claim(NODE): claim a task there; returns instance|visit.
sub claim
{
	my ($at) = @_;

	return sql($node,
		"SELECT instance, visit FROM dfsmr.ready('w', 'payment', '$at', wait => '5s')");
}

# complete(TRANSITION, CLAIMED): returns the node that it leads to.
sub complete
{
	my ($transition, $claimed) = @_;
	my ($instance, $visit) = split /\|/, $claimed;

	return sql($node,
		"SELECT node FROM dfsmr.transition('$instance', '$transition', visit => $visit, client => 'w')");
}

sub payment
{
	my ($key, $columns) = @_;

	return sql($node, "SELECT $columns FROM dfsmr.instances WHERE key = '$key'");
}

# The transition that it took last.
sub taken
{
	my ($key) = @_;

	return sql($node, "SELECT h.transition FROM dfsmr.instances AS i, dfsmr.history(i.instance) AS h"
		  . " WHERE i.key = '$key' ORDER BY h.seq DESC LIMIT 1");
}

sub hours_pass
{
	my ($hours) = @_;

	return sql($node, "SELECT dfsmr.tick(dfsmr.board_time() + interval '$hours hours')");
}

# ---- at most once ----------------------------------------------------------

start_payment('good');
is(complete('ok', claim('check')), 'charge', 'checked');
my $charge = claim('charge');
hours_pass(1000);
is(payment('good', 'node, state, client, attempt'), 'charge|running|w|1',
	'and not a second time, however late');
is(sql($node, q{SELECT reason, hint LIKE '%relinquish%' FROM dfsmr.stuck}), 'at most once|t',
	'but it is listed, with what can be done');
is(complete('ok', $charge), 'receipt', 'its worker may still say how it went');
is(sql($node, 'SELECT count(*) FROM dfsmr.stuck'), 0, 'and it is stuck no more');

claim('receipt');
hours_pass(1);
is(payment('good', 'node, outcome'), 'paid|success', 'a receipt that is not sent in time is given up');
is(taken('good'), 'unsent', 'by on_timeout');

start_payment('lost');
complete('ok', claim('check'));
my ($instance, $visit) = split /\|/, claim('charge');
$node->stop('immediate');
$node->start;
is(payment('lost', 'node, state, client'), 'charge|running|w', 'a crash does not hand it out again');
sql($node, "SELECT dfsmr.relinquish('$instance', $visit, note => 'the bank knows nothing of it')");
is(complete('refused', claim('charge')), 'failed', 'unless an operator gives it back');

# ---- poison ----------------------------------------------------------------

start_payment('poison');
for my $attempt (1 .. 5)
{
	is(payment('poison', 'node'), 'check', "silence number $attempt");
	claim('check');

	# First the lease runs out, then the pause before it is offered again.
	hours_pass(1);
	hours_pass(1);
}
is(payment('poison', 'node, state'), 'poisoned|parked', 'what silences five workers is poison');
is(taken('poison'), 'poison', 'by on_exhausted');
sql($node, "SELECT dfsmr.signal('payment', 'poison', 'redrive')");
is(complete('refused', claim('check')), 'failed', 'until it is sent back');

# ---- three days ------------------------------------------------------------

start_payment('patient');
is(complete('error', claim('check')), 'later', 'an error comes back');
hours_pass(1);
is(complete('error', claim('check')), 'later', 'and again');
hours_pass(73);
is(payment('patient', 'node, outcome'), 'failed|failure', 'for three days');
is(taken('patient'), 'give_up', 'by on_max_elapsed');
is(sql($node, 'SELECT state, retries > 0 FROM dfsmr.breakers'), 'closed|f',
	'a few errors in three days open no breaker');

done_testing();
