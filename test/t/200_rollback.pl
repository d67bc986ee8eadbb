# What is rolled back never was: every call, rolled back whole, to a savepoint,
# and as a prepared transaction; alone, and followed by a ready() that meets the
# caller's own uncommitted writes.  Afterwards every instance is as before, and
# what was claimable is claimable, without the audit.

use strict;
use warnings FATAL => 'all';

use DfsmrTest;
use Test::More;

my $node = dfsmr_node('main',
	conf => "max_prepared_transactions = 10\ndfsmr.audit_interval = 0");

# One session for all that is only looked at or made, one for what is undone:
# a psql for each would take minutes.
my $judge = session($node);
my $worker = session($node);
my $number = 0;

# A machine of its own with an instance in each state.
sub fresh
{
	my $m = 'm' . ++$number;

	$judge->query("SET client_min_messages = error; SELECT dfsmr.define(\$def\$" . <<"YAML" . "\$def\$)");
id: $m
nodes:
  work: {start: true, timeout: 1h, transitions: {ok: done, again: work, nap: rest, stop: review}}
  rest: {delay: 1h, fire: ok, max_visits: 9, on_max_visits: ok, transitions: {ok: work}}
  review: {await: signal, transitions: {ok: work, no: done}}
  done: {final: true}
YAML
	$judge->query(<<"SQL");
SELECT dfsmr.start('$m', key => 'claimed');
SELECT * FROM dfsmr.ready('holder', '$m');
SELECT dfsmr.start('$m', key => 'timer');
SELECT * FROM dfsmr.ready('holder', '$m');
SELECT t.* FROM dfsmr.instances i, dfsmr.transition(i.instance, 'nap') t WHERE machine = '$m' AND key = 'timer';
SELECT dfsmr.start('$m', key => 'parked');
SELECT t.* FROM dfsmr.instances i, dfsmr.transition(i.instance, 'stop') t WHERE machine = '$m' AND key = 'parked';
SELECT dfsmr.start('$m', key => 'ready1');
SELECT dfsmr.start('$m', key => 'ready2');
SELECT dfsmr.start('$m', key => 'later', delay => '1 hour')
SQL
	return $m;
}

sub state_of
{
	my ($m) = @_;

	return $judge->query("SELECT string_agg(format('%s %s %s %s %s %s %s', key, node, state,
		visit, attempt, deliveries, client), '; ' ORDER BY key)
		FROM dfsmr.instances WHERE machine = '$m'");
}

# Claims one by one, as a small board may have few leases to give.
sub claimable
{
	my ($m) = @_;

	return $judge->query("SELECT string_agg(key, ' ' ORDER BY key) FROM dfsmr.ready('judge', '$m', max => 5)");
}

# A call about the instance with a key; %m is the machine.
sub about
{
	my ($key, $call) = @_;

	return "SELECT f.* FROM (SELECT instance FROM dfsmr.instances"
	  . " WHERE machine = '%m' AND key = '$key') i, LATERAL dfsmr.$call f";
}

my @calls = (
	[ 'start', "SELECT dfsmr.start('%m', key => 'new')" ],
	[ 'start of many', "SELECT count(dfsmr.start('%m')) FROM generate_series(1, 3000)" ],
	[ 'ready', "SELECT key FROM dfsmr.ready('mine', '%m')" ],
	[ 'transition of a ready one', about('ready1', "transition(i.instance, 'again')") ],
	[ 'transition of a claimed one', about('claimed', "transition(i.instance, 'again', visit => 1)") ],
	[ 'transition to the end', about('claimed', "transition(i.instance, 'ok')") ],
	[ 'transition to a timer', about('ready1', "transition(i.instance, 'nap')") ],
	[ 'relinquish', about('claimed', 'relinquish(i.instance)') ],
	[ 'relinquish with a delay', about('claimed', "relinquish(i.instance, delay => '1 hour')") ],
	[ 'heartbeat that takes a lease', about('ready1', 'heartbeat(i.instance, 1)') ],
	[ 'signal to a parked one', about('parked', "signal('%m', 'parked', 'ok')") ],
	[ 'signal to a timer', about('timer', "signal('%m', 'timer', 'ok')") ],
	[ 'abort of a ready one', about('ready1', 'abort(i.instance)') ],
	[ 'abort of a claimed one', about('claimed', 'abort(i.instance)') ],
	[ 'move of a ready one', about('ready1', "move(i.instance, 'review', 'test')") ],
	[ 'move of a parked one', about('parked', "move(i.instance, 'work', 'test')") ],
	[ 'move of a delayed one', about('later', "move(i.instance, 'work', 'test')") ],
	[ 'pause', "SELECT dfsmr.pause('%m')" ],
	[ 'tick', 'SELECT dfsmr.tick()' ],
	[
		'define',
		"SELECT dfsmr.define('{\"id\": \"%m\", \"nodes\": {\"other\": {\"start\": true,"
		  . " \"transitions\": {\"ok\": \"e\"}}, \"e\": {\"final\": true}}}')"
	]);

