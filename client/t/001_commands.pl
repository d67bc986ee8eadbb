# The commands that ask, print and go: what they do, what they print for people
# and for programs, and how they end.  Every exit status that dfsmr(1) names is
# reached, but those of "work" (002) and SM011, SM012 (here, at the end).

use strict;
use warnings FATAL => 'all';
use DfsmrTest;
use DfsmrTest::Client;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = dfsmr_node('main');
my $dir = PostgreSQL::Test::Utils::tempdir;

sub write_file
{
	my ($name, $text) = @_;

	open my $file, '>', "$dir/$name" or die $!;
	print $file $text;
	close $file;
	return "$dir/$name";
}

# The status, and what is said on standard error.
sub fails
{
	my ($status, $pattern, @arguments) = @_;
	my $r = client($node, @arguments);
	my $name = join ' ', map { ref ? () : $_ } @arguments;

	is($r->{status}, $status, "$name: status $status");
	like($r->{err}, $pattern, "$name: message");
	return;
}

# ---- help and usage ----

my $help = client($node, '--help');
is($help->{status}, 0, 'help ends well');
my @commands = $help->{out} =~ /^  ([a-z]+)  +[a-z]/mg;
ok(@commands > 20, 'help lists the commands');
for my $command (@commands)
{
	my $r = client($node, $command, '--help');

	ok($r->{status} == 0 && $r->{out} =~ /^dfsmr $command - .*\n\nUsage:\n  dfsmr $command /,
		"$command has help");
}
is(`$ENV{DFSMR} help work`, `$ENV{DFSMR} work --help`, 'help COMMAND');
like(client($node, '--version')->{out}, qr/^dfsmr \d+\.\d+\.\d+$/, 'version');

fails(2, qr/unknown command "strat"/, 'strat');
fails(2, qr/missing argument/, 'start');
fails(2, qr/unexpected argument "c"/, 'pause', 'a', 'b', 'c');
fails(2, qr/unknown option "--machin"/, 'instances', '--machin', 'x');
fails(2, qr/option "--machine" needs a value/, 'instances', '--machine');
fails(2, qr/--max takes a whole number/, 'ready', '--max', 'many');
fails(2, qr/--wait takes a duration like 300ms/, 'ready', '--wait', '5');
fails(2, qr/"amount" is neither NAME=TEXT nor NAME:=JSON/, 'start', 'm', '-p', 'amount');
fails(2, qr/--visit is required/, 'heartbeat', 'x');
fails(4, qr/No such file or directory|failed/, 'machines', { connstr => "host=$dir" });
fails(4, qr/database "nosuch" does not exist/, 'machines',
	{ connstr => $node->connstr('nosuch') });

# ---- definitions ----

my $good = write_file('order.yaml', <<'EOS');
id: order
nodes:
  check:
    start: true
    transitions: {ok: pack, error: wait, refuse: failed}
  wait: {delay: 1h, fire: ok, transitions: {ok: check}}
  pack: {transitions: {ok: review}}
  review:
    await: signal
    transitions: {accept: done, reject: failed}
  done: {final: true}
  failed: {final: true, outcome: failure}
EOS
my $bad = write_file('bad.yaml', <<'EOS');
id: bad
nods: 1
nodes:
  a: {start: true, transitions: {ok: b}}
EOS
my $hot = write_file('hot.yaml', <<'EOS');
id: hot
nodes:
  a: {start: true, transitions: {again: a, ok: b}}
  b: {final: true}
EOS

is(client_ok($node, 'validate', $good), "$good: valid", 'a valid definition');
my $r = client($node, 'validate', $good, $bad);
is($r->{status}, 25, 'an invalid one: status');
like($r->{out}, qr/^\Q$bad\E:2: error: nods: .*did you mean "nodes"/m, 'with file and line');
like($r->{out}, qr/^\Q$bad\E:4: error: .*"b"/m, 'and all faults');
$r = client($node, 'validate', '--json', $bad);
is_deeply(
	[ map { decode_json($_)->{line} } grep { /"nods"/ } split /\n/, $r->{out} ],
	[2], 'findings as JSON');
is(client($node, 'validate', $hot)->{status}, 0, 'a warning passes');
is(client($node, 'validate', '--strict', $hot)->{status}, 25, 'but not with --strict');
fails(5, qr/could not read ".*missing": No such file/, 'validate', "$dir/missing");
fails(5, qr/has a NUL byte/, 'validate', write_file('nul', "id: m\0"));
fails(25, qr/bad\.yaml: SM005: .*\nDETAIL:  .*\n(.*\n)*HINT:  /, 'define', $bad);

