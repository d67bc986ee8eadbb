-- ready(): the order of hand-out, filters, max, and what it refuses.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS dfsmr CASCADE;
CREATE EXTENSION dfsmr;
SELECT * FROM dfsmr.define($$
id: ordered
nodes:
  slow: {start: true, timeout: 1h, transitions: {next: fast, ok: done, later: wait}}
  fast: {priority: 5, timeout: 1h, transitions: {ok: done}}
  wait: {delay: 1h, fire: ok, transitions: {ok: done}}
  done: {final: true}
$$);

-- Nothing to do is no error.
SELECT * FROM dfsmr.ready('w');
SELECT * FROM dfsmr.ready('w', 'ordered', 'slow', 5);

-- Priority, then the time at which it became ready.
SELECT count(dfsmr.start('ordered', key => k)) FROM (VALUES ('a'), ('b'), ('c')) AS v (k);
SELECT dfsmr.start('ordered', key => 'urgent', priority => 9) IS NOT NULL AS started;
SELECT dfsmr.start('ordered', key => 'least', priority => -1) IS NOT NULL AS started;
SELECT dfsmr.start('ordered', key => 'later', priority => 100, delay => '1 hour') IS NOT NULL AS started;
SELECT key, priority FROM dfsmr.ready('w', 'ordered', max => 2);
SELECT key, priority, node, visit, attempt, deliveries, client, machine, version, prev_node,
       transitions, expires_at - claimed_at AS lease
  FROM dfsmr.ready('w', 'ordered', 'slow', 1);
SELECT key, state, client FROM dfsmr.instances ORDER BY started_at;

-- Across nodes the best head wins: fast has the higher priority.
SELECT t.node FROM dfsmr.instances i, dfsmr.transition(i.instance, 'next') t WHERE key = 'b';
SELECT key, node, visit, prev_node, prev_transition FROM dfsmr.ready('w', 'ordered', max => 10);
SELECT key FROM dfsmr.ready('w', 'ordered', max => 10);

-- A LIMIT above strands no lease, since the result is materialized: both are
-- given back here, not one.
SELECT r.node FROM dfsmr.instances i, dfsmr.relinquish(i.instance) r WHERE key IN ('c', 'least');
SELECT key FROM dfsmr.ready('limited', max => 2) LIMIT 1;
SELECT key, state, client FROM dfsmr.instances WHERE state = 'running' AND client = 'limited' ORDER BY key;

-- Without a machine: of all machines.
SELECT * FROM dfsmr.define('{"id": "other", "nodes": {"t": {"start": true, "transitions": {"ok": "e"}}, "e": {"final": true}}}');
SELECT dfsmr.start('other', key => 'o', priority => 50) IS NOT NULL AS started;
SELECT key, machine FROM dfsmr.ready('w');
SELECT key FROM dfsmr.ready('w', node => 't');

-- A node that is not a task node, or that only an old version knows, has no
-- tasks; one that none knows is an error.
SELECT * FROM dfsmr.ready('w', 'ordered', 'wait');
SELECT * FROM dfsmr.ready('w', 'ordered', 'done');
SELECT version, created FROM dfsmr.define('{"id": "other", "nodes": {"u": {"start": true, "transitions": {"ok": "e"}}, "e": {"final": true}}}');
SELECT count(*) FROM dfsmr.ready('w', 'other', 't');
SELECT * FROM dfsmr.ready('w', 'ordered', 'nowhere');
SELECT * FROM dfsmr.ready('w', node => 'nowhere');
SELECT * FROM dfsmr.ready('w', 'nowhere');
SELECT * FROM dfsmr.ready(NULL);
SELECT * FROM dfsmr.ready(repeat('w', 64));
SELECT * FROM dfsmr.ready('w', max => 0);
SELECT * FROM dfsmr.ready('w', max => -1);
SELECT * FROM dfsmr.ready('w', max => 2147483647);
SELECT * FROM dfsmr.ready('w', max => NULL);
SELECT * FROM dfsmr.ready('w', wait => '-1 second');
SELECT * FROM dfsmr.ready('w', wait => NULL);

-- The smallest lease table has eight entries: be done with what is claimed.
SELECT count(dfsmr.abort(instance)) > 0 AS some FROM dfsmr.instances WHERE state = 'running';

-- A claim in a transaction that is rolled back never was; also to a savepoint.
SELECT dfsmr.start('other', key => 'p') IS NOT NULL AS started;
BEGIN;
SELECT key, attempt FROM dfsmr.ready('w', 'other');
SAVEPOINT s;
SELECT key FROM dfsmr.ready('w', 'other');
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT key, attempt FROM dfsmr.ready('w', 'other');
ROLLBACK TO s;
SELECT key, attempt FROM dfsmr.ready('w', 'other');
COMMIT;
SELECT key, state, attempt, deliveries FROM dfsmr.instances WHERE key = 'p';

-- The caller's own uncommitted write hides a row; rolled back, it is offered.
SELECT dfsmr.start('other', key => 'q') IS NOT NULL AS started;
BEGIN;
SELECT dfsmr.abort(instance) FROM dfsmr.instances WHERE key = 'q';
SELECT key FROM dfsmr.ready('w', 'other');
ROLLBACK;
SELECT key FROM dfsmr.ready('w', 'other');

-- What one's own transaction started is for others, after commit.
BEGIN;
SELECT dfsmr.start('other', key => 'r') IS NOT NULL AS started;
SELECT key FROM dfsmr.ready('w', 'other');
COMMIT;
SELECT key FROM dfsmr.ready('w', 'other');

-- Claims are logged when asked for.
SET dfsmr.log_claims = on;
SELECT dfsmr.start('other', key => 's') IS NOT NULL AS started;
SELECT key FROM dfsmr.ready('logger', 'other');
RESET dfsmr.log_claims;
SELECT kind, key, node, visit, attempt, client, claimed_at IS NOT NULL AS claimed
  FROM dfsmr.changes WHERE kind = 'claim';

-- Pauses: claims stop, all else goes on.
SELECT dfsmr.start('other', key => 'paused') IS NOT NULL AS started;
SELECT dfsmr.pause('other', reason => 'downstream is broken');
SELECT key FROM dfsmr.ready('w', 'other');
SELECT key, state FROM dfsmr.instances WHERE key = 'paused';
SELECT key, reason, detail, hint FROM dfsmr.stuck WHERE machine = 'other';
SELECT dfsmr.resume('other');
SELECT key FROM dfsmr.ready('w', 'other');
SELECT dfsmr.start('ordered', key => 'node') IS NOT NULL AS started;
SELECT dfsmr.pause('ordered', 'slow'), dfsmr.pause('ordered', 'slow', 'again');
SELECT key FROM dfsmr.ready('w', 'ordered');
SELECT dfsmr.resume('ordered'), dfsmr.resume('ordered', 'slow');
SELECT key FROM dfsmr.ready('w', 'ordered');
SELECT dfsmr.pause('nowhere');
SELECT dfsmr.pause('ordered', 'nowhere');
SELECT dfsmr.resume(NULL);
SELECT kind, machine, node, note FROM dfsmr.changes WHERE kind IN ('pause', 'resume') ORDER BY seq;
-- Leave no lease behind: the smallest table has eight.
SELECT count(dfsmr.abort(instance)) >= 0 AS tidy FROM dfsmr.instances WHERE state = 'running';
