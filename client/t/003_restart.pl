# The client and a server that goes away: "changes" misses and repeats nothing,
# "work" loses nothing and does nothing twice, and an answer that was lost is
# asked for again.

use strict;
use warnings FATAL => 'all';
use DfsmrTest;
use DfsmrTest::Client;
use IO::Select;
use IO::Socket::UNIX;
use JSON::PP;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = dfsmr_node('main');
my $gone = dfsmr_node('gone');
my $dir = PostgreSQL::Test::Utils::tempdir;

for my $n ($node, $gone)
{
	define($n, <<'EOS');
id: m
nodes:
  a: {start: true, timeout: 1h, heartbeat: 20s, transitions: {ok: done, error: wait}}
  wait: {delay: 200ms, fire: again, transitions: {again: a}}
  done: {final: true}
EOS
}

# The numbers of all changes, in order.
sub all_changes
{
	return sql($node, "SELECT string_agg(seq::text, ' ' ORDER BY seq) FROM dfsmr.changes");
}

# The numbers of the changes that followers printed.
sub printed
{
	return join ' ', sort { $a <=> $b } map { decode_json($_)->{seq} } map { split /\n/, $_->out } @_;
}

sub start_many
{
	my ($n, $label) = @_;

	return client_ok($node, 'start', 'm', '-',
		{ stdin => join '', map { qq({"n": $_, "label": "$label"}\n) } 1 .. $n });
}

# ---- a server that stays away (its 30 seconds pass during the other tests) ----

client_ok($gone, 'start', 'm');
my $left = client_start($gone, 'work', 'm', '--', 'sh', '-c',
	"touch $dir/left; while [ ! -e $dir/go ]; do sleep 0.05; done; echo '{\"note\": \"n\"}' >\$DFSMR_RESULT");
wait_until { -e "$dir/left" } 'the command runs';
$gone->stop('immediate');
$left->signal('TERM');
append_to_file("$dir/go", '');

# ---- a restart and a crash under worker and follower ----

my $follower = client_start($node, 'changes', '--json', '--since', 'oldest');
my $people = client_start($node, 'changes', '--since', 'oldest');
start_many(120, 'work');
my $worker = client_start($node, 'work', 'm', '--drain', '--jobs', 4, '--', 'sh', '-c',
	"echo \$DFSMR_INSTANCE >>$dir/ran; sleep 0.05; [ \$DFSMR_VISIT != 1 ] || exit \$((DFSMR_PARAM_n % 3))");

sub done
{
	return sql($node, "SELECT count(*) FROM dfsmr.instances WHERE node = 'done'");
}

wait_until { done() >= 15 } 'some are done';
$node->restart;
wait_until { done() >= 40 } 'some more are done';
crash($node);
start_after_crash($node);
is($worker->wait, 0, 'the worker goes on until all is done');
is(done(), 120, 'all is done');
like($worker->err, qr/trying again(.*\n)+.*connected again/, 'it told that the server was away');
is( sql($node, "SELECT count(*) FROM (SELECT instance, visit FROM dfsmr.changes
		WHERE kind = 'transition' GROUP BY 1, 2 HAVING count(*) > 1) AS _"),
	0, 'no visit was completed twice');
my $ran = () = slurp_file("$dir/ran") =~ /\n/g;
my $needed = sql($node, "SELECT count(*) FROM dfsmr.changes WHERE kind = 'transition'");
cmp_ok($ran, '>=', $needed, "$ran commands ran for $needed transitions");
cmp_ok($ran, '<=', $needed + 8, 'hardly any for nothing');

my $all = all_changes();
wait_until { printed($follower) eq $all } 'the follower has every change once';
pass('the follower printed every change once, through a restart and a crash');
is(join(' ', map { decode_json($_)->{kind} } (split /\n/, $follower->out)[0, 1]), 'define start', 'in order');
is(scalar(split /\n/, $people->out), scalar(split / /, $all), 'so did the one for people');
like($people->out, qr/^\S+ \S+  transition  m  \S{36}  a -ok-> done  visit 2  by \S+:\d+$/m, 'a change, for people');

# ---- it ends, and goes on where it was ----

$people->signal('INT');
is($people->wait, 0, 'SIGINT ends it');
$follower->signal('TERM');
is($follower->wait, 0, 'SIGTERM ends it');
my ($cursor) = $follower->err =~ /^dfsmr: to continue: --since (\S+)$/m;
my $before = all_changes();
start_many(5, 'more');
my $rest = client_ok($node, 'changes', '--since', $cursor, '--once', '--json');
is(join(' ', $before, map { decode_json($_)->{seq} } split /\n/, $rest), all_changes(),
	'the next one goes on from its cursor');
my $row = decode_json((split /\n/, $rest)[1]);
is(scalar(split /\n/, client_ok($node, 'changes', '--since', $row->{cursor}, '--once', '--json')), 3,
	'each row has a cursor of its own');
is(client_ok($node, 'changes', '--once', '--since', 'oldest', '--machine', 'other'), '', 'of one machine only');

