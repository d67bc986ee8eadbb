# What a breaker decides is exact however many sessions claim: as many deliveries
# as it takes to open it and no retry more, then one probe a token.  Waiting calls
# wake when a probe is due; listeners hear of it; a restart and a crash leave an
# open breaker open; without preload the view says that it does not know.

use strict;
use warnings FATAL => 'all';

use DfsmrTest;
use PostgreSQL::Test::Utils qw(append_to_file);
use Test::More;

my $node = dfsmr_node('main',
	conf => "dfsmr.max_wait = 50s\nmax_prepared_transactions = 2\ndfsmr.audit_interval = 50");
my $machine = <<'YAML';
id: NAME
breaker: {window: 1d, min_attempts: ATTEMPTS, max_retry_ratio: 0.5, probe_rate: RATE}
nodes:
  call: {start: true, timeout: 9d, transitions: {ok: done, error: wait}}
  wait: {delay: 100d, retry: true, fire: again, transitions: {again: call}}
  done: {final: true}
YAML

sub define_machine
{
	my ($name, $attempts, $rate) = @_;
	define($node, $machine =~ s/NAME/$name/r =~ s/ATTEMPTS/$attempts/r =~ s/RATE/$rate/r);
	return;
}

# So many that wait to be tried again, and are due.
sub start_retries
{
	my ($name, $n) = @_;
	sql($node, <<SQL);
SELECT dfsmr.move(dfsmr.start('$name'), 'wait', 'it failed') FROM generate_series(1, $n);
SELECT dfsmr.signal(NULL, NULL, 'again', instance => instance) FROM dfsmr.instances
 WHERE machine = '$name' AND node = 'wait';
SQL
	return;
}

sub breaker
{
	my ($name, $columns) = @_;
	return sql($node, "SELECT $columns FROM dfsmr.breakers WHERE machine = '$name'");
}

sub bench_start
{
	my ($script, @options) = @_;
	my $file = $node->basedir . '/' . (my $name = $script =~ s/\W+/_/gr) =~ s/^(.{40}).*/$1/r . '.sql';
	append_to_file($file, $script);
	return IPC::Run::start(
		[ $node->installed_command('pgbench'), '-n', @options, '-f', $file, $node->connstr('postgres') ],
		'>', '/dev/null', '2>', '/dev/null');
}

sub listen_for
{
	my ($listener, $note) = @_;
	my $heard = '';
	wait_until {
		$heard .= $listener->query('SELECT 1');
		$heard =~ /"kind": ?"breaker".*"note": ?"$note/
	}
	"a notification says $note";
	return;
}

my $listener = session($node);
$listener->query('LISTEN dfsmr');

# Eight sessions ask for all at once: the twentieth retry opens it.
define_machine('storm', 20, '1/h');
start_retries('storm', 120);
bench_start("SELECT count(*) FROM dfsmr.ready('w', 'storm', max => 5)\n", '-c8', '-j2', '-t3')->finish;
is(sql($node, "SELECT count(*) FROM dfsmr.instances WHERE state = 'running'"), 20,
	'as many are handed out as it takes to open it');
is(breaker('storm', 'state, deliveries, retries'), 'open|20|20', 'it is open');
listen_for($listener, 'open: 20 of 20 deliveries within 86400 s were retries');
sql($node, "SELECT n.node FROM dfsmr.instances i, dfsmr.transition(i.instance, 'ok') n WHERE i.state = 'running'");

# Calls that wait are woken when a probe is due, one each.
define_machine('quick', 1, '4/s');
start_retries('quick', 9);
is(sql($node, "SELECT count(*) FROM dfsmr.ready('w', 'quick', max => 9)"), 1, 'the first retry opens it');
my @waiters = map { session($node) } 1 .. 5;
$_->send("SELECT claimed_at FROM dfsmr.ready('waiter', 'quick', wait => '50s')") for @waiters;
my @claimed = sort map { ($_->result)[0] } @waiters;
is(scalar(grep { /^20/ } @claimed), 5, 'all who wait get a probe');
my $since = breaker('quick', 'since');
my $too_early = 0;
for my $i (0 .. 4)
{
	$too_early++ if sql($node, "SELECT '$claimed[$i]' < timestamptz '$since' + interval '250 ms' * ($i + 1)") eq 't';
}
is($too_early, 0, 'none of them before it was due');
$_->quit for @waiters;

