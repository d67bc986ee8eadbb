# dfsmr work --batch: tasks are claimed and completed many at a time; every
# task still has its own outcome, and leases of those that wait are kept.

use strict;
use warnings FATAL => 'all';
use DfsmrTest;
use DfsmrTest::Client;
use PostgreSQL::Test::Utils;
use Test::More;

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
  b: {transitions: {ok: done}}
  wait: {delay: 1h, fire: again, transitions: {again: a}}
  done: {final: true}
  failed: {final: true, outcome: failure}
EOS
define($node, <<'EOS');
id: short
nodes:
  a: {start: true, timeout: 2s, transitions: {ok: done}}
  done: {final: true}
EOS

sub start_many
{
	my ($machine, $n) = @_;

	return client_ok($node, 'start', $machine, '-', { stdin => join '', map { qq({"n": $_}\n) } 1 .. $n });
}

sub states
{
	my ($machine) = @_;

	return sql($node, "SELECT string_agg(state || ' ' || n, ', ' ORDER BY state) FROM (SELECT
		concat_ws(' ', node, state) AS state, count(*) AS n FROM dfsmr.instances
		WHERE machine = '$machine' GROUP BY 1) AS _");
}

# Transactions that completed something.
sub statements
{
	return sql($node, "SELECT count(DISTINCT xid) FROM dfsmr.change WHERE kind = 'transition'");
}

# ---- many at a time ----

start_many('m', 60);
my $r = client($node, 'work', 'm', '--batch', 20, '--drain', '--', 'true');
is($r->{status}, 0, 'a batch of 20 with one command at a time') or diag $r->{err};
is(states('m'), 'done finished 60', 'all is done');
cmp_ok(statements(), '<', 60, 'in ' . statements() . ' transactions');
is(sql($node, "SELECT count(*) FROM (SELECT instance FROM dfsmr.changes WHERE kind = 'transition'
	GROUP BY 1 HAVING count(*) > 1) AS _"), 0, 'none twice');

# Several nodes, several workers, several commands each.
start_many('m', 200);
my @workers = map { client_start($node, 'work', 'm', '--batch', 10, '--jobs', 4, '--drain', '--', 'sh', '-c',
	'[ $DFSMR_NODE = b ] || echo \'{"transition": "next"}\' >$DFSMR_RESULT') } 1 .. 2;
is($_->wait, 0, 'a worker ends') for @workers;
is(states('m'), 'done finished 260', 'all is done');
is(sql($node, "SELECT count(*) FROM dfsmr.changes WHERE transition = 'next'"), 200, 'by way of the other node');
is($_->err, '', 'in silence') for @workers;

# As many as are asked for, although a batch is larger.
start_many('m', 7);
is(client($node, 'work', 'm', '--batch', 20, '--max', 5, '--', 'true')->{status}, 0, '--max ends it');
is(states('m'), 'a ready 2, done finished 265', 'after so many');
client_ok($node, 'work', 'm', '--drain', '--', 'true');

# ---- each has its own outcome ----

# What results say arrives as it was said, and what is refused fails no other.
$r = client_ok($node, 'start', 'm', '-', { stdin => join '', map { qq({"n": $_, "run": 2}\n) } 1 .. 6 });
$r = client($node, 'work', 'm', '--batch', 10, '--for', '2s', '--', 'sh', '-c', <<'EOS');
case $DFSMR_PARAM_n in
	1) printf '%s' '{"note": "it'"'"'s a \"note\", with {braces}, \\ and NULL", "data": {"k\"": "\\"}}' >$DFSMR_RESULT ;;
	2) echo '{"transition": "nosuch"}' >$DFSMR_RESULT ;;
	3) echo '{"transition": "next", "params": {"p": [1, "x,y"]}, "note": "NULL"}' >$DFSMR_RESULT ;;
	4) echo '{"transition": "retry", "delay": "3h"}' >$DFSMR_RESULT ;;
	5) exit 3 ;;
	6) exit 75 ;;