my %ends = (
	'rolled back' => [ 'BEGIN', 'ROLLBACK' ],
	'rolled back to a savepoint' => [ 'BEGIN; SAVEPOINT s', 'ROLLBACK TO s; COMMIT' ],
	'rolled back to an outer savepoint' =>
	  [ 'BEGIN; SAVEPOINT s; SAVEPOINT t', 'RELEASE t; ROLLBACK TO s; COMMIT' ],
	'rolled back at SERIALIZABLE' => [ 'BEGIN ISOLATION LEVEL SERIALIZABLE', 'ROLLBACK' ],
	'rolled back by an error' => [ 'BEGIN', 'SELECT 1/0; ROLLBACK' ]);

for my $call (@calls)
{
	my ($name, $statement) = @$call;

	for my $end (sort keys %ends)
	{
		for my $then ('', "; SELECT key FROM dfsmr.ready('mine', '%m', max => 3)")
		{
			my $m = fresh();
			my $before = state_of($m);
			my $do = "$ends{$end}[0]; $statement$then; $ends{$end}[1]";

			$do =~ s/%m/$m/g;
			my ($out, $err) = $worker->try($do);
			my $what = "$name" . ($then ? ', then ready,' : '') . " $end";
			unlike($err, qr/XX000|PANIC|not owned|leak/, "$what: no surprise");
			is(state_of($m), $before, "$what: all is as before");
			is(claimable($m), 'ready1 ready2', "$what: what was claimable is");
			$judge->query("SELECT dfsmr.abort(instance) FROM dfsmr.instances
				WHERE machine = '$m' AND state <> 'finished'");
		}
	}

	# Prepared: a claim stays one until its lease runs out; all else is undone.
	my $m = fresh();
	my $before = state_of($m);
	my $do = "BEGIN; $statement; PREPARE TRANSACTION 'p'; ROLLBACK PREPARED 'p'";
	$do =~ s/%m/$m/g;
	$worker->query($do);
	next if $name eq 'ready' || $name =~ /takes a lease/;
	is(state_of($m), $before, "$name, prepared and rolled back: all is as before");
	is(claimable($m), 'ready1 ready2', "$name, prepared and rolled back: what was claimable is");
	sql($node, "SELECT dfsmr.abort(instance) FROM dfsmr.instances
		WHERE machine = '$m' AND state <> 'finished'");
}

# Prepared and committed: it reaches the board when it ends.
{
	my $m = fresh();
	my $claimed = about('claimed', "transition(i.instance, 'again', visit => 1)");
	my $timer = about('timer', "signal('%m', 'timer', 'ok')");

	s/%m/$m/g for $claimed, $timer;
	sql($node, "BEGIN; $claimed; $timer; SELECT dfsmr.start('$m', key => 'new');
		PREPARE TRANSACTION 'p'");
	is(sql($node, "SELECT key FROM dfsmr.ready('judge', '$m', max => 1)"), 'ready1',
		'before it ends only what was ready is');
	sql($node, "COMMIT PREPARED 'p'");
	is(claimable($m), 'claimed new ready2 timer', 'after it has ended all of it is');
}

# One that is prepared over a restart, and ends after it.
{
	my $m = fresh();

	sql($node, "BEGIN; SELECT dfsmr.start('$m', key => 'new'); PREPARE TRANSACTION 'p'");
	$node->restart;
	$judge = session($node);
	sql($node, "SELECT key FROM dfsmr.ready('judge', '$m', max => 5)");
	sql($node, "COMMIT PREPARED 'p'");
	is(claimable($m), 'new', 'prepared before a restart, committed after it');
}

is(sql($node, "SELECT used FROM dfsmr.status WHERE item = 'repairs by the audit'"), '0',
	'the audit had nothing to repair');
$node->stop;
done_testing();