like(client_ok($node, 'define', '-n', $good), qr/^order: version 1 would be created$/, 'dry run');
is(client_ok($node, 'define', $good), 'order: version 1 created', 'define');
is(client_ok($node, 'define', '-', { stdin => slurp_file($good) }),
	'order: version 1 unchanged', 'again, from standard input');
fails(33, qr/SM013/, 'define', '--replaces', 7, $hot);
is_deeply(decode_json(client_ok($node, 'define', '--json', $good)),
	{ machine => 'order', version => 1, created => JSON::PP::false }, 'as JSON');
is(client_ok($node, 'definition', 'order') . "\n", slurp_file($good), 'the text as given');
like(client_ok($node, 'graph', 'order'), qr/^flowchart /, 'graph');
like(client_ok($node, 'graph', 'order', '--format', 'dot', '--version', 1), qr/^digraph /, 'graph as DOT');
fails(21, qr/SM001/, 'graph', 'nosuch');
like(client_ok($node, 'machines'), qr/^machine .*\norder +1 /, 'machines');

# ---- start ----

my $uuid = qr/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
my $id = client_ok($node, 'start', 'order', '--json', '{"a": 1, "b": 2}', '-p', "b=it's \"so\"",
	'-p', 'c:=[1, null]', '--key', 'K 1', '--priority', 7, '--lane', 'l', '--data', '{"d": 1}');
like($id, $uuid, 'start prints the id');
is(sql($node, "SELECT params, key, priority, lane, data FROM dfsmr.instances WHERE instance = '$id'"),
	q({"a": 1, "b": "it's \"so\"", "c": [1, null]}|K 1|7|l|{"d": 1}), 'everything arrives');
fails(28, qr/SM008: .*K 1/, 'start', 'order', '--key', 'K 1');
is(client_ok($node, 'start', 'order', '--key', 'K 1', '--if-exists', 'return'), $id, 'return');
is(client_ok($node, 'start', 'order', '--key', 'K 1', '--if-exists', 'skip'), '-', 'skip');
fails(21, qr/SM001/, 'start', 'nosuch');
fails(26, qr/SM006/, 'start', 'order', '--json', '[1]');
fails(1, qr/22P02/, 'start', 'order', '--json', '{');
fails(1, qr/22P02/, 'start', 'order', '-p', 'x:=1,"y":2');
my $later = client_ok($node, 'start', 'order', '--delay', '1h');
is(sql($node, "SELECT state FROM dfsmr.instances WHERE instance = '$later'"), 'delayed', 'delay');

# Many: more lines than one statement takes, odd strings, blank lines, no
# newline at the end.
my @odd = ('', 'a"b', 'a\\b', "\x{e9}\x{20ac}", '{,}', "'", 'NULL', "tab\tnl\n");
my $json = JSON::PP->new->utf8->canonical;
my @lines = map { $json->encode({ n => $_, s => $odd[ $_ % @odd ] }) } 1 .. 1200;
my $out = client_ok($node, 'start', 'order', '-', '--lane', 'many', { stdin => join("\n\n", @lines) });
is(scalar(grep { /$uuid/ } split /\n/, $out), 1200, 'many: an id for each line');
is(sql($node, "SELECT count(DISTINCT params) FROM dfsmr.instances WHERE lane = 'many'"), 1200, 'and an instance');
is( sql($node, "SELECT params->>'s' FROM dfsmr.instances WHERE instance = '"
		  . (split /\n/, $out)[1] . "'"),
	'a\\b', 'in the order of the lines');

my $typo = client($node, 'start', 'order', '-', '--key-param', 'k',
	{ stdin => qq({"k": "t1"}\n{"k": "t2"}\n\n{"k": "t1"}\n{"k": "t3"}\n) });
is($typo->{status}, 28, 'a line that fails: status');
like($typo->{err}, qr/line 4: SM008/, 'its number');
is(sql($node, "SELECT string_agg(key, ' ' ORDER BY key) FROM dfsmr.instances WHERE key LIKE 't_'"),
	't1 t2', 'all before it are started, none after it');
is(scalar(split /\n/, $typo->{out}), 2, 'and printed');
fails(1, qr/line 1: 22P02/, 'start', 'order', '-', { stdin => '{bad' });

$out = client_ok($node, 'start', 'order', '-', '--calls', { stdin => <<'EOS' });
{"key": "c1", "params": {"x": 1}, "delay": "1h", "priority": 3, "data": {"y": 2}, "lane": "cl"}
{"key": "c1", "if_exists": "skip"}
{}
EOS
like($out, qr/^[0-9a-f-]{36}\n-\n[0-9a-f-]{36}$/, 'lines with all arguments');
is(sql($node, "SELECT params, state, priority, data, lane FROM dfsmr.instances WHERE key = 'c1'"),
	'{"x": 1}|delayed|3|{"y": 2}|cl', 'which arrive');

