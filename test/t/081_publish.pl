# Every change becomes one notification, in an order in which causes come
# before effects, and nobody but the scheduler notifies: not while writers
# compete, not across restarts of the scheduler, not beside a listener that
# stalled.  What does not fit into a payload is left out and flagged.

use strict;
use warnings FATAL => 'all';

use DfsmrTest;
use DfsmrTest::Listener;
use JSON::PP;
use PostgreSQL::Test::Utils qw(append_to_file slurp_file);
use Test::More;

my $node = dfsmr_node('main', conf => 'max_prepared_transactions = 10');

sub last_seq { return sql($node, 'SELECT max(seq) FROM dfsmr.changes') }

# As one line: the numbers of those seen from a number on, sorted or as they came.
sub numbers_from
{
	my ($listener, $from, $as_they_came) = @_;
	my @numbers = grep { $_ >= $from } map { $_->{seq} } @{ $listener->{seen} };
	@numbers = sort { $a <=> $b } @numbers unless $as_they_came;
	return "@numbers";
}

sub committed_from
{
	my ($from) = @_;
	return sql($node, "SELECT string_agg(seq::text, ' ' ORDER BY seq) FROM dfsmr.changes WHERE seq >= $from");
}

my $live = listener($node);

# The notification has the columns of the view, those that are NULL left out.
define($node, <<'YAML');
id: m
endless: true
nodes:
  a: {start: true, await: signal, transitions: {next: a}}
YAML
my $id = sql($node, "SELECT dfsmr.start('m', key => 'k', data => '{\"n\": 1}')");
sql($node, "SELECT dfsmr.signal('m', 'k', 'next', '{\"p\": [true]}', note => E'a \"note\"\n')");
wait_for_seq($live, last_seq());
my ($define, $start, $signal) = @{ seen($live) };
is("@$define{qw(kind machine version)}", 'define m 1', 'a definition is published');
is($start->{instance}, $id, 'a start is, with its instance');
is_deeply($start->{data}, { n => 1 }, 'and data as JSON');
is_deeply([ sort keys %$signal ],
	[ sort qw(seq at kind machine version instance key visit prev_node transition node role note
		  node_params pid length) ],
	'what is NULL is left out');
is($signal->{note}, "a \"note\"\n", 'texts are quoted');
is_deeply($signal->{node_params}, { p => [JSON::PP::true] }, 'node params too');
my $scheduler = scheduler_pid($node);
is(scalar(grep { $_->{pid} != $scheduler } @{ $live->{seen} }), 0, 'the scheduler sent them all');

# What does not fit is left out and flagged; up to the limit it fits.
my $from = last_seq() + 1;
sql($node, "SELECT dfsmr.start('m', key => 'fit ' || n, data => jsonb_build_object('d', repeat('x', n)))
	FROM generate_series(7700, 7800) AS n");
sql($node, "SELECT dfsmr.start('m', key => 'large', data => (SELECT jsonb_object_agg(n, n)
	FROM generate_series(1, 100000) AS n))");
