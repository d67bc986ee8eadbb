# dfsmr work: what the command gets and says, what its end means, heartbeats
# and leases that are gone, the ways to stop.

use strict;
use warnings FATAL => 'all';
use DfsmrTest;
use DfsmrTest::Client;
use File::Path ();
use JSON::PP;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = dfsmr_node('main');
my $dir = PostgreSQL::Test::Utils::tempdir;
local $ENV{TMPDIR} = "$dir/tmp";
mkdir $ENV{TMPDIR} or die $!;

define($node, <<'EOS');
id: m
nodes:
  a:
    start: true
    transitions: {ok: done, error: failed, retry: wait, next: b}
  b: {transitions: {ok: done, review: review, limbo: limbo}}
  wait: {delay: 1h, fire: again, transitions: {again: a}}
  review: {await: signal, transitions: {accept: done, back: a}}
  limbo: {await: signal, timeout: 1h, on_timeout: accept, transitions: {accept: done}}
  done: {final: true}
  failed: {final: true, outcome: failure}
EOS

sub start
{
	my (@arguments) = @_;

	return client_ok($node, 'start', 'm', @arguments);
}

sub where_is
{
	my ($id) = @_;

	return sql($node, "SELECT concat_ws(' ', node, state) FROM dfsmr.instances WHERE instance = '$id'");
}

