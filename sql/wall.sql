-- The wall: whoever writes to the tables by SQL, here a superuser.
-- Proves: an instance moves along edges only, keeps id, machine and version,
-- and its visit only goes up; rows of any node are taken by INSERT, as pg_dump
-- needs it, if they are consistent; the other tables refuse what would break
-- them; session_replication_role opens nothing.
\set SHOW_CONTEXT never

SELECT version FROM dfsmr.define($$
id: wall_door
nodes:
  closed: {start: true, priority: 5, transitions: {push: open, lock: locked, again: closed}}
  open:   {await: signal, transitions: {pull: closed, break: broken, leave: gone}}
  locked: {delay: 9h, transitions: {unlock: closed}}
  broken: {final: true, outcome: failure}
  gone:   {final: true}
$$);
SELECT version FROM dfsmr.define($$
id: wall_door
nodes:
  closed: {start: true, transitions: {push: ajar}}
  ajar:   {transitions: {leave: gone}}
  gone:   {final: true}
$$);

-- A row as a dump could have it, with some columns replaced.
CREATE FUNCTION wall_insert(columns jsonb) RETURNS void LANGUAGE sql AS $$
    INSERT INTO dfsmr.instance
    SELECT * FROM jsonb_populate_record(NULL::dfsmr.instance, jsonb_build_object(
        'machine', 'wall_door', 'version', 1, 'node', 'closed', 'kind', 't', 'visit', 1,
        'attempt', 0, 'failed_attempts', 0, 'deliveries', 0, 'neg_priority', -5, 'change_xid', '77', 'change_seq', 0,
        'retry', false, 'delayed', false, 'key_held', false, 'own_priority', false,
        'ready_at', 'infinity', 'entered_at', '2020-01-01', 'started_at', '2020-01-01',
        'params', '{}'::jsonb, 'node_params', '{}'::jsonb, 'data', '{}'::jsonb) || columns)
$$;
-- Its id: a letter eight times.
CREATE FUNCTION wall_id(digit text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (repeat(digit, 8) || '-1111-4111-8111-111111111111')::uuid
$$;
CREATE VIEW wall_instance AS
    SELECT left(id::text, 8) AS id, version, node, kind, visit, outcome
      FROM dfsmr.instance WHERE machine = 'wall_door' ORDER BY id;

-- INSERT: every node that the version knows, and the system's own.
SELECT wall_insert(jsonb_build_object('id', wall_id('a')));
SELECT wall_insert(jsonb_build_object('id', wall_id('b'), 'node', 'open', 'kind', 'p', 'ready_at', NULL, 'visit', 4));
SELECT wall_insert(jsonb_build_object('id', wall_id('c'), 'node', 'locked', 'kind', 'd', 'attempt', 3, 'failed_attempts', 1, 'deliveries', 9));
SELECT wall_insert(jsonb_build_object('id', wall_id('d'), 'node', 'broken', 'kind', 'f', 'outcome', 'failure', 'finished_at', '2020-01-02'));
SELECT wall_insert(jsonb_build_object('id', wall_id('e'), 'node', 'dfsmr.aborted', 'kind', 'f', 'outcome', 'failure', 'finished_at', '2020-01-02'));
SELECT wall_insert(jsonb_build_object('id', wall_id('f'), 'version', 2, 'node', 'ajar', 'key', 'k', 'key_held', true));
SELECT * FROM wall_instance;
-- What no version, or another one, knows.
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'version', 3));
\echo :LAST_ERROR_SQLSTATE
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'machine', 'no_such_machine'));
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'node', 'ajar'));
\echo :LAST_ERROR_SQLSTATE
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'version', 2, 'node', 'open', 'kind', 'p'));
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'node', 'dfsmr.lost'));
-- Columns that do not agree with the node.
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'kind', 'p'));
\echo :LAST_ERROR_SQLSTATE
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'node', 'gone', 'outcome', 'success', 'finished_at', '2020-01-02'));
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'node', 'gone', 'kind', 'f', 'outcome', 'failure', 'finished_at', '2020-01-02'));
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'node', 'gone', 'kind', 'f', 'outcome', 'success'));
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'node', 'gone', 'kind', 'f', 'finished_at', '2020-01-02'));
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'outcome', 'success'));
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'finished_at', '2020-01-02'));
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'ready_at', NULL));
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'node', 'locked', 'kind', 'd', 'delayed', true));
-- What is handed out at most once: at a task node only, by somebody, and counted.
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'node', 'open', 'kind', 'h', 'held_by', 'w', 'held_since', '2020-01-02', 'attempt', 1, 'deliveries', 1));
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'kind', 'h', 'held_since', '2020-01-02', 'attempt', 1, 'deliveries', 1));
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'kind', 'h', 'held_by', 'w', 'attempt', 1, 'deliveries', 1));
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'kind', 'h', 'held_by', 'w', 'held_since', '2020-01-02'));
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'kind', 't', 'held_by', 'w', 'held_since', '2020-01-02'));
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'kind', 'h', 'held_by', 'w', 'held_since', '2020-01-02', 'attempt', 1, 'deliveries', 1, 'delayed', true));
SELECT wall_insert(jsonb_build_object('id', wall_id('9'), 'kind', 'h', 'held_by', 'w', 'held_since', '2020-01-02', 'attempt', 1, 'deliveries', 1, 'ready_at', NULL));
-- Values out of range.
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'visit', 0));
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'attempt', -1));
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'failed_attempts', 1));
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'attempt', 1));
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'neg_priority', -2147483648));
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'key_held', true));
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'data', '[]'::jsonb));
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'params', '7'::jsonb));
-- What must not be NULL, and what is unique, is said by the table.
\set VERBOSITY terse
SELECT wall_insert(jsonb_build_object('id', NULL));
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'node', NULL));
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'data', NULL));
SELECT wall_insert(jsonb_build_object('id', wall_id('a')));
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'key', 'k', 'key_held', true));