sql($node, "SELECT dfsmr.signal('m', 'k', 'next', '{\"p\": 1}', data => '{\"d\": 1}', note => repeat(E'\x01', 3000))");
wait_for_seq($live, last_seq());
my @fit = grep { ($_->{key} // '') =~ /^fit/ } @{ $live->{seen} };
my ($longest) = sort { $b <=> $a } map { $_->{length} } @fit;
# The time's fraction has no trailing zeros, so lengths differ by a few.
ok($longest > 7990 && $longest < 8000, 'a payload may have up to 7999 bytes');
ok(!$fit[0]{truncated} && $fit[0]{data}, 'one that fits is whole');
is_deeply($fit[-1]{truncated}, ['data'], 'one that does not has no data and says so');
ok(!$fit[-1]{data}, 'indeed');
my ($large) = grep { ($_->{key} // '') eq 'large' } @{ $live->{seen} };
is_deeply($large->{truncated}, ['data'], 'very large data are left out');
is_deeply([ @{ $live->{seen}[-1] }{qw(truncated data node_params)} ],
	[ ['note'], { d => 1 }, { p => 1 } ],
	'a long note does not drop what fits');

# Competing writers, with rollbacks and a prepared transaction in between; the
# scheduler is asked to leave and comes back meanwhile.  Saved on the way out,
# its place is exact.
sub bench
{
	my ($name, $script, @options) = @_;
	my $file = $node->basedir . "/$name.sql";
	append_to_file($file, $script);
	return IPC::Run::start(
		[ $node->installed_command('pgbench'), '-n', @options, '-f', $file, $node->connstr('postgres') ],
		'>', '/dev/null', '2>', \my $err);
}
$from = last_seq() + 1;
sql($node, "SELECT dfsmr.start('m', key => 'w' || n) FROM generate_series(1, 8) AS n");
my $writers = bench('writers', <<'PGBENCH', '-c8', '-t150');
\set which random(1, 8)
\set what random(1, 10)
BEGIN;
SELECT dfsmr.signal('m', 'w' || :which, 'next');
SAVEPOINT s;
SELECT dfsmr.start('m');
\if :what > 6
ROLLBACK TO s;
\endif
\if :what = 1
ROLLBACK;
\else
COMMIT;
\endif
PGBENCH
sql($node, "BEGIN; SELECT dfsmr.start('m', key => 'prepared'); PREPARE TRANSACTION 'p'");
my $restarts = 0;
while (eval { $writers->pump_nb }, $writers->pumpable)
{
	my $pid = scheduler_pid($node);
	if ($pid ne '' && $restarts < 3)
	{
		sql($node, "SELECT pg_terminate_backend($pid)");
		$restarts++;
		wait_until { my $now = scheduler_pid($node); $now ne '' && $now != $pid } 'the scheduler is back';
	}
	seen($live);
}
ok($writers->finish, 'callers see nothing of all that');
ok($restarts > 0, 'the scheduler was restarted meanwhile');
sql($node, "SELECT dfsmr.start('m', key => 'after')");
wait_for_seq($live, last_seq());
my ($prepared) = grep { ($_->{key} // '') eq 'prepared' } @{ $live->{seen} };
ok(!$prepared, 'what is prepared is not published');
sql($node, "COMMIT PREPARED 'p'; SELECT dfsmr.start('m')");
wait_for_seq($live, last_seq());
is(numbers_from($live, $from), committed_from($from),
	'each committed change is published once, also across restarts of the scheduler');
my %visit;
my $disorder = 0;
for my $change (grep { $_->{seq} >= $from && $_->{instance} } @{ $live->{seen} })
{
	$disorder++ if $change->{visit} <= ($visit{ $change->{instance} } // 0);
	$visit{ $change->{instance} } = $change->{visit};
}
is($disorder, 0, 'the changes of an instance come in their order');

# A listener that idles in a transaction stalls the queue.  Publication pauses
# before it is full, callers go on, and what happened is published later.
$node->append_conf('postgresql.conf', 'dfsmr.debug_notify_limit = 0');
$node->reload;
my $stuck = session($node);
$stuck->query('LISTEN dfsmr');
$stuck->query('BEGIN; SELECT 1');
$from = last_seq() + 1;
my $offset = -s $node->logfile;
my $log = sub { substr(slurp_file($node->logfile), $offset) };
wait_until
{
	sql($node, "SELECT count(dfsmr.start('m', data => jsonb_build_object('d', repeat('x', 500))))
		FROM generate_series(1, 20)");
	$log->() =~ /publication of changes pauses/
}
'publication pauses';
is($log->() =~ /the NOTIFY queue is \d+% full.*\n.*DETAIL:.*\n.*HINT:  Look for a session that has executed LISTEN/ ? 'said' : $log->(),
	'said', 'the log says why');
sql($node, "SELECT count(dfsmr.start('m', key => 'while ' || n)) FROM generate_series(1, 2000) AS n");
sql($node, "BEGIN; SELECT dfsmr.start('m', key => 'two-phase'); PREPARE TRANSACTION 'p'");
sql($node, "COMMIT PREPARED 'p'");
pass('calls and two-phase commit go on');
seen($live);
isnt(numbers_from($live, $from), committed_from($from), 'publication waits');
is( sql($node, "SELECT count(*) FROM dfsmr.changes_since(NULL, 1000000)"),
	sql($node, 'SELECT count(*) FROM dfsmr.changes'),
	'changes_since() does not');
# (psql reads when it is asked something, so it would stall again.)
$stuck->query('COMMIT; UNLISTEN *');
wait_for_seq($live, last_seq());
is(numbers_from($live, $from), committed_from($from), 'then it catches up: each once');
is(numbers_from($live, $from, 1), committed_from($from), 'in order, as there was one writer');
like($log->(), qr/publication of changes goes on/, 'the log says so');
$stuck->quit;

# The place is saved while it moves, and nothing is written while it does not.
my $saved = "SELECT ctid, published FROM dfsmr.installation";
wait_until { sql($node, "$saved WHERE published IS NOT NULL") ne '' } 'the place is saved';
my $last = '';
wait_until
{
	my $now = sql($node, $saved);
	my $same = $now eq $last;
	$last = $now;
	sleep 2;
	$same
}
'it is quiet: nothing is saved again';

# After a restart it goes on where it was; without a listener too.
$node->restart;
$live = listener($node);
$from = last_seq() + 1;
sql($node, "SELECT dfsmr.start('m', key => 'restarted')");
wait_for_seq($live, last_seq());
is(numbers_from($live, 0), $from, 'a restart repeats nothing and misses nothing');

# After a crash it may repeat, but it misses nothing.
sql($node, "SELECT count(dfsmr.start('m', key => 'crash ' || n)) FROM generate_series(1, 50) AS n");
$from = last_seq() + 1;
crash($node);
start_after_crash($node);
$live = listener($node);
sql($node, "SELECT dfsmr.start('m', key => 'crashed')");
wait_for_seq($live, last_seq());
my %count;
$count{ $_->{seq} }++ for @{ $live->{seen} };
is(join(' ', sort { $a <=> $b } grep { $_ >= $from } keys %count), committed_from($from),
	'after a crash nothing is missed');

$live->{session}->quit;
$node->stop;
done_testing();