# ---- look, claim, complete ----

like(client_ok($node, 'instances', '--key', 'K 1'),
	qr/^instance +machine +node +state .*\n$id +order +check +ready +1 +0 +K 1 /, 'instances');
is_deeply(
	[ map { decode_json($_)->{instance} } split /\n/, client_ok($node, 'instances', '--json', $id, $later) ],
	[ $later, $id ], 'as JSON, newest first');
is(scalar(split /\n/, client_ok($node, 'instances', '--json', '-m', 'order', '-n', 'check',
			'-s', 'ready', '--lane', 'many')), 1200, 'filters, no limit for JSON');
is(scalar(split /\n/, client_ok($node, 'instances')), 101, 'a table has 100');
is(scalar(split /\n/, client_ok($node, 'instances', '--limit', 3)), 4, 'or as many as asked');
is(client_ok($node, 'instances', '--state', 'parked'), 'no instances', 'nothing');

fails(3, qr/^$/, 'ready', 'order', 'pack');
fails(21, qr/SM001/, 'ready', 'order', 'nosuch');
my $task = client_ok($node, 'ready', 'order', '--client', "it's me");
like($task, qr/^$id  order\/check  visit 1 attempt 1\n/, 'ready shows the task');
my ($line) = $task =~ /^  (dfsmr -d .* transition .*)/m;
like($line, qr/transition $id ok --visit 1 --attempt 1 --client 'it'\\''s me' +# or: (error, refuse|refuse, error)$/,
	'and the line that completes it');
like(client_ok($node, 'heartbeat', $id, '--visit', 1, '--attempt', 1), qr/\d\d:\d\d:\d\d/, 'heartbeat');
fails(30, qr/SM010/, 'heartbeat', $id, '--visit', 1, '--attempt', 2);
fails(24, qr/SM004/, 'heartbeat', $id, '--visit', 2);

# The line is pasted into a shell.
{
	local $ENV{PATH} = "$dir:$ENV{PATH}";
	symlink $ENV{DFSMR}, "$dir/dfsmr" or die $!;
	like(`$line`, qr/^instance .*\n$id +pack +check +2\n$/, 'which works');
	like(`$line`, qr/^instance .*\n$id +pack +check +2\n$/, 'also twice');
}
fails(24, qr/SM004/, 'transition', $id, 'ok', '--visit', 1, '--attempt', 1, '--client', 'other');
fails(23, qr/SM003: .*\n(DETAIL|HINT):/, 'transition', $id, 'nosuch', '--visit', 2);
fails(22, qr/SM002/, 'transition', '00000000-0000-0000-0000-000000000000', 'ok');
fails(1, qr/22P02/, 'transition', 'no-uuid', 'ok');
like(client_ok($node, 'allowed', $id), qr/^ok +review$/m, 'allowed');

$task = decode_json(client_ok($node, 'ready', 'order', 'pack', '--json', '--wait', '1s'));
is("$task->{instance} $task->{node} $task->{attempt}", "$id pack 1", 'a task as JSON');
client_ok($node, 'relinquish', $id, '--visit', 2, '--attempt', 1, '--delay', '1h', '--note', 'later');
is(sql($node, "SELECT state, note FROM dfsmr.instances WHERE instance = '$id'"), 'delayed|later', 'relinquish');
fails(30, qr/SM010/, 'relinquish', $id, '--visit', 2, '--attempt', 1);
client_ok($node, 'transition', $id, 'ok', '--params', '{"p": 1}', '-p', 'q:=2', '--data', '{"e": 3}',
	'--note', 'by hand');
is(sql($node, "SELECT node, state, node_params, data, note FROM dfsmr.instances WHERE instance = '$id'"),
	'review|parked|{"p": 1, "q": 2}|{"d": 1, "e": 3}|by hand', 'transition by an operator');
like(client_ok($node, 'stuck'), qr/^$id +order +review +K 1 /m, 'stuck');
fails(2, qr/missing argument/, 'signal', 'order', 'K 1');
fails(21, qr/SM001/, 'signal', 'nosuch', 'K 1', 'accept');
fails(22, qr/SM002/, 'signal', 'order', 'nosuch', 'accept');
like(client_ok($node, 'signal', 'order', 'K 1', 'accept', '-p', 'why=because'),
	qr/^$id +done +success$/m, 'signal');
