-- An instance that finishes leaves its table with the change that finishes it,
-- unless it holds its key.  Nobody who asks should see the difference.
SET client_min_messages = warning;
\pset null -
SELECT machine FROM dfsmr.define('
id: errand
nodes:
  work: {start: true, priority: 3, transitions: {ok: done, no: lost, more: {to: work2}, brief: short}}
  work2: {max_visits: 1, on_max_visits: over, transitions: {ok: done, again: work2, over: lost}}
  short: {await: signal, transitions: {yes: done}}
  done: {final: true}
  lost: {final: true, outcome: failure}
');
CREATE FUNCTION errand(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS
    $$ SELECT format('0000f000-0000-7000-8000-%s', lpad(n::text, 12, '0'))::uuid $$;
-- Where it is: in its table, in the changelog.
CREATE FUNCTION kept_in(id uuid) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' and ',
        (SELECT 'table' FROM dfsmr.instance AS i WHERE i.id = kept_in.id),
        (SELECT 'changelog' FROM dfsmr.change AS c WHERE c.instance = kept_in.id AND c.params IS NOT NULL)) $$;

-- What the view shows before and after, with all that can be known of it.
SELECT dfsmr.start('errand', '{"p": 1}', errand(1), priority => 7, key => 'one', lane => 'left',
                   parent => errand(99), data => '{"d": 1}') IS NOT NULL AS started;
SELECT instance, visit, attempt, deliveries FROM dfsmr.ready('w', 'errand');
CREATE TEMP TABLE seen AS SELECT * FROM dfsmr.instances WHERE instance = errand(1);
SELECT node, prev_node, visit FROM dfsmr.transition(errand(1), 'no', '{"n": 2}', 1, 'w', 1, data => '{"e": 2}', note => 'could not');
SELECT kept_in(errand(1));
INSERT INTO seen SELECT * FROM dfsmr.instances WHERE instance = errand(1);
SELECT state, node, outcome, visit, attempt, deliveries, failed_attempts, priority, key, lane, parent,
       client, params, node_params, data, note
  FROM seen ORDER BY visit;
SELECT count(DISTINCT (machine, version, key, lane, parent, started_at, params)) AS lives FROM seen;
SELECT entered_at = finished_at AND finished_at > started_at AS finished, ready_at, claimed_at, expires_at
  FROM seen WHERE state = 'finished';
SELECT seq IS NOT NULL AS numbered, kind, prev_node, transition, node, visit, attempt, client, note, node_params, data
  FROM dfsmr.history(errand(1));

-- What is said about it later: the answer that was given, or that it is over.
SELECT node, prev_node, visit FROM dfsmr.transition(errand(1), 'no', '{"n": 2}', 1, 'w', 1, data => '{"e": 2}');
SELECT * FROM dfsmr.transition(errand(1), 'ok', visit => 1, client => 'w', attempt => 1);
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM dfsmr.transition(errand(1), 'ok', visit => 2);
\echo :LAST_ERROR_SQLSTATE
SELECT dfsmr.heartbeat(errand(1), 2);
SELECT * FROM dfsmr.relinquish(errand(1), 2);
SELECT dfsmr.abort(errand(1));
SELECT dfsmr.move(errand(1), 'work', 'to try again');
SELECT * FROM dfsmr.signal('errand', NULL, 'yes', instance => errand(1));
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM dfsmr.allowed(errand(1));
SELECT item, outcome, sqlstate, node, visit
  FROM dfsmr.transition_many(ARRAY[errand(1), errand(1), errand(2)], ARRAY['no', 'ok', 'ok'],
                             ARRAY[1, 2, 1], ARRAY[1, 1, 1], client => 'w');

-- Its id is taken, its key is free.
SELECT dfsmr.start('errand', id => errand(1));
\echo :LAST_ERROR_SQLSTATE
SELECT dfsmr.start('errand', id => errand(1), if_exists => 'return') = errand(1) AS returned;
SELECT dfsmr.start('errand', id => errand(1), if_exists => 'skip');
SELECT item, outcome FROM dfsmr.start_many('errand', ARRAY['{}', '{}', '{}']::jsonb[],
    ARRAY[errand(3), errand(1), errand(3)], if_exists => 'skip');
SELECT dfsmr.start('errand', id => errand(4), key => 'one') = errand(4) AS started;
SELECT kept_in(errand(1)), kept_in(errand(3)), kept_in(errand(4));
-- Who has the id comes before who holds the key now.
SELECT dfsmr.start('errand', id => errand(1), key => 'one', if_exists => 'return') = errand(1) AS itself;
-- What a finished instance is read from is whole, whoever writes it.
\set VERBOSITY terse
INSERT INTO dfsmr.change_0 (seq, xid, at, kind, machine, instance, outcome, params)
    VALUES (1, '0', now(), 'transition', 'errand', errand(2), 'success', '{}');
\set VERBOSITY default

-- An item finishes what an earlier item of the same call has moved, and a later
-- one is told.
SELECT item, outcome, node, visit
  FROM dfsmr.transition_many(ARRAY[errand(3), errand(3), errand(3), errand(3)], ARRAY['more', 'ok', 'ok', 'ok'],
                             ARRAY[1, 2, 2, 3], ARRAY[1, 1, 1, 1], client => 'w');
SELECT kind, prev_node, transition, node, visit FROM dfsmr.history(errand(3));
-- The last of several steps is what finishes it; what was handed in is with the first.
SELECT dfsmr.start('errand', id => errand(5)) IS NOT NULL AS started;
SELECT node FROM dfsmr.transition(errand(5), 'more', visit => 1);
SELECT node, visit FROM dfsmr.transition(errand(5), 'again', '{"n": 5}', 2, 'w', 1, '{"d": 5}', note => 'once too often');
SELECT node, visit FROM dfsmr.transition(errand(5), 'again', '{"n": 5}', 2, 'w', 1, '{"d": 5}');
SELECT kind, prev_node, transition, node, visit, note, node_params, data FROM dfsmr.history(errand(5));
SELECT kept_in(errand(5));
SELECT node, outcome, visit, node_params, data, note FROM dfsmr.instances WHERE instance = errand(5);

-- Rolled back, also to a savepoint: it is still there, and goes on.
BEGIN;
SELECT node FROM dfsmr.transition(errand(4), 'ok');
SELECT kept_in(errand(4));
SAVEPOINT s;
SELECT dfsmr.start('errand', id => errand(6)) IS NOT NULL AS started;
SELECT node FROM dfsmr.transition(errand(6), 'ok');
SELECT dfsmr.start('errand', id => errand(6));
ROLLBACK TO s;
SELECT dfsmr.start('errand', id => errand(6)) IS NOT NULL AS started;
SELECT kind, node FROM dfsmr.history(errand(6));
ROLLBACK;
SELECT kept_in(errand(4)), kept_in(errand(6));
SELECT kind, node FROM dfsmr.history(errand(4));
SELECT * FROM dfsmr.history(errand(6));
SELECT node FROM dfsmr.transition(errand(4), 'brief', visit => 1);
SELECT node, outcome FROM dfsmr.signal('errand', 'one', 'yes');
SELECT kept_in(errand(4));
SELECT kind, node FROM dfsmr.history(errand(4));
-- Aborted ones leave as well.
SELECT dfsmr.start('errand', id => errand(7)) IS NOT NULL AS started;
SELECT dfsmr.abort(errand(7), 'enough');
SELECT kept_in(errand(7));
SELECT node, outcome, note FROM dfsmr.instances WHERE instance = errand(7);

-- Large values: what was stored out of line comes along.
SELECT dfsmr.start('errand', id => errand(8), params => jsonb_build_object('p', (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 1000) AS n)),
                   data => jsonb_build_object('d', (SELECT string_agg(md5(n::text), '') FROM generate_series(1001, 2000) AS n))) IS NOT NULL AS started;