esac
# What is given back comes again: not at once.
[ $DFSMR_ATTEMPT = 1 ] || { echo '{"delay": "1h"}' >$DFSMR_RESULT; exit 75; }
EOS
is($r->{status}, 0, 'results of many kinds') or diag $r->{err};
my $view = "SELECT string_agg(%s, ' ') FROM dfsmr.instances WHERE params->>'run' = '2' AND params->>'n' = '%s'";
is(sql($node, sprintf($view, "node || data::text || note", 1)),
	q(done{"k\"": "\\\\"}it's a "note", with {braces}, \\ and NULL), 'odd texts');
is(sql($node, sprintf($view, "node", 2)), 'a', 'a transition that there is not gives the task back');
like($r->{err}, qr/^dfsmr: \S+: a: SM003: .*"nosuch".*next, ok/m, 'and is told, with those there are');
is(sql($node, sprintf("SELECT node || node_params::text || note FROM (SELECT * FROM dfsmr.changes WHERE transition = 'next'
	AND instance IN (SELECT instance FROM dfsmr.instances WHERE params->>'run' = '2')) AS _")),
	'b{"p": [1, "x,y"]}NULL', 'params and a note');
is(sql($node, sprintf($view, "node || ' ' || (ready_at - entered_at)::text", 4)), 'wait 03:00:00', 'a delay');
is(sql($node, sprintf($view, "node || ' ' || note", 5)), 'failed exit status 3', 'an exit status');
is(sql($node, sprintf($view, "node", 6)), 'a', 'giving back');
client_ok($node, 'abort', $_) for split /\n/, sql($node, "SELECT instance FROM dfsmr.instances WHERE state <> 'finished'");

# One that was aborted meanwhile is dropped, the others go on.
start_many('m', 5);
my $worker = client_start($node, 'work', 'm', '--batch', 5, '--drain', '--', 'sh', '-c',
	"echo \$DFSMR_INSTANCE >>$dir/ran; while [ ! -e $dir/go ]; do sleep 0.05; done");
wait_until { -s "$dir/ran" } 'the first command runs';
is(sql($node, "SELECT count(*) FROM dfsmr.instances WHERE state = 'running'"), 5, 'all five are claimed');
my ($first) = slurp_file("$dir/ran") =~ /^(\S+)/;
client_ok($node, 'abort', $first);
append_to_file("$dir/go", '');
is($worker->wait, 0, 'an instance is aborted under a batch');
like($worker->err, qr/\Q$first\E: a: SM00[47]/, 'that is told');
is(sql($node, "SELECT count(*) FROM dfsmr.instances WHERE state <> 'finished'"), 0, 'the others are done');

# ---- leases of tasks whose turn has not come ----

start_many('short', 5);
$worker = client_start($node, 'work', 'short', '--batch', 5, '--drain', '--', 'sleep', '0.5');
is($worker->wait, 0, 'a batch that takes longer than a lease');
is(states('short'), 'done finished 5', 'all is done');
is(sql($node, "SELECT count(*) FROM dfsmr.changes WHERE machine = 'short' AND kind = 'timeout'"), 0, 'no lease ran out');

# ---- signals ----

unlink "$dir/go", "$dir/ran";
start_many('m', 6);
$worker = client_start($node, 'work', 'm', '--batch', 4, '--jobs', 2, '--', 'sh', '-c',
	"echo x >>$dir/ran; while [ ! -e $dir/go ]; do sleep 0.05; done");
wait_until { -e "$dir/ran" && (() = slurp_file("$dir/ran") =~ /\n/g) == 2 } 'two commands run';
$worker->signal('TERM');
wait_until { sql($node, "SELECT count(*) FROM dfsmr.changes WHERE kind = 'relinquish' AND note = 'the worker stops'") eq '2' }
	'what was not started is given back';
append_to_file("$dir/go", '');
is($worker->wait, 0, 'SIGTERM: the commands are finished');
is(sql($node, "SELECT string_agg(state || ' ' || n, ', ' ORDER BY state) FROM (SELECT state, count(*) AS n
	FROM dfsmr.instances WHERE started_at > (SELECT max(at) FROM dfsmr.changes WHERE machine = 'short') GROUP BY 1) AS _"),
	'finished 2, ready 4', 'two are done');

# ---- a crash of the server ----

client_ok($node, 'work', 'm', '--drain', '--batch', 3, '--', 'true');
unlink "$dir/go", "$dir/ran";
start_many('m', 40);
$worker = client_start($node, 'work', 'm', '--batch', 10, '--jobs', 2, '--drain', '--', 'sh', '-c',
	"echo \$DFSMR_INSTANCE >>$dir/ran; sleep 0.02");
wait_until { -e "$dir/ran" && (() = slurp_file("$dir/ran") =~ /\n/g) >= 15 } 'some commands have run';
$node->stop('immediate');
$node->start;
is($worker->wait, 0, 'the worker goes on through a crash');
is(sql($node, "SELECT count(*) FROM dfsmr.instances WHERE state <> 'finished'"), 0, 'all is done');
is(sql($node, "SELECT count(*) FROM (SELECT instance, visit FROM dfsmr.changes
	WHERE kind = 'transition' GROUP BY 1, 2 HAVING count(*) > 1) AS _"), 0, 'no visit was completed twice');

is_deeply([ glob "$ENV{TMPDIR}/*" ], [], 'no temporary files are left');
$node->stop;
done_testing();
