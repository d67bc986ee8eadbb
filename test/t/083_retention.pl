# Old changes are forgotten member by member of a ring, on an injected clock:
# what is kept is complete, what is gone is never passed over in silence, and
# nobody is waited for.

use strict;
use warnings FATAL => 'all';

use DfsmrTest;
use Test::More;

# Seven members of a minute each are kept besides the one that is written.
my $node = dfsmr_node('main', conf => "dfsmr.change_retention = '7min'\nmax_prepared_transactions = 2");

define($node, <<'YAML');
id: m
endless: true
nodes:
  a:
    start: true
    timeout: 30d
    transitions: {on: b}
  b:
    await: signal
    transitions: {back: a}
YAML

my $base = sql($node, 'SELECT now()');
my $minute = 0;
my $member = 0;

# Let minutes pass, without a turn of the ring.
sub minutes_pass
{
	my ($minutes) = @_;
	$minute += $minutes;
	sql($node, "SELECT dfsmr.tick('$base'::timestamptz + '$minute min')");
	return;
}

sub current
{
	return sql($node, 'SELECT coalesce((SELECT member FROM dfsmr.change_turn ORDER BY since DESC LIMIT 1), 0)');
}

# Let a minute pass, and the ring turn.
sub turn
{
	minutes_pass(1);
	$member = ($member + 1) % 8;
	# A turn that somebody's lock prevented is tried again after ten seconds.
	wait_until
	{
		sql($node, "SELECT dfsmr.tick('$base'::timestamptz + '$minute min 11 s')");
		return current() eq $member;
	}
	"the ring turns to member $member";
	return;
}

sub start
{
	my ($key) = @_;
	return sql($node, "SELECT dfsmr.start('m', key => '$key')");
}

