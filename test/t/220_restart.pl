# A planned restart forgets no lease, a crash forgets them and loses no work;
# and an idle transaction that holds an expired instance stops nothing else.

use strict;
use warnings FATAL => 'all';

use DfsmrTest;
use Test::More;

my $node = dfsmr_node('main');

define($node, <<'YAML');
id: m
nodes:
  a: {start: true, timeout: 1h, transitions: {ok: done, rest: w, quick: q}}
  w: {delay: 100ms, fire: ok, transitions: {ok: a}}
  q: {timeout: 50ms, transitions: {ok: done}}
  done: {final: true}
YAML

my $leases = "SELECT string_agg(concat_ws(' ', key, client, visit, attempt, deliveries, claimed_at,
	expires_at), '; ' ORDER BY key) FROM dfsmr.instances WHERE state = 'running'";

sql($node, "SELECT dfsmr.start('m', key => n) FROM unnest('{one,two,three}'::text[]) n");
sql($node, "SELECT * FROM dfsmr.ready('w1', 'm'); SELECT * FROM dfsmr.ready('w2', 'm')");
my $before = sql($node, $leases);
like($before, qr/^one w1 1 1 1 .*; two w2 1 1 1 /, 'two leases are held');
$node->restart;
is(sql($node, $leases), $before, 'a restart forgets no lease');
is(sql($node, "SELECT key FROM dfsmr.ready('w3', 'm', max => 5)"), 'three',
	'so nobody else is offered that work');
ok(sql($node, "SELECT dfsmr.heartbeat(instance, 1, 1) > now() FROM dfsmr.instances WHERE key = 'one'") eq 't',
	'a heartbeat finds its lease');
is(sql($node, "SELECT t.node FROM dfsmr.instances i, dfsmr.transition(i.instance, 'ok', '{}', 1, 'w2', 1) t
	WHERE key = 'two'"), 'done', 'and a completion its visit');
ok(!-e $node->data_dir . '/pg_stat/dfsmr.leases', 'the file is gone once it was read');

# A damaged file is ignored.
sql($node, "SELECT dfsmr.start('m', key => 'four')");
$node->stop;
PostgreSQL::Test::Utils::append_to_file($node->data_dir . '/pg_stat/dfsmr.leases', 'x');
$node->start;
like(sql($node, "SELECT string_agg(key, ' ' ORDER BY key) FROM dfsmr.ready('w4', 'm', max => 5)"),
	qr/^four one three$/, 'a damaged file is ignored: the work is offered again');

# After a crash the leases are gone; a heartbeat of a current visit takes its
# lease again, and a late completion still wins.
crash($node);
start_after_crash($node);
is(sql($node, "SELECT count(*) FROM dfsmr.instances WHERE state = 'running'"), '0',
	'a crash forgets leases');
ok(sql($node, "SELECT dfsmr.heartbeat(instance, 1, 1) > now() FROM dfsmr.instances WHERE key = 'one'") eq 't',
	'a heartbeat takes the lease again');
is(sql($node, "SELECT string_agg(key, ' ' ORDER BY key) FROM dfsmr.ready('w5', 'm', max => 5)"),
	'four three', 'and the others are offered again');
is(sql($node, "SELECT i.node FROM dfsmr.instances x, dfsmr.transition(x.instance, 'ok', '{}', 1, 'w4', 1) i
	WHERE key = 'four'"), 'done', 'a completion from before the crash wins');

# Time goes on for all others while one transaction sits on a row.
sql($node, "SELECT dfsmr.start('m', key => 'locked' || n) FROM generate_series(1, 2) n");
sql($node, "SELECT t.* FROM dfsmr.instances i, dfsmr.transition(i.instance, 'quick') t WHERE key LIKE 'locked%'");
my $idle = session($node);
$idle->query("BEGIN");
$idle->query("SELECT id FROM dfsmr.instance WHERE key = 'locked1' FOR UPDATE");
is(sql($node, "SELECT count(*) FROM dfsmr.ready('w6', 'm', 'q', 2)"), '2', 'both are claimed');
wait_until {
	sql($node, "SELECT failed_attempts FROM dfsmr.instances WHERE key = 'locked2'") eq '1'
}
'the other lease is taken back in time';
sql($node, "SELECT dfsmr.start('m', key => 'timer')");
sql($node, "SELECT t.* FROM dfsmr.instances i, dfsmr.transition(i.instance, 'rest') t WHERE key = 'timer'");
wait_until { sql($node, "SELECT node FROM dfsmr.instances WHERE key = 'timer'") eq 'a' }
'timers fire meanwhile';
is(sql($node, "SELECT failed_attempts FROM dfsmr.instances WHERE key = 'locked1'"), '0',
	'the locked row waits');
$idle->query("ROLLBACK");
wait_until {
	sql($node, "SELECT failed_attempts FROM dfsmr.instances WHERE key = 'locked1'") eq '1'
}
'and is taken back once it is free';

# A timer whose row is locked.
sql($node, "SELECT dfsmr.start('m', key => 'held')");
sql($node, "SELECT t.* FROM dfsmr.instances i, dfsmr.transition(i.instance, 'rest', delay => '2 s') t WHERE key = 'held'");
$idle->query("BEGIN");
$idle->query("SELECT id FROM dfsmr.instance WHERE key = 'held' FOR UPDATE");
wait_until { sql($node, "SELECT used FROM dfsmr.status WHERE item = 'postponed timers'") eq '1' }
'the timer of a locked row is postponed';
$idle->query("ROLLBACK");
wait_until { sql($node, "SELECT node FROM dfsmr.instances WHERE key = 'held'") eq 'a' }
'and fires once it is free';

$node->stop;
done_testing();
