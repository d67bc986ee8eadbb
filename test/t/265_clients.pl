# The board keeps the name of each client once, however many leases it holds, and
# has room for some: beyond, leases go without, and nothing else suffers.

use strict;
use warnings FATAL => 'all';

use DfsmrTest;
use Test::More;

# Room for 64 names: a quarter of the leases, but that many in any case.
my $room = 64;
my $node = dfsmr_node('main', conf => "dfsmr.max_leases = 100\n");

define($node, <<'YAML');
id: m
nodes:
  a: {start: true, timeout: 1h, transitions: {ok: done}}
  done: {final: true}
YAML
define($node, <<'YAML');
id: once
nodes:
  a: {start: true, timeout: 0, transitions: {ok: done}}
  done: {final: true}
YAML

sub names
{
	return sql($node, "SELECT used || '/' || size FROM dfsmr.status WHERE item = 'clients with leases'");
}

sub held_by
{
	my ($client) = @_;

	return sql($node, "SELECT count(*) FROM dfsmr.instances WHERE client = '$client'");
}

# claim(CLIENT, COUNT): what it got, as a list for IN.
sub claim
{
	my ($client, $count) = @_;

	return sql($node, "SELECT string_agg(quote_literal(instance), ', ')
		FROM dfsmr.ready('$client', 'm', max => $count)");
}

sub complete
{
	my ($instances, $client) = @_;

	return sql($node, "SELECT count(*) FROM dfsmr.instances AS i,
		dfsmr.transition(i.instance, 'ok', visit => 1, client => '$client')
		WHERE i.instance IN ($instances)");
}

sql($node, "SELECT dfsmr.start('m') FROM generate_series(1, 100)");
is(names(), "0/$room", 'nobody holds anything');
my $many = claim('busy', 10);
is(names(), "1/$room", 'ten leases of one client are one name');
is(held_by('busy'), 10, 'which all of them know');

my $last;
$last = claim("c$_", 1) for 2 .. $room;
is(names(), "$room/$room", 'as many clients as there is room for');
is(held_by("c$room"), 1, 'all of them known');

my $stranger = claim('stranger', 1);
isnt($stranger, '', 'one more is given work all the same');
is(held_by('stranger'), 0, '... but is not known');
is(sql($node, "SELECT state, client IS NULL FROM dfsmr.instances WHERE instance = $stranger"),
	'running|t', 'its task is held by somebody');
# At most once, the name goes into the row: that has room in any case.
my $once = sql($node, "SELECT dfsmr.start('once')");
is(sql($node, "SELECT instance FROM dfsmr.ready('careful', 'once')"), $once,
	'a stranger is given what is handed out at most once');
is(sql($node, "SELECT client FROM dfsmr.instances WHERE instance = '$once'"), 'careful',
	'... and is known');
is(names(), "$room/$room", 'without a place of its own');
is(sql($node, "SELECT node FROM dfsmr.transition('$once', 'ok', visit => 1)"), 'done',
	'it is completed by nobody in particular');
is(sql($node, "SELECT client FROM dfsmr.history('$once') WHERE kind = 'transition'"), 'careful',
	'... so by whom the row says');

isnt(claim('busy', 1), '', 'a client that is known can take more');
is(held_by('busy'), 11, '... and remains known');

$node->restart;
is(names(), "$room/$room", 'a restart forgets no name');
is(held_by('busy'), 11, '... and whose lease is whose');

sub samples
{
	return sql($node, "SELECT samples FROM dfsmr.node_stats WHERE machine = 'm' AND node = 'a'");
}

my $samples = samples();
is(complete($stranger, 'stranger'), 1, 'a stranger completes');
is(samples(), $samples + 1, 'and how long it took counts');
is(sql($node, "SELECT client FROM dfsmr.history($stranger) WHERE kind = 'transition'"),
	'stranger', 'its completion says who it is');
is(complete($last, "c$room"), 1, 'one who is known completes');
is(names(), ($room - 1) . "/$room", 'its name is forgotten with its only lease');
claim('stranger', 1);
is(held_by('stranger'), 1, 'and there is room for another');

# What is taken over, given back, or rolled back, lets go of its name.
is(complete($many, 'busy'), 10, 'the busy one completes ten');
is(names(), "$room/$room", 'and is known by its eleventh');
sql($node, "SELECT dfsmr.relinquish(instance, visit) FROM dfsmr.instances WHERE state = 'running'");
is(names(), "0/$room", 'nobody holds anything again');
sql($node, "BEGIN; SELECT count(*) FROM dfsmr.ready('undone', 'm', max => 5); ROLLBACK");
is(names(), "0/$room", 'nor after a rollback');
claim('aborted', 1);
sql($node, "SELECT dfsmr.abort(instance) FROM dfsmr.instances WHERE client = 'aborted'");
is(names(), "0/$room", 'nor after what was held is aborted');

# Taken back from somebody who is not known.
claim("d$_", 1) for 1 .. $room;
$stranger = claim('stranger', 1);
sql($node, "SELECT dfsmr.tick(clock_timestamp() + interval '2 hours')");
is(names(), "0/$room", 'nor when all is taken back');
is(sql($node, "SELECT attempt, client IS NULL FROM dfsmr.history($stranger) WHERE kind = 'timeout'"),
	'1|t', 'also from somebody who is not known');

# What ends otherwise: a savepoint, a crash, the extension itself.
sql($node, "SELECT dfsmr.tick(clock_timestamp())");
sql($node, "BEGIN; SAVEPOINT s; SELECT count(*) FROM dfsmr.ready('undone', 'm'); ROLLBACK TO s; COMMIT");
is(names(), "0/$room", 'nor after a rollback to a savepoint');
isnt(claim('forgotten', 1), '', 'somebody holds a lease');
is(names(), "1/$room", '... and is known');
crash($node);
start_after_crash($node);
is(names(), "0/$room", 'a crash forgets names with their leases');
isnt(claim('dropped', 1), '', 'somebody holds a lease again');
sql($node, 'DROP EXTENSION dfsmr CASCADE; CREATE EXTENSION dfsmr', on_error_die => 1);
is(names(), "0/$room", 'and so does an extension that was made anew');

done_testing();
