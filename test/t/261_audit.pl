# The audit finds what the board has lost, in every kind of set, puts it back
# and counts it; and what is in order it leaves alone.  Nothing loses anything,
# so a developer setting has to: it keeps from the board what a session commits.

use strict;
use warnings FATAL => 'all';

use DfsmrTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = dfsmr_node('main', conf => 'dfsmr.audit_interval = 0');

define($node, <<'YAML');
id: m
nodes:
  a: {start: true, timeout: 1h, transitions: {ok: done, wait: w, park: p, again: r}}
  r: {timeout: 1h, transitions: {ok: a}}
  w: {delay: {base: 1h, backoff: 2}, fire: ok, transitions: {ok: r}}
  p: {await: signal, timeout: 2h, on_timeout: ok, transitions: {ok: done}}
  done: {final: true}
YAML

sub status
{
	my ($item) = @_;

	return sql($node, "SELECT used FROM dfsmr.status WHERE item = '$item'");
}

# Let the audit go round all sets $rounds times.
sub audit
{
	my ($rounds) = @_;
	my $until = status('audits') + $rounds * (2 + 2 * status('nodes with ready sets'));

	$node->append_conf('postgresql.conf', 'dfsmr.audit_interval = 1ms');
	$node->reload;
	wait_until { status('audits') > $until } 'the audit has gone round';
	$node->append_conf('postgresql.conf', 'dfsmr.audit_interval = 0');
	$node->reload;
	return status('repairs by the audit');
}

# Make the sets know everything: there is work at both nodes, and it is taken.
my $work = "SELECT count(*) FROM dfsmr.ready('c', 'm', max => 2000)";
sql($node, "SELECT dfsmr.move(dfsmr.start('m'), 'r', 'test')");
sql($node, "SELECT dfsmr.start('m')");
is(sql($node, $work), 2, 'the sets are filled');
is(sql($node, "SELECT string_agg(DISTINCT frontier, ',') FROM dfsmr.status WHERE frontier IS NOT NULL"),
	'everything', 'and know everything');

# A thousand rows at the front that are worked on: more than one slice.
sql($node, "SELECT count(dfsmr.start('m')) FROM generate_series(1, 1100)");
is(sql($node, $work), 1100, 'many tasks are worked on');
sql($node, "SELECT dfsmr.move(dfsmr.start('m', priority => 7), n, 'test') FROM unnest('{w,w,p}'::text[]) n");
sql($node, "SELECT dfsmr.start('m', priority => p, delay => '1 hour') FROM generate_series(-3, 3) p");
is(audit(3), 0, 'nothing of that needs a repair');

# A session whose commits the board does not learn of.
my $lost = session($node);
$lost->query('SET dfsmr.debug_lose_notes = on');
$lost->query("SELECT dfsmr.start('m', key => 'first')");
$lost->query("SELECT dfsmr.start('m', key => 'low', priority => -1)");
$lost->query("SELECT dfsmr.start('m', key => 'delayed', delay => '50 min', priority => 3)");
$lost->query("SELECT dfsmr.move(dfsmr.start('m', key => 'retry'), 'r', 'test')");
$lost->query("SELECT dfsmr.move(dfsmr.start('m', key => 'timer', priority => 9), 'w', 'test')");
$lost->query("SELECT dfsmr.move(dfsmr.start('m', key => 'parked'), 'p', 'test')");
is(sql($node, $work), 0, 'what was lost is not found');

my $timers = status('timers');
is(audit(3), 6, 'the audit puts all of it back');
is(status('timers'), $timers + 2, 'the timers are known again');
is(audit(2), 6, 'once');
my $log = slurp_file($node->logfile);
is(() = $log =~ /LOG:  dfsmr: the board had lost instance/g, 6, 'and says so');

is(sql($node, "SELECT string_agg(key, ' ' ORDER BY key) FROM dfsmr.ready('c', 'm', max => 10)"),
	'first low retry', 'ready tasks are handed out');
sql($node, "SELECT dfsmr.tick(clock_timestamp() + interval '51 min')");
is(sql($node, "SELECT string_agg(key, ' ') FROM dfsmr.ready('c', 'm', max => 10)"),
	'delayed', 'the delayed one when it is due');
sql($node, "SELECT dfsmr.tick(clock_timestamp() + interval '3 hours')");
is(sql($node, "SELECT string_agg(key || ' ' || node, ', ' ORDER BY key) FROM dfsmr.instances
		WHERE key IN ('timer', 'parked')"), 'parked done, timer r', 'and timers fire');

# Dead entries that no vacuum may remove do not keep the audit from what is behind
# them, and do not have to be passed in one go: there are more than it passes in one.
my $rounds = 120;
define($node, <<'YAML');
id: flip
endless: true
nodes:
  a: {start: true, timeout: 1h, transitions: {go: b}}
  b: {timeout: 1h, transitions: {go: a}}
YAML
sql($node, "SELECT dfsmr.start('flip', key => n::text) FROM generate_series(1, 100) AS n");
is(sql($node, "SELECT count(*) FROM dfsmr.ready('c', 'flip', max => 200)"), 100, 'a hundred that go round');
my $pin = session($node);
$pin->query('BEGIN ISOLATION LEVEL REPEATABLE READ');
$pin->query('SELECT count(*) FROM dfsmr.instance');
sql($node, "SELECT count(*) FROM dfsmr.transition_and_ready('c',
		ARRAY(SELECT instance FROM dfsmr.instances WHERE machine = 'flip'),
		array_fill('go'::text, ARRAY[100]), machine => 'flip', max => 200)")
  for 1 .. 2 * $rounds;
$lost->query("SELECT dfsmr.start('flip', key => 'behind')");
is(sql($node, "SELECT count(*) FROM dfsmr.ready('d', 'flip', max => 200)"), 100, 'one is not found');
is(audit(3), 7, 'the audit finds what is behind more than it passes in one go');
$pin->query('COMMIT');

$lost->quit;
$node->stop;
done_testing();