CREATE TEMP TABLE large AS SELECT params, data FROM dfsmr.instances WHERE instance = errand(8);
SELECT node FROM dfsmr.transition(errand(8), 'ok', data => '{"more": 1}');
VACUUM dfsmr.instance;
SELECT i.params = l.params AS params, i.data = l.data || '{"more": 1}' AS data
  FROM dfsmr.instances AS i, large AS l WHERE i.instance = errand(8);

-- Claims that are logged are in no chain, but in the history.
SET dfsmr.log_claims = on;
SELECT dfsmr.start('errand', id => errand(9), priority => 100) IS NOT NULL AS started;
SELECT instance = errand(9) AS claimed, visit, attempt FROM dfsmr.ready('w', 'errand');
SELECT node FROM dfsmr.relinquish(errand(9), 1);
SELECT instance = errand(9) AS claimed, visit, attempt FROM dfsmr.ready('w', 'errand');
SELECT node FROM dfsmr.transition(errand(9), 'ok', visit => 1, client => 'w', attempt => 2);
RESET dfsmr.log_claims;
SELECT kind, node, visit, attempt, client FROM dfsmr.history(errand(9));
-- A chain does not depend on where rows are.
CREATE TEMP TABLE before AS SELECT h.* FROM generate_series(1, 9) AS n, dfsmr.history(errand(n)) AS h WHERE n NOT IN (2, 6);
VACUUM FULL dfsmr.change_0;
SELECT count(*) > 20 AS many, count(*) = (SELECT count(*) FROM before) AS same
  FROM (SELECT h.* FROM generate_series(1, 9) AS n, dfsmr.history(errand(n)) AS h WHERE n NOT IN (2, 6)
        INTERSECT ALL SELECT * FROM before) AS h;