# From now on, and at once.
my $now = client_start($node, 'changes');
wait_until { sql($node, "SELECT count(*) FROM pg_stat_activity
	WHERE application_name = 'dfsmr changes' AND state = 'idle' AND query LIKE '%changes_since%'") eq '1' } 'it listens';
my $began = time;
my $id = client_ok($node, 'start', 'm', '--key', 'now');
wait_until { $now->out =~ /key now/ } 'the change is there';
cmp_ok(time - $began, '<', 3, 'a change is shown at once');
is(scalar(split /\n/, $now->out), 1, 'and nothing from before');

# A change whose transaction commits after later ones.
my $s = session($node);
$s->query('BEGIN');
$s->query("SELECT dfsmr.start('m', key => 'late')");
client_ok($node, 'start', 'm', '--key', 'soon');
wait_until { $now->out =~ /key soon/ } 'a later change does not wait';
unlike($now->out, qr/key late/, 'for one that is not committed');
$s->query('COMMIT');
wait_until { $now->out =~ /key late/ } 'which comes when it is';
is(scalar(split /\n/, $now->out), 3, 'each once');

# Its reader goes away while nothing happens.
is(system("$ENV{DFSMR} changes -d '" . $node->connstr('postgres') . "' --since oldest | head -1 >/dev/null"), 0,
	'it ends when its reader does');

# ---- a crash under a running command ----

client_ok($node, 'work', 'm', '--drain', '--', 'true');
unlink "$dir/ran";
$id = client_ok($node, 'start', 'm');
$worker = client_start($node, 'work', 'm', '--jobs', 2, '--drain', '--', 'sh', '-c',
	"echo x >>$dir/ran; while [ ! -e $dir/crashed ]; do sleep 0.05; done; sleep 1");
wait_until { -s "$dir/ran" } 'the command runs';
crash($node);
start_after_crash($node);
wait_until { $worker->err =~ /connected again/ } 'the worker is back';
append_to_file("$dir/crashed", '');
is($worker->wait, 0, 'the command goes on through a crash');
is(slurp_file("$dir/ran"), "x\n", 'its task is handed to nobody else');
is(sql($node, "SELECT node, visit FROM dfsmr.instances WHERE instance = '$id'"), 'done|2', 'and completed');

# Connections that are cut, one or the other.
$id = client_ok($node, 'start', 'm');
unlink "$dir/crashed", "$dir/ran";
$worker = client_start($node, 'work', 'm', '--jobs', 2, '--', 'sh', '-c',
	"echo x >>$dir/ran; while [ ! -e $dir/crashed ]; do sleep 0.05; done");
wait_until { -s "$dir/ran" } 'the command runs';
for (1 .. 3)
{
	my $told = () = $worker->err =~ /connected again/g;

	sql($node, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dfsmr work m'");
	wait_until { (() = $worker->err =~ /connected again/g) >= $told + 2 } 'both are back';
}
append_to_file("$dir/crashed", '');
wait_until { sql($node, "SELECT node FROM dfsmr.instances WHERE instance = '$id'") eq 'done' } 'it is done';
$worker->signal('TERM');
is($worker->wait, 0, 'cut connections are made again');
is(slurp_file("$dir/ran"), "x\n", 'and change nothing');

# ---- the answer to a completion is lost ----

# A proxy that cuts the connection after the server has answered a statement
# that matches, and keeps the answer to itself; once.
sub proxy
{
	my ($pattern) = @_;
	my $to = $node->host . '/.s.PGSQL.' . $node->port;
	my $listener = IO::Socket::UNIX->new(Local => "$dir/.s.PGSQL.5432", Listen => 5) or die $!;
	my $pid = fork // die "fork: $!";

	return $pid if $pid;
	my ($select, %peer, %doomed, $cut) = (IO::Select->new($listener));
	while (my @ready = $select->can_read)
	{
		for my $socket (@ready)
		{
			if ($socket == $listener)
			{
				my $client = $listener->accept or next;
				my $server = IO::Socket::UNIX->new(Peer => $to) or do { close $client; next };

				$peer{$client} = $server;
				$peer{$server} = $client;
				$select->add($client, $server);
				next;
			}
			my $other = $peer{$socket} or next;
			my $length = sysread $socket, my $bytes, 65536;

			$doomed{$other} = $cut = 1 if $length && !$cut && $bytes =~ $pattern;
			if (!$length || $doomed{$socket})
			{
				append_to_file("$dir/cut", '') if $length;
				$select->remove($socket, $other);
				delete @peer{ $socket, $other };
				close $_ for $socket, $other;
			}
			else
			{
				syswrite $other, $bytes;
			}
		}
	}
	POSIX::_exit(0);
}

for my $case (
	[ qr/dfsmr\.transition\(/, 'transition', "echo '{\"data\": {\"d\": 1}}' >\$DFSMR_RESULT", 'done|2|{"d": 1}', 'transition' ],
	[ qr/dfsmr\.relinquish\(/, 'relinquish', 'exit 75', 'a|1|{}', 'relinquish' ])
{
	my ($pattern, $name, $script, $result, $kind) = @$case;
	my $pid = proxy($pattern);

	$id = client_ok($node, 'start', 'm', '--key', "lost $name");
	$worker = client_start($node, 'work', 'm', '--max', 1, '--', 'sh', '-c', $script,
		{ connstr => "host=$dir port=5432 dbname=postgres" });
	is($worker->wait, 0, "$name: the answer is lost, the worker ends well") or diag $worker->err;
	ok(-e "$dir/cut", "$name: it was lost indeed");
	is(sql($node, "SELECT node, visit, data FROM dfsmr.instances WHERE instance = '$id'"), $result, "$name: it counts");
	is(sql($node, "SELECT count(*) FROM dfsmr.changes WHERE instance = '$id' AND kind = '$kind'"), 1, "$name: once");
	unlike($worker->err, qr/SM0/, "$name: without an error");
	kill 'TERM', $pid;
	waitpid $pid, 0;
	unlink "$dir/cut", "$dir/.s.PGSQL.5432";
	client_ok($node, 'abort', $id) if $name eq 'relinquish';
}

# ---- the server that stayed away ----

is($left->wait, 4, 'what cannot be told is given up in the end');
like($left->err, qr/could not be told to the server: "ok" at node "a"|could not be given back/, 'with a message');

$node->stop;
done_testing();