\set VERBOSITY default

-- UPDATE: along an edge, to a higher visit.
UPDATE dfsmr.instance SET node = 'gone', visit = 2 WHERE id = wall_id('a');
UPDATE dfsmr.instance SET node = 'gone', kind = 'f', outcome = 'success', finished_at = '2020-01-02', visit = 2 WHERE id = wall_id('a');
\echo :LAST_ERROR_SQLSTATE
UPDATE dfsmr.instance SET node = 'open', kind = 'p' WHERE id = wall_id('a');
\echo :LAST_ERROR_SQLSTATE
UPDATE dfsmr.instance SET node = 'open', kind = 'p', visit = 0 WHERE id = wall_id('a');
UPDATE dfsmr.instance SET node = 'open', visit = 2 WHERE id = wall_id('a');
UPDATE dfsmr.instance SET node = 'ajar', visit = 2 WHERE id = wall_id('a');
UPDATE dfsmr.instance SET node = 'open', kind = 'p', visit = 2 WHERE id = wall_id('a');
UPDATE dfsmr.instance SET node = 'closed', kind = 't', visit = 1 WHERE id = wall_id('a');
UPDATE dfsmr.instance SET node = 'closed', kind = 't', visit = 3 WHERE id = wall_id('a');
-- The same node: the visit may stay or go up.
UPDATE dfsmr.instance SET note = 'looked at' WHERE id = wall_id('a');
UPDATE dfsmr.instance SET visit = 7 WHERE id = wall_id('a');
UPDATE dfsmr.instance SET visit = 6 WHERE id = wall_id('a');
\echo :LAST_ERROR_SQLSTATE
UPDATE dfsmr.instance SET ready_at = NULL WHERE id = wall_id('a');
\set VERBOSITY terse
UPDATE dfsmr.instance SET node = NULL WHERE id = wall_id('a');
\set VERBOSITY default
-- It stays what it is.
UPDATE dfsmr.instance SET id = wall_id('0') WHERE id = wall_id('a');
\echo :LAST_ERROR_SQLSTATE
UPDATE dfsmr.instance SET version = 2 WHERE id = wall_id('a');
UPDATE dfsmr.instance SET machine = 'wall_other' WHERE id = wall_id('a');
-- What is final stays; what is not can be aborted.
UPDATE dfsmr.instance SET node = 'closed', kind = 't', outcome = NULL, finished_at = NULL, visit = 2 WHERE id = wall_id('d');
UPDATE dfsmr.instance SET node = 'closed', kind = 't', outcome = NULL, finished_at = NULL, visit = 2 WHERE id = wall_id('e');
UPDATE dfsmr.instance SET node = 'dfsmr.aborted', visit = 2 WHERE id = wall_id('d');
UPDATE dfsmr.instance SET node = 'dfsmr.aborted', kind = 'f', outcome = 'failure', finished_at = '2020-01-02', visit = 8 WHERE id = wall_id('a');
-- One illegal row of many, and nothing is done.
UPDATE dfsmr.instance SET visit = visit - 1 WHERE machine = 'wall_door';
SELECT * FROM wall_instance;