-- Who holds his key stays: for ever, or as long as it has not failed.
SELECT machine FROM dfsmr.define('{"id": "unique", "key_reuse": "never", "nodes": {"work": {"start": true, "transitions": {"ok": "done", "no": "lost"}}, "done": {"final": true}, "lost": {"final": true, "outcome": "failure"}}}');
SELECT machine FROM dfsmr.define('{"id": "again", "key_reuse": "failed", "nodes": {"work": {"start": true, "transitions": {"ok": "done", "no": "lost"}}, "done": {"final": true}, "lost": {"final": true, "outcome": "failure"}}}');
CREATE TEMP TABLE started AS
    SELECT m.machine, m.key, dfsmr.start(m.machine, key => m.key) AS instance
      FROM (SELECT machine, key FROM unnest(ARRAY['unique', 'again']) AS machine, unnest(ARRAY['ok', 'no', NULL]) AS key) AS m;
SELECT s.machine, s.key, t.node, kept_in(s.instance)
  FROM started AS s, dfsmr.transition(s.instance, coalesce(s.key, 'ok')) AS t ORDER BY 1, 2;
SELECT s.machine, s.key, i.state, i.node, kept_in(i.instance) FROM started AS s JOIN dfsmr.instances AS i USING (instance) ORDER BY 1, 2;
SELECT s.machine, s.key, dfsmr.start(s.machine, key => s.key, if_exists => 'skip') IS NOT NULL AS again
  FROM started AS s WHERE s.key IS NOT NULL ORDER BY 1, 2;
-- Deleted by hand, its changes are still known.
DELETE FROM dfsmr.instance WHERE id = (SELECT instance FROM started WHERE machine = 'unique' AND key = 'ok');
SELECT h.kind, h.node FROM started AS s, dfsmr.history(s.instance) AS h WHERE s.machine = 'unique' AND s.key = 'ok';
SELECT count(*) FROM dfsmr.instances AS i JOIN started AS s USING (instance) WHERE s.machine = 'unique' AND s.key = 'ok';

-- An unfinished state needs no look at the changelog, a finished one is found by index.
CREATE FUNCTION plan_of(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || query LOOP
        IF line ~ 'Seq Scan on change' OR line ~ 'using change' THEN
            RETURN NEXT regexp_replace(regexp_replace(line, '^[ >-]*', ''), 'change_\d( c_\d)?', 'change_n', 'g');
        END IF;
    END LOOP;
END $$;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT count(*), plan_of AS line FROM plan_of($$SELECT state FROM dfsmr.instances WHERE instance = '0000f000-0000-7000-8000-000000000001'$$) GROUP BY 2;
SELECT * FROM plan_of($$SELECT instance FROM dfsmr.instances WHERE state = 'ready'$$);
RESET enable_seqscan;
RESET enable_bitmapscan;
SELECT count(dfsmr.abort(instance)) >= 0 AS tidy FROM dfsmr.instances WHERE state <> 'finished' AND machine IN ('errand', 'unique', 'again');
DROP FUNCTION plan_of(text), kept_in(uuid), errand(int);