# Ten in a row that succeed close it, and those who wait get the rest.
define_machine('mended', 1, '100/s');
start_retries('mended', 14);
sql($node, "SELECT count(*) FROM dfsmr.ready('w', 'mended')");
my $complete = "SELECT count((SELECT n.node FROM dfsmr.transition(t.instance, 'ok', '{}', t.visit, 'w', t.attempt) n))"
	. " FROM dfsmr.ready('w', 'mended', wait => '50s') t";
is(sql($node, $complete), 1, "probe $_") for 1 .. 10;
is(breaker('mended', 'state'), 'closed', 'it is closed');
listen_for($listener, 'closed: 10 of 10 probes succeeded');

# A completion that is prepared says nothing of its probe.
my $prepared = sql($node, "SELECT instance FROM dfsmr.instances WHERE machine = 'quick' AND client = 'waiter' LIMIT 1");
sql($node, "BEGIN; SELECT dfsmr.transition('$prepared', 'ok'); PREPARE TRANSACTION 'probe'");
sql($node, "COMMIT PREPARED 'probe'");
is(breaker('quick', 'state, probes'), 'open|0', 'a prepared completion is no verdict');

# What was open is open again, after whatever end; and nothing is written.
my $moved = "SELECT count(*) FROM dfsmr.changes WHERE kind = 'breaker'";
is(sql($node, $moved), 4, 'four changes so far');
$listener->quit;
$node->restart;
wait_until { breaker('quick', 'state') eq 'open' } 'open after a restart';
is(breaker('storm', 'state'), 'open', 'the other one too');
is(breaker('mended', 'state'), 'closed', 'and the closed one closed');
crash($node);
start_after_crash($node);
wait_until { breaker('quick', 'state') eq 'open' } 'open after a crash';
is(breaker('mended', 'state'), 'closed', 'the closed one is closed');
is(sql($node, $moved), 4, 'nothing has changed by that');
is(sql($node, "SELECT count(*) FROM dfsmr.ready('w', 'quick', max => 9, wait => '50s')"), 1, 'probes go out again');

# Eight sessions that take what they get and fail, give it back, or roll back; the
# hours are ours.
sql($node, <<'SQL');
CREATE FUNCTION hammer(how integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    t dfsmr.task;
BEGIN
    FOR t IN SELECT * FROM dfsmr.ready('h', 'storm', max => 3) LOOP
        CASE how
            WHEN 1 THEN RAISE 'not today';
            WHEN 2 THEN PERFORM dfsmr.relinquish(t.instance, t.visit);
            ELSE PERFORM dfsmr.transition(t.instance, 'error', '{}', t.visit, 'h', t.attempt);
        END CASE;
    END LOOP;
EXCEPTION WHEN raise_exception THEN
    NULL;
END $$;
SQL
my $hammer = bench_start("\\set how random(1, 4)\nSELECT hammer(:how);\n", '-c8', '-j2', '-t10000000');
my $probes = "SELECT count(*) FROM dfsmr.changes WHERE machine = 'storm' AND transition = 'error'";
my $exact = 1;
for my $hour (1 .. 20)
{
	sql($node, "SELECT dfsmr.tick(dfsmr.board_time() + interval '1 hour')");
	wait_until { sql($node, $probes) >= $hour } "a probe in hour $hour";
	$exact = 0 if sql($node, $probes) != $hour;
}
$hammer->signal('TERM');
eval { $hammer->finish };
ok($exact, 'one probe an hour, as long as eight sessions want more');
is(sql($node, $probes), 20, 'twenty in twenty hours');
is(breaker('storm', 'state, deliveries, probes'), 'open|20|0', 'all of them counted once, and failed');

is(sql($node, "SELECT used FROM dfsmr.status WHERE item = 'repairs by the audit'"), '0',
	'nothing was repaired');
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
is(breaker('quick', "state IS NULL, deliveries IS NULL, probe_rate"), 't|t|4',
	'without preload the limits are known alone');
$node->stop;
done_testing();