# The last change of an instance: kind, transition, note.
sub last_change
{
	my ($id) = @_;

	return sql($node, "SELECT concat_ws(' ', kind, transition, note) FROM dfsmr.changes
		WHERE instance = '$id' ORDER BY seq DESC LIMIT 1");
}

# Out of the way of the tests that follow.
sub put_away
{
	my ($id) = @_;

	return client_ok($node, 'abort', $id);
}

# Run one task by a shell script.
sub one
{
	my ($script, @options) = @_;
	my $run = ref $options[-1] ? pop @options : {};

	return client($node, 'work', 'm', '--max', 1, @options, '--', 'sh', '-c', $script, $run);
}

sub running
{
	my ($pattern) = @_;

	return `ps -eo args` =~ /^\Q$pattern\E$/m;
}

# ---- what the command gets ----

my $parent = start('--delay', '1h');
my $id = start('-p', 'url=http://x/?a=b c', '-p', "odd name=1", '-p', 'n:=null', '-p', 'l:=[1]',
	'-p', "text=two\nlines", '--key', 'the key', '--lane', 'the lane', '--data', '{"d": 1}',
	'--parent', $parent);
my $r = one("cat >$dir/stdin; env >$dir/env");
is($r->{status}, 0, 'exit status 0') or diag $r->{err};
is(where_is($id), 'done finished', 'is ok');
my $stdin = slurp_file("$dir/stdin");
my $task = decode_json($stdin);
like($stdin, qr/\A[^\n]+\n\z/, 'the task comes on one line');
is_deeply($task->{params}, { url => 'http://x/?a=b c', 'odd name' => '1', n => undef, l => [1],
	text => "two\nlines" }, 'with its params');
my $env = slurp_file("$dir/env");
is_deeply(
	[ sort $env =~ /^(DFSMR_(?:INSTANCE|MACHINE|VERSION|NODE|VISIT|ATTEMPT|DELIVERIES|PRIORITY|KEY|LANE
		|PARENT|NODE_PARAMS|DATA|PREV_NODE|PREV_TRANSITION)=.*)$/mgx ],
	[ 'DFSMR_ATTEMPT=1', 'DFSMR_DATA={"d": 1}', 'DFSMR_DELIVERIES=1', "DFSMR_INSTANCE=$id",
		'DFSMR_KEY=the key', 'DFSMR_LANE=the lane', 'DFSMR_MACHINE=m', 'DFSMR_NODE=a',
		'DFSMR_NODE_PARAMS={}', "DFSMR_PARENT=$parent", 'DFSMR_PRIORITY=0', 'DFSMR_VERSION=1',
		'DFSMR_VISIT=1' ],
	'and its fields in the environment, but those that are null');
is_deeply([ sort split ' ', ($env =~ /^DFSMR_TRANSITIONS=(.*)$/m)[0] ], [qw(error next ok retry)],
	'transitions');
like($env, qr/^DFSMR_CLIENT=\S+:\d+$/m, 'the client is host:pid');
like($env, qr/^DFSMR_PARAM_text=two\nlines\nDFSMR|^DFSMR_PARAM_text=two\nlines$/m, 'params one by one');
like($env, qr/^DFSMR_PARAM_l=\[1\]$/m, 'JSON where it is no text');
unlike($env, qr/^DFSMR_PARAM_(n|odd)/m, 'none that is null or has an odd name');
put_away($parent);

# Too large for the environment, not for standard input; nothing inherited.
$id = start('--data', '{"big": "' . 'x' x 100_000 . '"}');
one("wc -c >$dir/stdin; env >$dir/env", { env => { DFSMR_KEY => 'old', DFSMR_PARAM_x => 'old', DFSMR_X => 'mine' } });
is(where_is($id), 'done finished', 'a large task');
cmp_ok(slurp_file("$dir/stdin"), '>', 100_000, 'all of it is on standard input');
is(join(' ', slurp_file("$dir/env") =~ /^(DFSMR_(?:DATA|KEY|PARAM_x|X)=.*)$/mg), 'DFSMR_X=mine',
	'what is too large is left out, what is of another task too');

# ---- what the command says ----

$id = start();
one(q(printf '{"transition": "retry", "params": {"p": 1},\n"data": {"d": 2}, "delay": "2h", "note": "busy"}' >$DFSMR_RESULT; exit 7));
is(sql($node, "SELECT node, note, data, node_params, ready_at - entered_at > '110min'
	FROM dfsmr.instances WHERE instance = '$id'"), 'wait|busy|{"d": 2}|{"p": 1}|t',
	'the result counts, not the status');
put_away($id);

$id = start();
one(q(echo '{"data": {"d": 3}, "transition": null}' >$DFSMR_RESULT; exit 3));
is(sql($node, "SELECT node, note, data FROM dfsmr.instances WHERE instance = '$id'"),
	'failed|exit status 3|{"d": 3}', 'without a transition the status names it');

for my $case (
	[ q(echo '{"transition":' >$DFSMR_RESULT), qr/22P02/, 'half a line' ],
	[ q(echo '["ok"]' >$DFSMR_RESULT), qr/not valid: it is not an object/, 'no object' ],
	[ q(echo '{"transision": "ok"}' >$DFSMR_RESULT), qr/unknown key "transision"/, 'a misspelt key' ],
	[ q(echo '{"delay": "soon"}' >$DFSMR_RESULT), qr/22007.*soon/, 'no duration' ],
	[ q(echo '{"params": 1}' >$DFSMR_RESULT), qr/SM006/, 'params that are none' ],
	[ q(echo '{"transition": "nosuch"}' >$DFSMR_RESULT), qr/SM003: .*"nosuch"/, 'no such transition' ],
	[ q(rm $DFSMR_RESULT; mkfifo $DFSMR_RESULT), qr/not a file any more/, 'something else' ],
	[ q(printf '{}\0' >$DFSMR_RESULT), qr/NUL byte/, 'a NUL byte' ],
  )
{
	my ($script, $pattern, $name) = @$case;

	$id = start();
	$r = one($script);
	is(where_is($id), 'a ready', "$name: given back");
	like($r->{err}, $pattern, "$name: and told");
	put_away($id);
}

# ---- what its end means ----

for my $case (
	[ 'exit 0', 'done finished', 'transition ok' ],
	[ 'exit 1', 'failed finished', 'transition error exit status 1' ],
	[ 'exit 75', 'a ready', 'relinquish exit status 75' ],
	[ 'kill -9 $$', 'a ready', 'relinquish killed by signal 9 (Killed)' ],
	[ 'exit 3', 'wait delayed', 'transition retry exit status 3', '--on-exit', '2-4=retry' ],
	[ 'exit 0', 'b ready', 'transition next', '--on-exit', '0=next' ],
	[ 'exit 9', 'a ready', 'relinquish exit status 9', '--on-exit', 'other=-' ],
	[ 'exit 75', 'failed finished', 'transition error exit status 75', '--on-exit', '75=error' ],
	[ 'kill -15 $$', 'wait delayed', 'transition retry killed by signal 15 (Terminated)', '--on-exit', 'signal=retry' ],
	[ 'exit 127', 'failed finished', 'transition error exit status 127', '--on-exit', '100-255=error' ],
	[ 'exit 4', 'a ready', qr/^relinquish machine "m" has no transition "nosuch" from node "a"/, '--on-exit', '4=nosuch' ],
  )
{
	my ($script, $where, $change, @options) = @$case;
	my $name = "@options $script";

	$id = start();
	$r = one($script, @options);
	is($r->{status}, 0, "$name: the worker ends well");
	is(where_is($id), $where, "$name: $where");
	ref $change ? like(last_change($id), $change, "$name: change") : is(last_change($id), $change, "$name: change");
	put_away($id) unless $where =~ /finished/;
}
is(client($node, 'work', 'm', '--on-exit', $_, '--', 'true')->{status}, 2, "--on-exit $_ is refused")
  for ('3', '3=', 'x=ok', '4-3=ok', '300=ok');

for my $case ([ 127, '/nosuch' ], [ 126, '/etc/passwd' ], [ 127, 'sh', '-c', 'nosuch' ])
{
	my ($status, @command) = @$case;

	$id = start();
	$r = client($node, 'work', 'm', '--', @command);
	is($r->{status}, $status, "@command cannot run: the worker stops");
	is(where_is($id), 'a ready', 'and gives back');
	like($r->{err}, qr/cannot run \(exit status $status\)/, 'and tells');
	put_away($id);
}

# Given back again and again: longer and longer pauses, so no busy loop.
$id = start();
$r = client($node, 'work', 'm', '--for', '3s', '--', 'sh', '-c', "echo x >>$dir/tries; exit 75");
my $tries = () = slurp_file("$dir/tries") =~ /x/g;
ok($tries >= 2 && $tries <= 4, "a command that gives back everything is run $tries times in 3 s");
put_away($id);
$id = start();
one(q(echo '{"delay": "1h"}' >$DFSMR_RESULT; exit 75));
is(where_is($id), 'a delayed', 'it may name the pause itself');
put_away($id);

# ---- several at a time, and when to end ----

client_ok($node, 'start', 'm', '-', { stdin => join '', map { "{\"n\": $_}\n" } 1 .. 7 });
my $busy = client_start($node, 'work', 'm', '--jobs', 3, '--max', 5, '--', 'sh', '-c',
	"echo \$\$ >>$dir/pids; while [ ! -e $dir/go ]; do sleep 0.05; done");
wait_until { -e "$dir/pids" && (() = slurp_file("$dir/pids") =~ /\n/g) == 3 } 'three commands run';
is(sql($node, "SELECT count(*) FROM dfsmr.instances WHERE state = 'running'"), 3,
	'no more is claimed than can run');
is(sql($node, "SELECT count(DISTINCT client) FROM dfsmr.instances WHERE state = 'running'"), 1, 'by one client');
is(sql($node, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dfsmr work m'"), 2,
	'over two connections');
append_to_file("$dir/go", '');
is($busy->wait, 0, '--max ends it');
is(sql($node, "SELECT string_agg(state || ' ' || n, ', ' ORDER BY state) FROM (SELECT state, count(*) AS n
	FROM dfsmr.instances WHERE params->>'n' IS NOT NULL GROUP BY 1) AS _"),
	'finished 5, ready 2', 'after so many') or diag client_ok($node, 'instances');

my $began = time;
is(client($node, 'work', 'm', '--drain', '--', 'true')->{status}, 0, '--drain ends it');
is(sql($node, "SELECT count(*) FROM dfsmr.instances WHERE state <> 'finished'"), 0, 'when all is done');
cmp_ok(time - $began, '<', 10, 'soon');
$began = time;
is(client($node, 'work', 'm', '--for', '1s', '--', 'true')->{status}, 0, '--for ends it');
cmp_ok(time - $began, '>', 0.9, 'after that time');
cmp_ok(time - $began, '<', 8, 'and not long after');

# --drain waits for what comes by itself, and for nothing else.
$id = start();
sql($node, "SELECT dfsmr.move('$id', 'review', 'test')");
is(client($node, 'work', 'm', '--drain', '--', 'true')->{status}, 0, 'a parked instance is not waited for');
my $drain = client_start($node, 'work', 'm', 'a', '--drain', '--', 'true');
my $other = start('--delay', '2s');
is($drain->wait, 0, 'a delayed one is');
is(where_is($other), 'done finished', 'until it is done');
sql($node, "SELECT dfsmr.move('$id', 'limbo', 'test')");
$drain = client_start($node, 'work', 'm', '--drain', '--', 'true');
sql($node, 'SELECT pg_sleep(2.5)');
is(waitpid($drain->pid, POSIX::WNOHANG()), 0, 'so is one that is parked with a timeout');
client_ok($node, 'signal', '--instance', $id, 'accept');
is($drain->wait, 0, 'until that ends');
$id = start();
sql($node, "SELECT dfsmr.move('$id', 'b', 'test')");
is(client($node, 'work', 'm', 'a', '--drain', '--', 'true')->{status}, 0,
	'what is ready in another node is not waited for');
client_ok($node, 'pause', 'm', 'b');
is(client($node, 'work', 'm', '--drain', '--', 'true')->{status}, 0, 'nor what is paused');
client_ok($node, 'resume', 'm', 'b');
put_away($id);

# ---- errors that no other task would escape ----

$r = client($node, 'work', 'nosuch', '--', 'true');
is($r->{status}, 21, 'an unknown machine ends the worker');
like($r->{err}, qr/SM001: .*"nosuch"/, 'and is told');
is(client($node, 'work', 'm', '--', 'true', { connstr => $node->connstr('postgres') . ' port=1' })->{status}, 4,
	'so does a server that is not there from the start');
sql($node, 'CREATE ROLE nobody LOGIN');
$r = client($node, 'work', 'm', '--', 'true', { connstr => $node->connstr('postgres') . ' user=nobody' });
is($r->{status}, 1, 'and a role that may not');
like($r->{err}, qr/42501/, 'with the reason');
is(client($node, 'work', 'm')->{status}, 2, 'a command is required');
is(client($node, 'work', 'm', '--')->{status}, 2, 'also after --');
sql($node, "CREATE ROLE worker LOGIN; SELECT dfsmr.grant_work('worker', 'm')");
$id = start();
$r = client($node, 'work', 'm', '--drain', '--', 'true', { connstr => $node->connstr('postgres') . ' user=worker' });
is($r->{status}, 0, 'grant_work is all a worker needs') or diag $r->{err};
is(where_is($id), 'done finished', 'for its work');

# ---- heartbeats ----

define($node, <<'EOS');
id: beat
nodes:
  a: {start: true, timeout: 1h, heartbeat: 1s, transitions: {ok: done, error: done, again: a}, max_visits: 9, on_max_visits: ok}
  done: {final: true}
EOS

$id = client_ok($node, 'start', 'beat');
$r = client($node, 'work', 'beat', '--max', 1, '--', 'sleep', 4);
is(sql($node, "SELECT node, deliveries, failed_attempts FROM dfsmr.instances WHERE instance = '$id'"),
	'done|1|0', 'heartbeats keep a lease of one second for four') or diag $r->{err};

# So they do where the timeout is learnt, and would be over long before; and
# where it is handed out at most once, there is nothing to lose.
define($node, <<'EOS');
id: long
nodes:
  a: {start: true, timeout_max: 1s, transitions: {ok: b}}
  b: {timeout: 0, transitions: {ok: done}}
  done: {final: true}
EOS
$id = client_ok($node, 'start', 'long');
$r = client($node, 'work', 'long', 'a', '--max', 1, '--', 'sleep', 4);
is(sql($node, "SELECT node, deliveries, failed_attempts FROM dfsmr.instances WHERE instance = '$id'"),
	'b|1|0', 'heartbeats keep what takes longer than all before') or diag $r->{err};
$r = client($node, 'work', 'long', '--drain', '--', 'true');
is(where_is($id), 'done finished', 'at most once is done as well') or diag $r->{err};

# A lease that is gone: the command and what it has started are stopped, and
# nothing is said.
sub lose
{
	my ($how, $pattern, $name) = @_;
	my $id = client_ok($node, 'start', 'beat');
	my $worker = client_start($node, 'work', 'beat', '--max', 1, '--grace', '500ms', '--', 'sh', '-c',
		"trap '' TERM; sleep 98765 & echo \$\$ >$dir/lose; while :; do sleep 98764; done");

	unlink "$dir/lose";
	wait_until { -s "$dir/lose" } 'the command runs';
	$how->($id);
	is($worker->wait, 0, "$name: the worker goes on");
	like($worker->err, $pattern, "$name: tells");
	like($worker->err, qr/the lease is gone/, "$name: stops the command");
	ok(!running('sleep 98764') && !running('sleep 98765'), "$name: and all it has started");
	return $id;
}

$id = lose(sub { client_ok($node, 'abort', $_[0]) }, qr/SM00[47]/, 'aborted');
is(where_is($id), 'dfsmr.aborted finished', 'aborted it stays');
$id = lose(sub { client_ok($node, 'transition', $_[0], 'again') }, qr/SM004/, 'moved on');
is(where_is($id), 'a ready', 'moved on it stays');
put_away($id);
my $s = session($node);
$id = lose(
	sub {
		my ($id) = @_;

		# The lease is given back under the worker's feet, and taken by another.
		$s->query("SELECT dfsmr.relinquish('$id', 1, attempt => 1)");
		is($s->query("SELECT attempt FROM dfsmr.ready('other', 'beat', wait => '5s')"), 2, 'another has it');
	},
	qr/SM010/, 'superseded');
like(where_is($id), qr/^a /, 'the late worker says nothing');
put_away($id);

# A worker that stops beating (it is stopped itself) loses the task; when it
# comes back, its command is stopped, not that of the successor.
$id = client_ok($node, 'start', 'beat');
my $late = client_start($node, 'work', 'beat', '--max', 1, '--', 'sleep', 98763);
wait_until { running('sleep 98763') } 'the command runs';
$late->signal('STOP');
wait_until { sql($node, "SELECT failed_attempts FROM dfsmr.instances WHERE instance = '$id'") eq '1' } 'the lease ran out';
my $successor = client_start($node, 'work', 'beat', '--max', 1, '--', 'sleep', 3);
wait_until { sql($node, "SELECT attempt FROM dfsmr.instances WHERE instance = '$id' AND state = 'running'") eq '2' }
  'a successor';
$late->signal('CONT');
is($late->wait, 0, 'the late worker ends');
like($late->err, qr/SM010.*\n(.*\n)*.*the lease is gone/, 'having learnt that its lease is gone');
is($successor->wait, 0, 'the successor ends');
is(sql($node, "SELECT node, deliveries FROM dfsmr.instances WHERE instance = '$id'"), 'done|2', 'and completes');

# A worker that is killed takes its command with it.
SKIP:
{
	skip 'needs Linux', 1 unless $^O eq 'linux';
	$id = client_ok($node, 'start', 'beat');
	my $killed = client_start($node, 'work', 'beat', '--', 'sleep', 98762);
	wait_until { running('sleep 98762') } 'the command runs';
	$killed->signal('KILL');
	is($killed->wait, 137, 'a worker is killed');
	wait_until { !running('sleep 98762') } 'its command is gone too';
	put_away($id);
	File::Path::remove_tree(glob "$ENV{TMPDIR}/*");
}

# ---- signals ----

# With a wait of five seconds in ready(), an idle worker still ends at once.
my $idle = client_start($node, 'work', 'm', '--', 'true');
wait_until { sql($node, "SELECT count(*) FROM pg_stat_activity
	WHERE application_name = 'dfsmr work m' AND query LIKE '%ready(%' AND state = 'active'") eq '1' } 'it waits';
$began = time;
$idle->signal('TERM');
is($idle->wait, 0, 'SIGTERM ends an idle worker');
cmp_ok(time - $began, '<', 3, 'at once');
is($idle->err, '', 'in silence');

for my $signal (qw(TERM INT HUP))
{
	unlink "$dir/go";
	my @ids = map { start() } 1 .. 3;
	my $worker = client_start($node, 'work', 'm', '--jobs', 2, '--', 'sh', '-c',
		"while [ ! -e $dir/go ]; do sleep 0.05; done");

	wait_until { sql($node, "SELECT count(*) FROM dfsmr.instances WHERE state = 'running'") eq '2' } 'two run';
	$worker->signal($signal);
	wait_until { sql($node, "SELECT count(*) FROM pg_stat_activity
		WHERE application_name = 'dfsmr work m' AND state = 'active'") eq '0' } 'it takes no more';
	is(sql($node, "SELECT count(*) FROM dfsmr.instances WHERE state = 'running'"), 2, "SIG$signal: the commands go on");
	append_to_file("$dir/go", '');
	is($worker->wait, 0, "SIG$signal: the worker ends when they do");
	is(join(', ', sort map { where_is($_) } @ids), 'a ready, done finished, done finished',
		"SIG$signal: the rest is not touched");
	put_away($_) for grep { where_is($_) =~ /^a / } @ids;
}

$id = start();
my $twice = client_start($node, 'work', 'm', '--', 'sleep', 98761);
wait_until { running('sleep 98761') } 'the command runs';
$twice->signal('TERM');
wait_until { sql($node, "SELECT count(*) FROM pg_stat_activity
	WHERE application_name = 'dfsmr work m' AND state = 'active'") eq '0' } 'it takes no more';
$twice->signal('TERM');
is($twice->wait, 143, 'a second signal stops the command');
is(where_is($id), 'a ready', 'and gives the task back');
put_away($id);

# What was handed out in the moment of the signal goes back.  The worker is
# stopped while it waits; meanwhile it is given a task, and told to end.
$idle = client_start($node, 'work', 'm', '--', 'touch', "$dir/touched");
wait_until { sql($node, "SELECT count(*) FROM pg_stat_activity
	WHERE application_name = 'dfsmr work m' AND query LIKE '%ready(%' AND state = 'active'") eq '1' } 'it waits';
$idle->signal('STOP');
$id = start();
wait_until { where_is($id) eq 'a running' } 'the task is handed out';
$idle->signal('TERM');
$idle->signal('CONT');
is($idle->wait, 0, 'it ends');
like(last_change($id), qr/^(relinquish the worker stops|transition ok)$/, 'the task is given back, or done');
isnt(where_is($id), 'a running', 'and in nobody\'s hands');

is_deeply([ glob "$ENV{TMPDIR}/*" ], [], 'no temporary files are left')
  or system('ls', '-R', $ENV{TMPDIR});

$node->stop;
done_testing();