sub read_on
{
	my ($cursor, $max) = @_;
	return 'SELECT coalesce(key, kind), cursor FROM dfsmr.changes_since('
	  . (defined $cursor ? "'$cursor'" : 'NULL') . ', ' . ($max // 1000) . ')';
}

# Keys behind a cursor, and the cursor of the last.
sub since
{
	my @rows = map { [ split /\|/ ] } split /\n/, sql($node, read_on(@_));

	return (join(' ', map { $_->[0] } @rows), @rows ? $rows[-1][1] : $_[0]);
}

minutes_pass(0);
my $first = start('k0');
my ($rows, $cursor0) = since(undef);
is($rows, 'define k0', 'the first member');

sql($node, "SELECT * FROM dfsmr.ready('w', 'm')");
sql($node, "SELECT * FROM dfsmr.transition('$first', 'on', visit => 1, client => 'w', attempt => 1)");

is(current(), '0', 'no time has passed: the ring stands');
turn();
start('k1');
sql($node, "SELECT * FROM dfsmr.signal('m', 'k0', 'back')");
is( sql($node, "SELECT member FROM dfsmr.change WHERE key = 'k1'"), '1',
	'what is written after a turn is in the next member');
is( sql($node, "SELECT string_agg(kind, ' ') FROM dfsmr.history('$first')"),
	'start transition signal',
	'the history goes over members');
is( sql($node, "SELECT node FROM dfsmr.transition('$first', 'on', visit => 1, client => 'w', attempt => 1)"),
	'b',
	'a recorded answer is found in an earlier member');

# A transaction that began long ago, and is to write much later.
my $old = session($node);
$old->try("BEGIN; SELECT pg_current_xact_id()");

my ($seen, $paging) = since(undef, 3);
is($seen, 'define k0 k0', 'somebody reads from the beginning, slowly');
my (undef, $ahead) = since(undef, 5);

for my $n (2 .. 7)
{
	turn();
	start("k$n");
}
my (undef, $now) = since($ahead);
is($member, 7, 'all members were written');
is( sql($node, 'SELECT count(*) FROM dfsmr.change_forgotten'), '0', 'and nothing was forgotten');
($rows) = since($cursor0);
is($rows, 'k0 k1 k0 k2 k3 k4 k5 k6 k7', 'so it is all there for a cursor of the beginning');

# Not while somebody reads the member.
my $reader = session($node);
$reader->try('BEGIN; SELECT count(*) FROM dfsmr.change_0');
minutes_pass(1);
is(current(), '7', 'a member that is locked is not emptied');
start('meanwhile');
$reader->try('COMMIT');

$minute--;
turn();
start('k8');
is($member, 0, 'the ring has gone round');
is( sql($node, 'SELECT count(*) FROM dfsmr.change_forgotten'), '1', 'and what was in it is forgotten');
is(sqlstate($node, read_on($cursor0)), 'SM011', 'a cursor of before is refused');
is(sqlstate($node, read_on($paging)), 'SM011', 'so is a reader who was still among what was forgotten');
($rows) = since($ahead);
is($rows, 'k2 k3 k4 k5 k6 k7 meanwhile k8', 'one who was past it reads on');
($rows) = since($now);
is($rows, 'meanwhile k8', 'and so does one of later');

# What is kept, from the beginning, also by a transaction of before.
$old->try("SELECT dfsmr.start('m', key => 'late'); COMMIT");
my ($all, $cursor) = since(undef);
is($all, 'k1 k0 k2 k3 k4 k5 k6 k7 meanwhile k8 late',
	'NULL begins with the oldest that is kept, and passes no late transaction over');
my ($page, $at) = since(undef, 1);
my @pages;
while ($page ne '')
{
	push @pages, $page;
	($page, $at) = since($at, 2);
}
is("@pages", $all, 'also page by page');
is( sql($node, "SELECT string_agg(kind, ' ') FROM dfsmr.history('$first')"),
	'signal', 'the history is what is kept of it');

# A writer in the member before the current one delays a turn, and blocks nobody.
my $writer = session($node);
$writer->try("BEGIN; SELECT dfsmr.start('m', key => 'slow')");
turn();
minutes_pass(1);
is(current(), $member, 'the ring does not turn while somebody writes to the member before');
start('k9');
$writer->try('COMMIT');
$minute--;
turn();
like((since($cursor))[0], qr/\bslow\b.*\bk9|\bk9\b.*\bslow\b/, 'and it is not missed');

# Prepared transactions count as writers.
sql($node, "BEGIN; SELECT dfsmr.start('m', key => 'prepared'); PREPARE TRANSACTION 'p'");
turn();
minutes_pass(1);
is(current(), $member, 'a prepared transaction likewise');
sql($node, "COMMIT PREPARED 'p'");
$minute--;
turn();

# A restart, and a dump: the ring goes on where it was.
my $changes = q{SELECT string_agg(coalesce(key, kind), ' ' ORDER BY seq) FROM dfsmr.changes};
my $before = sql($node, $changes);
$node->restart;
is(current(), $member, 'the ring survives a restart');
sql($node, 'CREATE DATABASE copy');
$node->command_ok(
	[ 'sh', '-c', $node->installed_command('pg_dump') . " -d '" . $node->connstr('postgres') . "' | "
		. $node->installed_command('psql') . " -qXv ON_ERROR_STOP=1 -d '" . $node->connstr('copy') . "'" ],
	'dumped and restored');
is(sql($node, $changes, db => 'copy'), $before, 'with the same changes');
sql($node, "SELECT dfsmr.start('m', key => 'copied')", db => 'copy');
is( sql($node, "SELECT member FROM dfsmr.change WHERE key = 'copied'", db => 'copy'),
	$member, 'and its ring goes on where it was');
is( sql($node, q{SELECT string_agg(coalesce(key, kind), ' ' ORDER BY seq) FROM dfsmr.changes_since(NULL)},
		db => 'copy'),
	"$before copied", 'all of it is read from the beginning');

# Finished instances are kept as long as the change that finished them; then their
# ids are free again.
define($node, <<'YAML');
id: brief
nodes:
  a: {start: true, transitions: {ok: z}}
  z: {final: true}
YAML
my $brief = '00000000-0000-7000-8000-00000000000f';
my $finished = "SELECT count(*) FROM dfsmr.instances WHERE instance = '$brief' AND state = 'finished'";
my $restart = "SELECT dfsmr.start('brief', id => '$brief')";
sql($node, $restart);
turn();
sql($node, "SELECT * FROM dfsmr.transition('$brief', 'ok')");
is(sql($node, "SELECT count(*) FROM dfsmr.instance WHERE id = '$brief'"), '0', 'it has left its table');
turn() for 1 .. 7;
is(sql($node, $finished), '1', 'a finished instance is there for as long as changes are kept');
is( sql($node, "SELECT string_agg(kind, ' ') FROM dfsmr.history('$brief')"),
	'transition', 'the change that finished it, when the earlier one has been forgotten');
is(sqlstate($node, $restart), 'SM008', 'and its id is taken');
turn();
is(sql($node, $finished), '0', 'then it is forgotten');
is(sqlstate($node, "SELECT * FROM dfsmr.history('$brief')"), 'SM002', '... for everybody');
is(sql($node, $restart), $brief, 'and its id is free');

# For ever.
sql($node, "ALTER SYSTEM SET dfsmr.change_retention = 0");
$node->reload;
minutes_pass(100000);
is(current(), $member, 'with retention 0 nothing is forgotten');

# A setting that is changed counts at once: the scheduler, which slept for ever.
sql($node, "ALTER SYSTEM SET dfsmr.change_retention = '7min'");
$node->reload;
wait_until { current() eq ($member + 1) % 8 } 'the ring turns by itself when the setting says so';

$node->stop;
done_testing();
