# What is in examples/ works: the machines are valid, and the workers in shell,
# Python and Node do their work, survive the loss of a task and of the server,
# and stop when they are asked to; Python also behind PgBouncer in transaction
# mode.  They run as a role that may work on the one machine and nothing else.

use strict;
use warnings FATAL => 'all';

use DfsmrTest;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my $examples = "$ENV{DFSMR_ROOT}/examples";

# Debian's psycopg is for Debian's Python, which may not be the first one.
my $python = -x '/usr/bin/python3' ? '/usr/bin/python3' : 'python3';

my %workers = (
	shell => ['sh', "$examples/worker.sh"],
	python => [$python, "$examples/worker.py"],
	node => ['node', "$examples/worker.js"]);

my $node = dfsmr_node('main');

# ---- the machines ----------------------------------------------------------

sub findings
{
	my ($file, $severity) = @_;

	return sql($node,
		'SELECT * FROM dfsmr.validate($def$' . slurp_file($file) . "\$def\$) $severity");
}

for my $file ("$examples/crawler.yaml", "$examples/order.yaml", "$examples/payment.yaml",
	"$ENV{DFSMR_ROOT}/demo/crawler.yaml")
{
	is(findings($file, ''), '', "$file is valid, without a warning");
}

is(slurp_file("$examples/crawler-original.yaml"), <<'YAML', 'the original crawler is as it was');
id: crawler
nodes:
  crawl:
    start: true
    transitions:
      ok: success
      error: wait
  wait:
    transitions:
      ok: crawl
  success:
    final: true
YAML
is(findings("$examples/crawler-original.yaml", "WHERE severity = 'error'"),
	'', 'the original crawler is valid');

# ---- the workers -----------------------------------------------------------

# The order machine, for the impatient.
my $order = slurp_file("$examples/order.yaml");
$order =~ s/heartbeat: 15s/heartbeat: 2s/ or die;
$order =~ s/base: 10s/base: 20ms/ or die;
define($node, $order);
sql($node, q{
	CREATE ROLE worker LOGIN;
	SELECT dfsmr.grant_work('worker', 'order');
});

# start_worker(NAME, VARIABLE => VALUE...): run a worker in that environment.
sub start_worker
{
	my ($name, %env) = @_;
	my $worker = { name => $name, out => '', err => '' };
	local %ENV = (
		%ENV,
		PGHOST => $node->host,
		PGPORT => $node->port,
		PGDATABASE => 'postgres',
		PGUSER => 'worker',
		%env);

	$worker->{run} = IPC::Run::start(
		[ @{ $workers{$name} }, 'order', 'check' ],
		'<', \undef, '>', \$worker->{out}, '2>', \$worker->{err});
	return $worker;
}

# It stops by itself, with status 0, within the five seconds of its ready().
sub stop_worker
{
	my ($worker) = @_;

	$worker->{run}->signal('TERM');
	wait_until { $worker->{run}->pump_nb; !$worker->{run}->pumpable }
		"the $worker->{name} worker stopped";
	$worker->{run}->finish;
	is($worker->{run}->result(0), 0, "$worker->{name}: stops when asked to")
	  or diag($worker->{err});
	return;
}

sub start_order
{
	my ($key, $params) = @_;

	return sql($node, "SELECT dfsmr.start('order', '$params', key => '$key')");
}

sub order
{
	my ($key, $columns) = @_;

	return sql($node, "SELECT $columns FROM dfsmr.instances WHERE key = '$key'");
}

sub test_worker
{
	my ($name, %env) = @_;
	my $label = $env{label} // $name;
	delete $env{label};

	start_order("$label-small", '{"amount": 100}');
	start_order("$label-large", '{"amount": 5000}');
	my $wrong = start_order("$label-wrong", '{"amount": 0}');
	my $worker = start_worker($name, %env);

	wait_until { order("$label-small", 'node') eq 'pack' } "$label: ok was said";
	is(order("$label-small", "data->>'checked_by'"), $name, "$label: data was handed in");
	wait_until { order("$label-large", 'node') eq 'review' } "$label: large was said";
	wait_until { order("$label-wrong", 'node') eq 'review' } "$label: errors were said";
	is(sql($node, "SELECT count(*) FROM dfsmr.history('$wrong') WHERE transition = 'error'"),
		6, "$label: errors came back");

	start_order("$label-slow", '{"amount": 100, "seconds": 4}');
	wait_until { order("$label-slow", 'node') eq 'pack' } "$label: slow work was done";
	is(order("$label-slow", 'deliveries'), 1,
		"$label: heartbeats kept the lease through slow work");

	# Started now: before, the worker may be done with it when we look.
	my $aborted = start_order("$label-aborted", '{"amount": 100, "seconds": 4}');
	wait_until { order("$label-aborted", 'state') eq 'running' } "$label: work was begun";
	sql($node, "SELECT dfsmr.abort('$aborted', 'changed my mind')");
	start_order("$label-next", '{"amount": 100}');
	wait_until { order("$label-next", 'node') eq 'pack' } "$label: went on after an abort";
	is(order("$label-aborted", 'outcome'), 'failure', "$label: what was aborted stays so");

	$node->restart;
	start_order("$label-restart", '{"amount": 100}');
	wait_until { order("$label-restart", 'node') eq 'pack' } "$label: went on after a restart";

	stop_worker($worker);
	is(sql($node, q{SELECT count(*) FROM dfsmr.instances WHERE state = 'running'}),
		0, "$label: holds nothing when it is gone");
	return;
}

test_worker($_) for sort keys %workers;

# ---- behind PgBouncer ------------------------------------------------------

my $pgbouncer = (grep { -x } '/usr/sbin/pgbouncer', '/usr/bin/pgbouncer')[0]
  or BAIL_OUT('pgbouncer is missing; see scripts/setup');
my $dir = PostgreSQL::Test::Utils::tempdir_short();
my $server = $node->host;
my $port = $node->port;

# Each statement may get another server connection than the one before.
append_to_file("$dir/pgbouncer.ini", <<"INI");
[databases]
postgres = host=$server port=$port user=worker
[pgbouncer]
pool_mode = transaction
default_pool_size = 2
server_round_robin = 1
server_login_retry = 1
auth_type = any
listen_port = 6543
unix_socket_dir = $dir
logfile = $dir/pgbouncer.log
INI
my $bouncer = IPC::Run::start([ $pgbouncer, "$dir/pgbouncer.ini" ],
	'<', \undef, '>', "$dir/out", '2>&1');
wait_until { -S "$dir/.s.PGSQL.6543" } 'PgBouncer listens';

my $second = start_worker('python', PGHOST => $dir, PGPORT => 6543);
test_worker('python', label => 'pooled', PGHOST => $dir, PGPORT => 6543);
stop_worker($second);
$bouncer->signal('TERM');
$bouncer->finish;

done_testing();
