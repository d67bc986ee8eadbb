# The client where the connection is not what it is at home: behind PgBouncer
# in transaction mode, with a statement_timeout shorter than the wait, on a
# standby that is promoted.

use strict;
use warnings FATAL => 'all';
use DfsmrTest;
use DfsmrTest::Client;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $machine = <<'EOS';
id: m
nodes:
  a: {start: true, timeout: 1h, heartbeat: 1s, transitions: {ok: done, error: wait}}
  wait: {delay: 100ms, fire: again, transitions: {again: a}}
  done: {final: true}
EOS

my $node = dfsmr_node('main', allows_streaming => 1);
define($node, $machine);

sub done
{
	my ($n) = @_;

	return sql($n, "SELECT count(*) FROM dfsmr.instances WHERE node = 'done'");
}

sub start_many
{
	my ($count, @options) = @_;

	return client_ok($node, 'start', 'm', '-', { stdin => "{}\n" x $count });
}

# ---- behind PgBouncer ----

my $pgbouncer = (grep { -x } '/usr/sbin/pgbouncer', '/usr/bin/pgbouncer')[0]
  or BAIL_OUT('pgbouncer is missing; see scripts/setup');
my $sockets = PostgreSQL::Test::Utils::tempdir_short;
my ($host, $port) = ($node->host, $node->port);
my $user = sql($node, 'SELECT current_user');
append_to_file("$sockets/pgbouncer.ini", <<"INI");
[databases]
postgres = host=$host port=$port user=$user
[pgbouncer]
pool_mode = transaction
default_pool_size = 8
server_round_robin = 1
auth_type = any
listen_port = 6432
unix_socket_dir = $sockets
logfile = $sockets/pgbouncer.log
INI
my $bouncer = IPC::Run::start([ $pgbouncer, "$sockets/pgbouncer.ini" ],
	'<', \undef, '>', "$sockets/out", '2>&1');
my $pooled = { connstr => "host=$sockets port=6432 dbname=postgres user=$user" };
wait_until { client($node, 'machines', $pooled)->{status} == 0 } 'PgBouncer answers';

start_many(20);
my @workers = map { client_start($node, 'work', 'm', '--jobs', 2, '--', 'sh', '-c', 'exit $((DFSMR_VISIT == 1))', $pooled) } 1 .. 2;
wait_until { done($node) == 20 } 'two workers in transaction mode do all';
start_many(1);
my $beating = client_start($node, 'work', 'm', '--max', 1, '--', 'sleep', 3, $pooled);
$_->signal('TERM') for @workers;
is($_->wait, 0, 'they end when told') for @workers;
is($beating->wait, 0, 'one with a longer task');
is(sql($node, 'SELECT sum(failed_attempts) FROM dfsmr.instances'), 0, 'with heartbeats');
is(join('', map { $_->err } @workers, $beating), '', 'in silence');
$bouncer->signal('TERM');
$bouncer->finish;

# ---- with a statement_timeout ----

client_ok($node, 'work', 'm', '--drain', '--', 'true');
sql($node, "CREATE ROLE hasty LOGIN SUPERUSER; ALTER ROLE hasty SET statement_timeout = '300ms'");
my $hasty = client_start($node, 'work', 'm', '--', 'true', { connstr => $node->connstr('postgres') . ' user=hasty' });
wait_until { slurp_file($node->logfile) =~ /canceling statement due to statement timeout/ } 'a wait is cut off';
my $before = done($node);
start_many(3);
wait_until { done($node) == $before + 3 } 'the worker goes on';
$hasty->signal('TERM');
is($hasty->wait, 0, 'and ends when told');
is($hasty->err, '', 'a wait that is cut off is no error');

# ---- on a standby ----

start_many(1);
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
is(client($standby, 'instances')->{status}, 0, 'a standby can be looked at');
my $patient = client_start($standby, 'work', 'm', '--drain', '--', 'true');
my $follower = client_start($standby, 'changes', '--json');
wait_until { $patient->err =~ /trying again: 25006/ } 'the worker is told that it is a standby';
wait_until { $follower->err =~ /trying again: 25006/ } 'so is the follower';
$node->stop;
$standby->promote;
is($patient->wait, 0, 'when it is promoted, the worker works');
is(sql($standby, "SELECT count(*) FROM dfsmr.instances WHERE state <> 'finished'"), 0, 'until all is done');
client_ok($standby, 'start', 'm', '--key', 'promoted');
wait_until { $follower->out =~ /"key":"promoted"/ } 'and the follower follows';

$standby->stop;
done_testing();