fails(27, qr/SM007/, 'transition', $id, 'ok');
my $history = client_ok($node, 'history', $id);
is(scalar(split /\n/, $history), 6, 'history: a line for each change');
like($history, qr/transition +check +ok +pack .*\n.*relinquish/, 'in order');

client_ok($node, 'move', $later, 'review', '--reason', 'let us see', '-p', 'x=1');
is(sql($node, "SELECT node, note, node_params FROM dfsmr.instances WHERE instance = '$later'"),
	'review|let us see|{"x": "1"}', 'move');
like(client_ok($node, 'signal', '--instance', $later, 'reject', '--json'),
	qr/^\{.*"outcome":"failure"\}$/, 'signal by id, as JSON');
my $gone = client_ok($node, 'start', 'order');
client_ok($node, 'abort', $gone, '--reason', 'enough');
is(sql($node, "SELECT node, note FROM dfsmr.instances WHERE instance = '$gone'"),
	'dfsmr.aborted|enough', 'abort');

client_ok($node, 'pause', 'order', 'check', '--reason', 'lunch');
fails(3, qr/^$/, 'ready', 'order', 'check');
like(client_ok($node, 'stuck'), qr/lunch/, 'pause');
client_ok($node, 'resume', 'order', 'check');
is(client($node, 'ready', 'order', 'check')->{status}, 0, 'resume');
like(client_ok($node, 'status'), qr/^item .*\nleases /, 'status');
is(client_ok($node, 'stuck', '--machine', 'nosuch'), 'nothing is stuck', 'stuck, of one machine');
like(client_ok($node, 'node-stats', '-m', 'order'),
	qr/^machine +node +instances .* timeout\norder +check +\d+ /, 'node-stats');
is(client_ok($node, 'node-stats', '-m', 'nosuch'), 'no machines', 'node-stats, of one machine');
is(client_ok($node, 'breakers'), 'no machine declares a breaker', 'breakers: none');
define($node, <<'EOS');
id: fragile
breaker: {probe_rate: 30/m}
nodes:
  a: {start: true, transitions: {ok: done}}
  done: {final: true}
EOS
like(client_ok($node, 'breakers'), qr/^machine +state .*\nfragile +closed /, 'breakers');
is(decode_json(client_ok($node, 'breakers', '--json'))->{probe_rate}, 0.5, 'as JSON with their limits');

# A role that may only work has to say the visit.
sql($node, "CREATE ROLE worker LOGIN; SELECT dfsmr.grant_work('worker', 'order')");
my $as_worker = { connstr => $node->connstr('postgres') . ' user=worker' };
$task = decode_json(client_ok($node, 'ready', 'order', 'check', '--json', $as_worker));
fails(29, qr/SM009/, 'transition', $task->{instance}, 'ok', $as_worker);
fails(1, qr/42501/, 'abort', $task->{instance}, $as_worker);

# ---- what is printed ----

sql($node, q~SELECT dfsmr.start('order', key => E'esc\x1b[2Jape\nline')~);
my $table = client_ok($node, 'instances', '--limit', 1);
like($table, qr/esc\\x1b\[2Jape\\nline/, 'control characters are shown, not done');
$r = client($node, 'ready', 'order', '--max', 0);
isnt($r->{status}, 0, 'a bad number is the server\'s to refuse');
like($r->{err}, qr/22023/, 'which says so');
is(system("$ENV{DFSMR} -d '" . $node->connstr('postgres') . "' instances --json | head -1 >/dev/null"),
	0, 'a reader that goes away is no trouble');
is(client($node, 'machines', { connstr => $node->connstr('postgres'), stdout => '/dev/full' })->{status},
	5, 'a full disk is');

# ---- without the board, and another cluster's cursor ----

my $plain = dfsmr_node('plain', preload => 0);
is(client_ok($plain, 'validate', $good), "$good: valid", 'validate without preload');
is(client_ok($plain, 'define', $good), 'order: version 1 created', 'define without preload');
$r = client($plain, 'ready', 'order');
is($r->{status}, 32, 'ready without preload: status');
like($r->{err}, qr/SM012.*\n(DETAIL:.*\n)?HINT:  .*shared_preload_libraries/, 'and what to do');
my ($cursor) = client($node, 'changes', '--once')->{err} =~ /--since (\S+)/;
$r = client($plain, 'changes', '--once', '--since', $cursor);
is($r->{status}, 31, 'a cursor of another cluster: status');
like($r->{err}, qr/SM011/, 'and message');

$plain->stop;
$node->stop;
done_testing();
