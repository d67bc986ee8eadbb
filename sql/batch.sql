-- start_many(), transition_many() and transition_and_ready(): an outcome for
-- every item, in the order given; what is refused does not fail the others.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS dfsmr CASCADE;
CREATE EXTENSION dfsmr;
SELECT * FROM dfsmr.define($$
id: many
nodes:
  work: {start: true, timeout: 1h, transitions: {ok: check, later: wait, done: end}}
  check: {timeout: 1h, transitions: {ok: end}}
  wait: {delay: 1h, fire: ok, transitions: {ok: work}}
  end: {final: true}
$$);
SELECT version FROM dfsmr.define('{id: other, nodes: {todo: {start: true, transitions: {ok: done}}, done: {final: true}}}');
CREATE FUNCTION id(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS
    $$ SELECT ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid $$;
CREATE VIEW here AS SELECT instance, key, node, state, visit, priority, lane, params, node_params, data, note
    FROM dfsmr.instances ORDER BY started_at, instance;

-- ------------------------------------------------------------------- start_many

-- All that start() takes; a NULL element is the default.
SELECT item, instance, outcome, sqlstate, message
  FROM dfsmr.start_many('many', ARRAY['{"n": 1}', '{"n": 2}', NULL]::jsonb[],
           ids => ARRAY[id(3), id(2), id(1)], priorities => '{7,NULL,-7}',
           delays => ARRAY['1 hour', NULL, '0']::interval[], keys => '{three,NULL,one}',
           lanes => '{x,y,NULL}', parents => ARRAY[id(9), NULL, NULL],
           data => ARRAY[NULL, '{"d": 2}', NULL]::jsonb[]);
SELECT * FROM here;
SELECT instance, ready_at - started_at AS delay, parent FROM dfsmr.instances ORDER BY 1;
-- Numbers of changes follow the order of the work, which is by key, then by id.
SELECT instance, kind, node, data FROM dfsmr.changes WHERE kind = 'start' ORDER BY seq;
-- What is refused starts nothing; the others are.
SELECT item, instance, outcome, sqlstate, message, detail
  FROM dfsmr.start_many('many', ARRAY['{}', '[]', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}']::jsonb[],
           ids => ARRAY[id(1), id(11), id(12), id(13), id(14), id(15), id(16), id(17), id(18), id(18)],
           keys => ARRAY[NULL, NULL, 'three', repeat('k', 2001), NULL, NULL, NULL, NULL, NULL, NULL],
           priorities => ARRAY[NULL, NULL, NULL, NULL, -2147483648, NULL, NULL, NULL, NULL, NULL],
           delays => ARRAY[NULL, NULL, NULL, NULL, NULL, '-1 s', '300000 years', NULL, NULL, NULL]::interval[],
           lanes => ARRAY[NULL, NULL, NULL, NULL, NULL, NULL, NULL, repeat('l', 256), NULL, NULL]);
SELECT count(*) FROM dfsmr.instances;
-- Twice the same key in one call; if_exists is for all of them.
SELECT item, instance, outcome FROM dfsmr.start_many('many', '{"{}","{}","{}"}', keys => '{b,a,b}',
    ids => ARRAY[id(22), id(21), id(23)], if_exists => 'return');
SELECT item, instance, outcome FROM dfsmr.start_many('many', '{"{}","{}"}', keys => '{a,c}',
    ids => ARRAY[id(24), id(25)], if_exists => 'skip');
SELECT item, outcome, message FROM dfsmr.start_many('other', '{"{}"}', ids => ARRAY[id(1)], if_exists => 'skip');
-- Ids that are made are in the order given, and so is what is handed out.
SELECT count(*), count(*) FILTER (WHERE outcome = 'ok') AS ok FROM dfsmr.start_many('other', array_fill('{}'::jsonb, ARRAY[500]),
    keys => ARRAY(SELECT md5(n::text) FROM generate_series(1, 500) AS n), lanes => ARRAY(SELECT n::text FROM generate_series(1, 500) AS n));
SELECT count(*) > 0 AS handed_out, bool_and(lane::int = number) AS in_order
  FROM (SELECT lane, row_number() OVER () AS number FROM dfsmr.ready('w', 'other', max => 500)) AS t;
-- None.
SELECT * FROM dfsmr.start_many('many', '{}');
SELECT * FROM dfsmr.start_many('many', '{}', keys => '{}');

-- --------------------------------------------------------------- transition_many

SELECT count(dfsmr.abort(instance)) AS ended FROM dfsmr.instances WHERE state <> 'finished';
SELECT count(*) FROM dfsmr.start_many('many', array_fill('{}'::jsonb, ARRAY[6]), ids => ARRAY(SELECT id(n) FROM generate_series(31, 36) AS n));
SELECT instance, visit, attempt FROM dfsmr.ready('w', 'many', max => 4);
-- All that transition() takes, and not in the order of ids.
SELECT * FROM dfsmr.transition_many(ARRAY[id(33), id(31), id(32)], '{ok,later,done}', '{1,1,1}', '{1,1,1}',
    node_params => ARRAY['{"p": 1}', NULL, NULL]::jsonb[], data => ARRAY[NULL, '{"d": 1}', NULL]::jsonb[],
    delays => ARRAY[NULL, '3 hours', NULL]::interval[], notes => '{one,NULL,three}', client => 'w');
SELECT * FROM here WHERE instance BETWEEN id(31) AND id(33);
SELECT instance, ready_at - entered_at AS delay FROM dfsmr.instances WHERE instance = id(31);
SELECT instance, prev_node, transition, node, visit, attempt, client, note, node_params, data
  FROM dfsmr.changes WHERE kind = 'transition' ORDER BY seq;
-- The claims have ended: 34 alone is still out.
SELECT instance, state, client FROM dfsmr.instances WHERE instance BETWEEN id(31) AND id(36) ORDER BY 1;
-- Every outcome, with the message that transition() has.
SELECT item, instance, outcome, sqlstate, message, detail, node, prev_node, visit
  FROM dfsmr.transition_many(
    ARRAY[id(33), id(33), id(33), id(32), id(32), id(34), id(99), NULL, id(35), id(36), id(36), id(36), id(36), id(36), id(36), id(36)],
    ARRAY['ok', 'later', 'ok', 'done', 'ok', 'no', 'ok', 'ok', NULL, repeat('t', 64), 'ok', 'ok', 'ok', 'ok', 'ok', 'ok'],
    ARRAY[1, 1, 9, NULL, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
    ARRAY[1, 1, 1, 1, 1, 1, 1, 1, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL],
    node_params => array_fill(NULL::jsonb, ARRAY[10]) || ARRAY['[]', NULL, NULL, NULL, NULL, NULL]::jsonb[],
    data => array_fill(NULL::jsonb, ARRAY[10]) || ARRAY[NULL, '1', NULL, NULL, NULL, NULL]::jsonb[],
    delays => array_fill(NULL::interval, ARRAY[10]) || ARRAY[NULL, NULL, '-1 s', '300000 years', NULL, NULL]::interval[],
    notes => array_fill(NULL::text, ARRAY[10]) || ARRAY[NULL, NULL, NULL, NULL, repeat('n', 10001), NULL],
    client => 'w');
SELECT instance, node, visit FROM here WHERE instance BETWEEN id(31) AND id(36);
-- The same instance several times: each is judged by what those before it did,
-- and a repeat gets the answer that was recorded a moment ago.
SELECT item, outcome, node, prev_node, visit FROM dfsmr.transition_many(
    ARRAY[id(34), id(34), id(34), id(34), id(34)], '{ok,ok,later,ok,ok}', '{1,1,1,2,3}', '{1,1,1,NULL,NULL}', client => 'w');
SELECT seq IS NOT NULL AS numbered, transition, node, visit FROM dfsmr.history(id(34));
-- Many changes in one call are numbered one after the other.
SELECT count(*) FROM dfsmr.start_many('many', array_fill('{}'::jsonb, ARRAY[250]), ids => ARRAY(SELECT id(n) FROM generate_series(1001, 1250) AS n));
SELECT outcome, count(*) FROM dfsmr.transition_many(ARRAY(SELECT id(n) FROM generate_series(1250, 1001, -1) AS n), array_fill('done'::text, ARRAY[250])) GROUP BY 1;
SELECT count(*), count(DISTINCT seq) AS numbers, bool_and(ordered) AS ordered
  FROM (SELECT seq, instance >= lag(instance, 1, instance) OVER (ORDER BY seq) AS ordered
          FROM dfsmr.changes WHERE kind = 'transition' AND instance >= id(1001)) AS c;
SELECT count(*) FROM dfsmr.instances WHERE instance >= id(1001) AND outcome = 'success';
-- None.
SELECT * FROM dfsmr.transition_many('{}', '{}');
SELECT * FROM dfsmr.transition_many('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', 'w');

-- ---------------------------------------------------------- transition_and_ready

SELECT count(*) FROM dfsmr.start_many('many', array_fill('{}'::jsonb, ARRAY[4]), ids => ARRAY(SELECT id(n) FROM generate_series(41, 44) AS n), priorities => '{4,3,2,1}');
-- A worker's rounds: first nothing to complete, ...
SELECT item, outcome, instance, node, visit, attempt, client, transitions FROM dfsmr.transition_and_ready('w', '{}', '{}', machine => 'many', max => 2);
-- ... then these two, one of them stale; what they make ready comes once it is committed.
SELECT item, outcome, sqlstate, message, instance, machine, node, prev_node, visit, attempt
  FROM dfsmr.transition_and_ready('w', ARRAY[id(42), id(41)], '{ok,ok}', '{7,1}', '{1,1}', machine => 'many', max => 2);
SELECT item, outcome, instance, node, visit FROM dfsmr.transition_and_ready('w', ARRAY[id(43), id(44)], '{done,done}', '{1,1}', machine => 'many', node => 'check', max => 5);
-- It waits only when it has moved nothing.  (Should it wait here, it would be for 5 s.)
SELECT clock_timestamp() AS before \gset
SELECT item, outcome, instance, node FROM dfsmr.transition_and_ready('w', ARRAY[id(42)], '{done}', '{1}', machine => 'many', node => 'check', wait => '5 s');
SELECT clock_timestamp() - :'before'::timestamptz < '4 s' AS did_not_wait;
SELECT clock_timestamp() AS before \gset
SELECT item, outcome, instance, node FROM dfsmr.transition_and_ready('w', ARRAY[id(42)], '{done}', '{1}', machine => 'many', node => 'check', wait => '0.2 s');
SELECT clock_timestamp() - :'before'::timestamptz >= '0.2 s' AS waited;
-- Claims are logged behind the completions when that is asked for.
SET dfsmr.log_claims = on;
SELECT count(*) FROM dfsmr.start_many('other', array_fill('{}'::jsonb, ARRAY[3]), keys => '{a,b,c}');
SELECT count(*) FROM dfsmr.transition_and_ready('w', ARRAY[id(41)], '{ok}', '{2}', machine => 'other', max => 3);
RESET dfsmr.log_claims;
SELECT kind, key, node, client FROM dfsmr.changes ORDER BY seq DESC LIMIT 4;

-- ---------------------------------------------------- rollback, also to a savepoint

SELECT count(dfsmr.abort(instance)) > 0 AS ended FROM dfsmr.instances WHERE state <> 'finished';
SELECT count(*) FROM dfsmr.start_many('many', array_fill('{}'::jsonb, ARRAY[3]), ids => ARRAY(SELECT id(n) FROM generate_series(51, 53) AS n));
SELECT instance FROM dfsmr.ready('w', 'many', max => 2);
SELECT count(*) AS before FROM dfsmr.changes \gset
BEGIN;
SELECT item, outcome FROM dfsmr.start_many('many', '{"{}"}', ids => ARRAY[id(59)]);
SAVEPOINT s;
SELECT item, outcome, instance FROM dfsmr.transition_and_ready('w', ARRAY[id(51), id(52)], '{ok,ok}', '{1,1}', '{1,1}', machine => 'many', max => 9);
SELECT item, outcome FROM dfsmr.start_many('many', '{"{}"}', ids => ARRAY[id(58)]);
ROLLBACK TO s;
-- As they were: two leased, what was claimed is offered again, one not committed.
SELECT instance, state, node, visit FROM dfsmr.instances WHERE instance BETWEEN id(51) AND id(59) ORDER BY 1;
SELECT instance FROM dfsmr.ready('v', 'many', max => 9);
SELECT item, outcome, visit FROM dfsmr.transition_many(ARRAY[id(51)], '{ok}', '{1}', '{1}', client => 'w');
ROLLBACK;
SELECT count(*) = :before AS nothing_changed FROM dfsmr.changes;
SELECT instance FROM dfsmr.ready('v', 'many', max => 9);
SELECT item, outcome, visit FROM dfsmr.transition_many(ARRAY[id(52), id(51)], '{ok,ok}', '{1,1}', '{1,1}', client => 'w');
SELECT instance, node FROM dfsmr.ready('w', 'many', max => 9);

-- ------------------------------------------------------------ what fails as a whole

SELECT * FROM dfsmr.start_many('x', '{"{}"}');
SELECT * FROM dfsmr.start_many(NULL, '{"{}"}');
SELECT * FROM dfsmr.start_many('many', NULL);
SELECT * FROM dfsmr.start_many('many', '{"{}"}', if_exists => NULL);
SELECT * FROM dfsmr.start_many('many', '{"{}"}', if_exists => 'x');
SELECT * FROM dfsmr.start_many('many', '{{"{}"},{"{}"}}');
SELECT * FROM dfsmr.start_many('many', '{"{}"}', keys => '{a,b}');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM dfsmr.start_many('many', '{"{}"}', ids => '{}');
SELECT * FROM dfsmr.transition_many(NULL, '{ok}');
SELECT * FROM dfsmr.transition_many(ARRAY[id(51)], NULL);
SELECT * FROM dfsmr.transition_many(ARRAY[id(51)], '{ok,ok}');
SELECT * FROM dfsmr.transition_many(ARRAY[ARRAY[id(51)], ARRAY[id(51)]], '{ok,ok}');
SELECT * FROM dfsmr.transition_many(ARRAY[id(51), id(52)], '{{ok},{ok}}');
SELECT * FROM dfsmr.transition_many(ARRAY[id(51)], '{ok}', visits => '{1,2}');
SELECT * FROM dfsmr.transition_many(ARRAY[id(51)], '{ok}', client => repeat('c', 64));
SELECT * FROM dfsmr.transition_and_ready(NULL, '{}', '{}');
SELECT * FROM dfsmr.transition_and_ready('w', '{}', '{}', max => 0);
SELECT * FROM dfsmr.transition_and_ready('w', '{}', '{}', wait => '-1 s');
-- The claim failed, so nothing is completed either.
SELECT * FROM dfsmr.transition_and_ready('w', ARRAY[id(51)], '{ok}', machine => 'x');
SELECT instance, node, visit FROM here WHERE instance = id(51);
BEGIN READ ONLY;
SELECT * FROM dfsmr.transition_many('{}', '{}');
ROLLBACK;

-- Leave nothing behind: the smallest table has room for eight leases.
SELECT count(dfsmr.abort(instance)) >= 0 AS tidy FROM dfsmr.instances WHERE state = 'running';
DROP VIEW here;
DROP FUNCTION id;