-- The wall stands for replicas too.
SET session_replication_role = replica;
UPDATE dfsmr.instance SET visit = 0 WHERE id = wall_id('b');
TRUNCATE dfsmr.instance;
RESET session_replication_role;

-- TRUNCATE, DELETE, and all that the other tables refuse.
TRUNCATE dfsmr.instance;
\echo :LAST_ERROR_SQLSTATE
TRUNCATE dfsmr.machine_version CASCADE;
TRUNCATE dfsmr.change;
TRUNCATE dfsmr.pause;
TRUNCATE dfsmr.privilege;
TRUNCATE dfsmr.installation;
DELETE FROM dfsmr.instance WHERE id = wall_id('b');
\echo :LAST_ERROR_SQLSTATE
DELETE FROM dfsmr.instance WHERE id = wall_id('d');
UPDATE dfsmr.machine_version SET definition = '' WHERE machine = 'wall_door';
DELETE FROM dfsmr.machine_version WHERE machine = 'wall_door';
DELETE FROM dfsmr.installation;
UPDATE dfsmr.change SET xid = '1' WHERE machine = 'wall_door';
DELETE FROM dfsmr.change WHERE machine = 'wall_door';

-- A restored change is older than all that was written here.
BEGIN;
INSERT INTO dfsmr.change (seq, xid, at, kind, machine)
    VALUES (9000000000000000001, '12345', '2020-01-01', 'define', 'wall_door');
SELECT seq, xid, at = '2020-01-01' AS same_time FROM dfsmr.change WHERE seq = 9000000000000000001;
ROLLBACK;

-- A restored machine is known at once, also to a session that knew that it was
-- not; a restored pause too.
SELECT dfsmr.definition('wall_restored');
BEGIN;
INSERT INTO dfsmr.machine_version (machine, version, definition, canonical, created_at, created_by)
    SELECT 'wall_restored', 1, replace(v.definition, 'wall_door', 'wall_restored'),
           replace(v.canonical, 'wall_door', 'wall_restored'), v.created_at, v.created_by
      FROM dfsmr.machine_version AS v WHERE v.machine = 'wall_door' AND v.version = 1;
SELECT length(dfsmr.definition('wall_restored')) > 0 AS known;
SELECT wall_insert(jsonb_build_object('id', wall_id('0'), 'machine', 'wall_restored'));
ROLLBACK;
SELECT dfsmr.definition('wall_restored');

-- A restored privilege is for the role of that name; an UPDATE could hand a
-- dead role's rights to a living one.
CREATE ROLE regress_wall_role;
BEGIN;
INSERT INTO dfsmr.privilege (role_name, role, machine, privilege)
    VALUES ('regress_wall_role', 10, 'wall_door', 'work'), ('regress_wall_nobody', 10, 'wall_door', 'work');
SELECT p.role_name, p.role = COALESCE(r.oid, 0) AS resolved
  FROM dfsmr.privilege AS p LEFT JOIN pg_roles AS r ON r.rolname = p.role_name
 WHERE p.role_name LIKE 'regress\_wall\_%' ORDER BY 1;
SAVEPOINT s;
UPDATE dfsmr.privilege SET role_name = 'regress_wall_role';
ROLLBACK TO s;
\set VERBOSITY terse
INSERT INTO dfsmr.privilege (role_name, role, machine, privilege) VALUES (NULL, 10, '', 'read');
\set VERBOSITY default
ROLLBACK;
DROP ROLE regress_wall_role;

-- Every trigger of ours stands whatever session_replication_role says.
SELECT tgrelid::regclass AS "table", tgname, tgenabled
  FROM pg_trigger
 WHERE tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'dfsmr'::regnamespace)
   AND NOT tgisinternal AND tgenabled <> 'A';
