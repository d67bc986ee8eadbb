-- start(): ids, keys and when they may be used again, priority, delay, data;
-- and what it refuses.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS dfsmr CASCADE;
CREATE EXTENSION dfsmr;
SELECT * FROM dfsmr.define($$
id: plain
nodes:
  work: {start: true, priority: 3, transitions: {ok: done, error: failed}}
  done: {final: true}
  failed: {final: true, outcome: failure}
$$);
SELECT * FROM dfsmr.define($$
id: once
key_reuse: never
nodes:
  work: {start: true, transitions: {ok: done, error: failed}}
  done: {final: true}
  failed: {final: true, outcome: failure}
$$);
SELECT * FROM dfsmr.define($$
id: again
key_reuse: failed
nodes:
  work: {start: true, transitions: {ok: done, error: failed}}
  done: {final: true}
  failed: {final: true, outcome: failure}
$$);

-- Everything that one can say.
SELECT dfsmr.start('plain', '{"url": "http://example.com"}',
                   id => '11111111-1111-1111-1111-111111111111', priority => 7,
                   delay => '1 hour', key => 'first', lane => 'tenant',
                   parent => '22222222-2222-2222-2222-222222222222', data => '{"tries": 0}');
SELECT instance, machine, version, key, lane, parent, node, state, outcome, visit, attempt,
       deliveries, failed_attempts, priority, ready_at - started_at AS due_after,
       entered_at = started_at AS entered, finished_at, client, params, node_params, data, note
  FROM dfsmr.instances WHERE key = 'first';
-- The defaults; the id is a UUID of version 7.
SELECT substr(dfsmr.start('plain', key => 'second')::text, 15, 1) AS version;
SELECT state, priority, params, data, key, ready_at = started_at AS at_once
  FROM dfsmr.instances WHERE key = 'second';
-- Ids are ordered by time.
SELECT dfsmr.start('plain') AS earlier \gset
SELECT pg_sleep(0.002);
SELECT dfsmr.start('plain') > :'earlier' AS later;

-- A key is taken while its instance runs.
SELECT dfsmr.start('plain', key => 'first');
SELECT dfsmr.start('plain', key => 'first', if_exists => 'return');
SELECT dfsmr.start('plain', key => 'first', if_exists => 'skip') IS NULL AS skipped;
-- It is the machine's own.
SELECT dfsmr.start('once', key => 'first') IS NOT NULL AS started;
-- An id is taken for as long as the instance is kept.
SELECT dfsmr.start('plain', id => '11111111-1111-1111-1111-111111111111');
SELECT dfsmr.start('plain', id => '11111111-1111-1111-1111-111111111111', if_exists => 'return');
SELECT dfsmr.start('once', id => '11111111-1111-1111-1111-111111111111', if_exists => 'return');

-- key_reuse: finished is the default.
CREATE FUNCTION finish(machine text, key text, transition text) RETURNS text LANGUAGE sql AS $$
    SELECT t.node FROM dfsmr.instances i, dfsmr.transition(i.instance, finish.transition) t
    WHERE i.machine = finish.machine AND i.key = finish.key AND i.state <> 'finished'
$$;
CREATE FUNCTION reusable(machine text, key text) RETURNS boolean LANGUAGE sql AS $$
    SELECT dfsmr.start(reusable.machine, key => reusable.key, if_exists => 'skip') IS NOT NULL
$$;
SELECT finish('plain', 'second', 'ok'), reusable('plain', 'second');
SELECT finish('once', 'first', 'error'), reusable('once', 'first');
SELECT dfsmr.start('again', key => 'a') IS NOT NULL AS started, dfsmr.start('again', key => 'b') IS NOT NULL AS started;
SELECT finish('again', 'a', 'error'), reusable('again', 'a');
SELECT finish('again', 'b', 'ok'), reusable('again', 'b');

-- In bulk, and rolled back.
BEGIN;
SELECT count(dfsmr.start('plain', key => 'bulk' || n)) FROM generate_series(1, 2000) AS n;
ROLLBACK;
SELECT count(*) FROM dfsmr.instances WHERE key LIKE 'bulk%';

-- Refused.
SELECT dfsmr.start('nowhere');
SELECT dfsmr.start(NULL);
SELECT dfsmr.start('plain', NULL);
SELECT dfsmr.start('plain', '[1, 2]');
SELECT dfsmr.start('plain', '{}', data => '"text"');
SELECT dfsmr.start('plain', delay => '-1 second');
SELECT dfsmr.start('plain', delay => '300000 years');
SELECT dfsmr.start('plain', delay => NULL);
SELECT dfsmr.start('plain', priority => -2147483648);
SELECT dfsmr.start('plain', if_exists => 'perhaps');
SELECT dfsmr.start('plain', if_exists => NULL);
SELECT dfsmr.start('plain', key => repeat('k', 2001));
SELECT dfsmr.start(repeat('m', 1000000));
BEGIN READ ONLY;
SELECT dfsmr.start('plain');
ROLLBACK;
SELECT count(*) FROM dfsmr.instances;
DROP FUNCTION finish, reusable;