-- They are of no use elsewhere.
SELECT dfsmr.wall_instance();
SELECT dfsmr.wall_refuse();
CREATE TABLE wall_else (id int);
CREATE TRIGGER wall BEFORE INSERT ON wall_else FOR EACH ROW EXECUTE FUNCTION dfsmr.wall_instance();
INSERT INTO wall_else VALUES (1);
DROP TABLE wall_else;

-- What the functions write stands up to the same checks: instances that have
-- been everywhere, written again by SQL as they are.
SELECT version FROM dfsmr.define($$
id: wall_api
key_reuse: never
nodes:
  work:  {start: true, priority: 2, transitions: {ok: done, error: rest, ask: gate, hurry: brief}}
  brief: {timeout: 1ms, transitions: {ok: done}}
  rest:  {delay: 1ms, fire: up, max_visits: 2, on_max_visits: over, transitions: {up: work, over: lost}}
  gate:  {await: signal, timeout: 9h, on_timeout: close, transitions: {open: work, close: lost}}
  done:  {final: true}
  lost:  {final: true, outcome: failure}
$$);
CREATE FUNCTION wall_id(digit int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT wall_id(digit::text) $$;
SELECT count(dfsmr.start('wall_api', id => wall_id(i), key => 'k' || i, priority => CASE i WHEN 3 THEN -7 END,
                         delay => CASE i WHEN 8 THEN interval '9h' ELSE '0' END))
  FROM generate_series(1, 8) AS i WHERE i NOT IN (6, 7);
SELECT count(*) FROM dfsmr.ready('w', 'wall_api', max => 9);
-- By transitions, one of them into a timeout; given back; aborted; moved.
SELECT node FROM dfsmr.transition(wall_id(1), 'ok', visit => 1, data => '{"n": 1}', client => 'w', attempt => 1);
SELECT node FROM dfsmr.transition(wall_id(2), 'error', visit => 1);
SELECT node FROM dfsmr.transition(wall_id(3), 'ask', visit => 1);
SELECT node FROM dfsmr.transition(wall_id(4), 'hurry', visit => 1);
SELECT count(*) FROM dfsmr.ready('w', 'wall_api', 'brief');
SELECT node FROM dfsmr.relinquish(wall_id(5), 1);
SELECT count(dfsmr.start('wall_api', id => wall_id(i), key => 'k' || i)) FROM generate_series(6, 7) AS i;
SELECT dfsmr.abort(wall_id(6)), dfsmr.move(wall_id(7), 'gate', 'to see');
DO $$
BEGIN
    FOR i IN 1..3000 LOOP
        EXIT WHEN (SELECT failed_attempts = 1 FROM dfsmr.instance WHERE id = wall_id(4))
              AND (SELECT node = 'work' AND visit = 3 FROM dfsmr.instance WHERE id = wall_id(2));
        PERFORM pg_sleep(0.01);
    END LOOP;
END $$;
SELECT left(id::text, 8) AS id, node, visit, attempt, failed_attempts, deliveries, delayed, key_held, outcome
  FROM dfsmr.instance WHERE machine = 'wall_api' ORDER BY id;
UPDATE dfsmr.instance SET note = note WHERE machine = 'wall_api';
-- It still runs, and the board knows the rows where they are now.
SELECT count(*) FROM dfsmr.ready('w', 'wall_api', 'work', max => 9);
SELECT count(dfsmr.abort(instance)) FROM dfsmr.instances WHERE machine = 'wall_api' AND state <> 'finished';
DELETE FROM dfsmr.instance WHERE machine = 'wall_api';
DROP FUNCTION wall_id(int);

-- Leave nothing behind.
UPDATE dfsmr.instance SET node = 'dfsmr.aborted', kind = 'f', outcome = 'failure', finished_at = '2020-01-02', visit = visit + 1,
       held_by = NULL, held_since = NULL
 WHERE machine = 'wall_door' AND finished_at IS NULL;
DELETE FROM dfsmr.instance WHERE machine = 'wall_door';
SELECT * FROM wall_instance;
DROP VIEW wall_instance;
DROP FUNCTION wall_insert, wall_id;
