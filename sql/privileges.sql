-- Privileges: nothing to PUBLIC, the five grants per machine, who may give
-- them, and that the caller is asked also behind SET ROLE, inherited roles and
-- SECURITY DEFINER functions.
\set SHOW_CONTEXT never

-- ---------------------------------------------------------------- catalogs

-- All members of the extension, with what they grant.
CREATE TEMP VIEW priv_member AS
    SELECT i.type, i.identity, d.classid, d.objid
      FROM pg_depend AS d,
           pg_identify_object(d.classid, d.objid, 0) AS i
     WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
       AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'dfsmr');
CREATE TEMP VIEW priv_acl AS
    SELECT m.type, m.identity,
           CASE m.classid
               WHEN 'pg_proc'::regclass THEN
                   (SELECT COALESCE(p.proacl, acldefault('f', p.proowner)) FROM pg_proc AS p WHERE p.oid = m.objid)
               WHEN 'pg_class'::regclass THEN
                   (SELECT COALESCE(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's'::"char" ELSE 'r' END, c.relowner))
                      FROM pg_class AS c WHERE c.oid = m.objid)
               WHEN 'pg_type'::regclass THEN
                   (SELECT COALESCE(t.typacl, acldefault('T', t.typowner)) FROM pg_type AS t WHERE t.oid = m.objid)
               WHEN 'pg_namespace'::regclass THEN
                   (SELECT COALESCE(n.nspacl, acldefault('n', n.nspowner)) FROM pg_namespace AS n WHERE n.oid = m.objid)
           END AS acl
      FROM priv_member AS m;

-- The kinds of objects that there are: one that is new here needs a line above.
SELECT DISTINCT type FROM priv_member ORDER BY type;
-- Nothing to PUBLIC.  Array types have the rights of their elements, row types
-- (members since 17) say nothing that their table does not.
SELECT a.type, a.identity, x.privilege_type
  FROM priv_acl AS a, aclexplode(a.acl) AS x
 WHERE x.grantee = 0 AND a.identity NOT LIKE '%[]'
   AND NOT (a.type = 'type' AND to_regclass(a.identity) IS NOT NULL AND a.identity <> 'dfsmr.task')
 ORDER BY 1, 2, 3;
-- Everything is explained.
SELECT m.type, m.identity
  FROM priv_member AS m
 WHERE obj_description(m.objid, m.classid::regclass::name) IS NULL
   AND m.identity NOT LIKE '%[]'
   AND NOT EXISTS (SELECT FROM pg_type AS t JOIN pg_class AS c ON c.oid = t.typrelid
                    WHERE t.oid = m.objid AND c.relkind <> 'c')
 ORDER BY 1, 2;
-- Functions that only look may run beside parallel workers, those that write may
-- not; none runs as its owner.
SELECT p.oid::regprocedure, p.provolatile, p.proparallel, p.prosecdef
  FROM pg_proc AS p JOIN priv_member AS m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
 WHERE p.prosecdef OR (p.provolatile <> 'v' AND p.proparallel = 'u') OR (p.provolatile = 'v' AND p.proparallel = 's')
 ORDER BY p.oid::regprocedure::text;
-- Views do not let a function look past what they hide.
SELECT c.oid::regclass, c.reloptions
  FROM pg_class AS c JOIN priv_member AS m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
 WHERE c.relkind = 'v' AND NOT COALESCE(c.reloptions @> ARRAY['security_barrier=true'], false)
   AND NOT COALESCE(c.reloptions @> ARRAY['security_barrier=on'], false);

-- ---------------------------------------------------------------- machines and roles

SELECT machine, version FROM dfsmr.define('{id: priv_a, breaker: {}, nodes: {todo: {start: true, transitions: {ok: done}}, done: {final: true}}}');
SELECT machine, version FROM dfsmr.define('{id: priv_b, breaker: {}, nodes: {todo: {start: true, transitions: {ok: done}}, done: {final: true}}}');
CREATE ROLE regress_priv_nobody;
CREATE ROLE regress_priv_reader;
CREATE ROLE regress_priv_signaler;
CREATE ROLE "regress_priv Worker";
CREATE ROLE regress_priv_starter;
CREATE ROLE regress_priv_admin;
CREATE ROLE regress_priv_chief;
SELECT dfsmr.grant_read('regress_priv_reader', 'priv_a');
SELECT dfsmr.grant_signal('regress_priv_signaler', 'priv_a');
SELECT dfsmr.grant_work('regress_priv Worker', 'priv_a');
SELECT dfsmr.grant_start('regress_priv_starter', 'priv_a');
SELECT dfsmr.grant_admin('regress_priv_admin', 'priv_a');
SELECT dfsmr.grant_admin('regress_priv_chief');

-- What each of them may call and look at.
CREATE TEMP VIEW priv_allowed AS
    SELECT r.rolname, m.classid = 'pg_class'::regclass AS view,
           substring(m.identity FROM '^dfsmr\.(\w+)') AS name,
           CASE WHEN m.classid = 'pg_class'::regclass
                THEN has_table_privilege(r.oid, m.objid, 'SELECT')
                ELSE has_function_privilege(r.oid, m.objid, 'EXECUTE') END AS allowed
      FROM priv_member AS m, pg_roles AS r
     WHERE m.type IN ('function', 'procedure', 'view') AND r.rolname LIKE 'regress\_priv%';
SELECT name, CASE WHEN view THEN 'view' ELSE 'function' END AS kind,
       string_agg(substring(rolname FROM 'regress_priv.(\w+)'), ' ' ORDER BY rolname) AS allowed
  FROM priv_allowed WHERE allowed GROUP BY name, view ORDER BY view, name COLLATE "C";
-- Nobody may call these: the wall's own.
SELECT name FROM priv_allowed WHERE NOT allowed AND rolname = 'regress_priv_chief' ORDER BY name;
-- No one but the owner touches a table or a sequence.
SELECT r.rolname, m.identity
  FROM priv_member AS m, pg_roles AS r
 WHERE r.rolname LIKE 'regress\_priv%'
   AND CASE m.type WHEN 'table' THEN has_any_column_privilege(r.oid, m.objid, 'SELECT,INSERT,UPDATE,REFERENCES')
                                     OR has_table_privilege(r.oid, m.objid, 'DELETE,TRUNCATE,TRIGGER')
                   WHEN 'sequence' THEN has_sequence_privilege(r.oid, m.objid, 'USAGE,SELECT,UPDATE') END;

-- ---------------------------------------------------------------- reading

SET ROLE regress_priv_nobody;
SELECT dfsmr.may_read('priv_a');
SELECT * FROM dfsmr.machines;
SELECT * FROM dfsmr.validate('');
TABLE dfsmr.instance;
RESET ROLE;
-- Even when somebody has given SQL's half away by hand.
GRANT USAGE ON SCHEMA dfsmr TO regress_priv_nobody;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dfsmr TO regress_priv_nobody;
GRANT SELECT ON dfsmr.machines TO regress_priv_nobody;
SET ROLE regress_priv_nobody;
SELECT dfsmr.may_read('priv_a'), dfsmr.may_read(NULL);
SELECT * FROM dfsmr.machines;
SELECT dfsmr.definition('priv_a');
SELECT dfsmr.graph('priv_a');
SELECT dfsmr.define('{id: priv_c, nodes: {todo: {start: true, transitions: {ok: done}}, done: {final: true}}}');
SELECT dfsmr.define('{id: priv_a, nodes: {todo: {start: true, transitions: {ok: done}}, done: {final: true}}}');
SELECT dfsmr.grant_admin('regress_priv_nobody');
SELECT dfsmr.grant_read('regress_priv_nobody', 'priv_a');
SELECT dfsmr.revoke_read('regress_priv_reader');
RESET ROLE;
SET ROLE regress_priv_reader;
SELECT dfsmr.may_read('priv_a') AS a, dfsmr.may_read('priv_b') AS b, dfsmr.may_read('no such machine') AS none,
       dfsmr.may_read('') AS empty, dfsmr.may_read(NULL) AS all;
SELECT machine FROM dfsmr.machines WHERE machine LIKE 'priv%';
SELECT dfsmr.definition('priv_a') IS NOT NULL AS a;
SELECT dfsmr.definition('priv_b');
SELECT dfsmr.define('{id: priv_a, nodes: {todo: {start: true, transitions: {ok: done}}, done: {final: true}}}');
TABLE dfsmr.machine_version;
RESET ROLE;
-- Any privilege lets one read what it is for.
SET ROLE "regress_priv Worker";
SELECT machine FROM dfsmr.machines WHERE machine LIKE 'priv%';
SET ROLE regress_priv_signaler;
SELECT machine FROM dfsmr.machines WHERE machine LIKE 'priv%';
SET ROLE regress_priv_starter;
SELECT machine FROM dfsmr.machines WHERE machine LIKE 'priv%';
SET ROLE regress_priv_chief;
SELECT DISTINCT machine FROM dfsmr.machines WHERE machine LIKE 'priv%' ORDER BY 1;
SELECT dfsmr.may_read(NULL);
RESET ROLE;

-- A function of the reader's own does not see the rows that are hidden, however
-- cheap it claims to be.
CREATE FUNCTION priv_peek(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$
BEGIN RAISE NOTICE 'saw %', $1; RETURN true; END $$;
SET ROLE regress_priv_reader;
SELECT machine FROM dfsmr.machines WHERE priv_peek(machine);
RESET ROLE;

-- ---------------------------------------------------------------- running

-- Two instances of each machine, the second one claimed.
SELECT dfsmr.start('priv_a', id => '0000000a-0000-4000-8000-000000000000', key => 'ka') IS NOT NULL AS a,
       dfsmr.start('priv_b', id => '0000000b-0000-4000-8000-000000000000', key => 'kb') IS NOT NULL AS b,
       dfsmr.start('priv_a', id => '0000001a-0000-4000-8000-000000000000', priority => 9) IS NOT NULL AS a,
       dfsmr.start('priv_b', id => '0000001b-0000-4000-8000-000000000000', priority => 9) IS NOT NULL AS b;
SELECT instance FROM dfsmr.ready('boss', 'priv_a');
SELECT instance FROM dfsmr.ready('boss', 'priv_b');
\set a '\'0000000a-0000-4000-8000-000000000000\''
\set b '\'0000000b-0000-4000-8000-000000000000\''
\set claimed_b '\'0000001b-0000-4000-8000-000000000000\''

-- Nothing for those who have nothing, though they may call the functions.
\set VERBOSITY terse
GRANT SELECT ON ALL TABLES IN SCHEMA dfsmr TO regress_priv_nobody;
REVOKE SELECT ON dfsmr.instance, dfsmr.change, dfsmr.machine_version, dfsmr.pause, dfsmr.privilege, dfsmr.installation
    FROM regress_priv_nobody;
SET ROLE regress_priv_nobody;
SELECT dfsmr.start('priv_a');
SELECT * FROM dfsmr.ready('n');
SELECT * FROM dfsmr.ready('n', 'priv_a');
SELECT * FROM dfsmr.transition(:a, 'ok', visit => 1);
SELECT * FROM dfsmr.start_many('priv_a', '{"{}"}');
SELECT * FROM dfsmr.transition_many(ARRAY[:a]::uuid[], '{ok}', '{1}');
SELECT * FROM dfsmr.transition_and_ready('n', '{}', '{}');
SELECT * FROM dfsmr.transition_and_ready('n', ARRAY[:a]::uuid[], '{ok}', '{1}', machine => 'priv_a');
SELECT * FROM dfsmr.relinquish(:claimed_b, 1);
SELECT dfsmr.heartbeat(:claimed_b, 1);
SELECT * FROM dfsmr.signal('priv_a', 'ka', 'ok');
SELECT * FROM dfsmr.signal(NULL, NULL, 'ok', instance => :a);
SELECT dfsmr.abort(:a);
SELECT dfsmr.move(:a, 'done', 'because');
SELECT dfsmr.pause('priv_a');
SELECT dfsmr.resume('priv_a');
SELECT dfsmr.tick();
SELECT * FROM dfsmr.allowed(:a);
SELECT * FROM dfsmr.history(:a);
SELECT count(*) FROM dfsmr.instances;
SELECT count(*) FROM dfsmr.changes;
SELECT count(*) FROM dfsmr.changes_since(NULL, 10);
SELECT count(*) FROM dfsmr.stuck;
SELECT count(*) FROM dfsmr.board_leases();
SELECT count(*) FROM dfsmr.status WHERE machine IS NOT NULL;
SELECT count(*) FROM dfsmr.node_stats;
SELECT count(*) FROM dfsmr.breakers;
RESET ROLE;

-- A worker of one machine: nothing of another, and no more than work.
SET ROLE "regress_priv Worker";
SELECT instance FROM dfsmr.ready('w', 'priv_b');
SELECT instance, machine FROM dfsmr.ready('w', max => 10);
SELECT * FROM dfsmr.transition(:b, 'ok', visit => 1);
SELECT * FROM dfsmr.relinquish(:claimed_b, 1);
SELECT dfsmr.heartbeat(:claimed_b, 1);
SELECT * FROM dfsmr.allowed(:b);
SELECT * FROM dfsmr.history(:b);
SELECT machine, state, client FROM dfsmr.instances WHERE machine LIKE 'priv%' ORDER BY instance;
SELECT DISTINCT machine FROM dfsmr.changes;
SELECT count(*) AS others FROM dfsmr.changes_since(NULL, 1000) WHERE machine <> 'priv_a';
SELECT client FROM dfsmr.board_leases() ORDER BY 1;
SELECT count(*) AS others FROM dfsmr.status WHERE machine <> 'priv_a';
SELECT DISTINCT machine FROM dfsmr.node_stats;
SELECT machine FROM dfsmr.breakers;
SELECT dfsmr.heartbeat(:a, 1) > now() AS beats;
SELECT dfsmr.start('priv_a');
SELECT * FROM dfsmr.start_many('priv_a', '{"{}"}');
SELECT * FROM dfsmr.signal('priv_a', 'ka', 'ok');
SELECT dfsmr.abort(:a);
-- In a batch each item is judged by its own machine.
SELECT item, outcome, sqlstate, message, detail FROM dfsmr.transition_many(ARRAY[:b, :a]::uuid[], '{ok,ok}');
SELECT item, outcome, machine FROM dfsmr.transition_and_ready('w', ARRAY[:b]::uuid[], '{ok}', '{1}');
-- The visit is what a worker has to show.
SELECT * FROM dfsmr.transition(:a, 'ok');
SELECT node, visit FROM dfsmr.transition(:a, 'ok', visit => 1, client => 'w');
-- A function of the worker's own may take tasks, one of somebody else's not.
CREATE FUNCTION pg_temp.priv_task(dfsmr.task) RETURNS text LANGUAGE sql AS 'SELECT $1.node';
SET ROLE regress_priv_starter;
CREATE FUNCTION pg_temp.priv_task_2(dfsmr.task) RETURNS text LANGUAGE sql AS 'SELECT $1.node';
SELECT dfsmr.start('priv_a', id => '0000002a-0000-4000-8000-000000000000', key => 'by the starter') IS NOT NULL AS started;
SELECT dfsmr.start('priv_b');
SELECT * FROM dfsmr.start_many('priv_b', '{"{}"}');
SELECT item, outcome FROM dfsmr.start_many('priv_a', '{}');
SELECT * FROM dfsmr.ready('s', 'priv_a');
SET ROLE regress_priv_signaler;
SELECT * FROM dfsmr.signal('priv_b', 'kb', 'ok');
SELECT * FROM dfsmr.signal(NULL, NULL, 'ok', instance => :b);
SELECT * FROM dfsmr.signal('priv_a', 'by the starter', 'ok');
SET ROLE regress_priv_admin;
SELECT dfsmr.pause('priv_a'), dfsmr.resume('priv_a');
SELECT dfsmr.pause('priv_b');
SELECT dfsmr.abort(:b);
SELECT dfsmr.move(:b, 'done', 'because');
SELECT dfsmr.tick();
SELECT node FROM dfsmr.transition((SELECT instance FROM dfsmr.instances WHERE key = 'by the starter'), 'ok');
SET ROLE regress_priv_chief;
SELECT dfsmr.abort(:b), dfsmr.abort(:claimed_b);
RESET ROLE;
-- A definer's function works for those who may call it, as its owner.
CREATE FUNCTION priv_start_b() RETURNS uuid LANGUAGE sql SECURITY DEFINER AS $$ SELECT dfsmr.start('priv_b', key => 'definer') $$;
ALTER FUNCTION priv_start_b() OWNER TO regress_priv_chief;
SET ROLE regress_priv_nobody;
SELECT priv_start_b() IS NOT NULL AS started;
RESET ROLE;
SELECT role, machine, key, kind FROM dfsmr.changes WHERE key IN ('definer', 'by the starter') ORDER BY seq;
\set VERBOSITY default
SELECT count(dfsmr.abort(instance)) AS ended FROM dfsmr.instances WHERE machine LIKE 'priv%' AND state <> 'finished';

-- ---------------------------------------------------------------- admins

-- An admin of one machine: that machine only, and no new admins.
SET ROLE regress_priv_admin;
SELECT version, created FROM dfsmr.define('{id: priv_a, nodes: {todo: {start: true, transitions: {ok: done, no: done}}, done: {final: true}}}');
SELECT version, created FROM dfsmr.define('{id: priv_b, nodes: {todo: {start: true, transitions: {ok: done, no: done}}, done: {final: true}}}');
SELECT version, created FROM dfsmr.define('{id: priv_c, nodes: {todo: {start: true, transitions: {ok: done, no: done}}, done: {final: true}}}');
SELECT dfsmr.grant_work('regress_priv_reader', 'priv_a');
SELECT dfsmr.grant_work('regress_priv_reader', 'priv_b');
SELECT dfsmr.grant_work('regress_priv_reader');
SELECT dfsmr.grant_admin('regress_priv_reader', 'priv_a');
SELECT dfsmr.revoke_admin('regress_priv_admin', 'priv_a');
SELECT dfsmr.revoke_work('regress_priv_reader');
SELECT dfsmr.revoke_work('regress_priv_reader', 'priv_a');
RESET ROLE;
SET ROLE regress_priv_chief;
SELECT dfsmr.grant_admin('regress_priv_reader', 'priv_b');
SET ROLE regress_priv_reader;
SELECT machine FROM dfsmr.machines WHERE machine LIKE 'priv%' AND current ORDER BY 1;
SET ROLE regress_priv_chief;
SELECT dfsmr.revoke_admin('regress_priv_reader', 'priv_b');
RESET ROLE;

-- ---------------------------------------------------------------- errors

SELECT dfsmr.grant_work('regress_priv_no_such_role', 'priv_a');
\echo :LAST_ERROR_SQLSTATE
SELECT dfsmr.grant_work('public', 'priv_a');
SELECT dfsmr.grant_work('regress_priv_reader', 'no such machine');
\echo :LAST_ERROR_SQLSTATE
SELECT dfsmr.grant_work('regress_priv_reader', '');
SELECT dfsmr.grant_work(NULL, 'priv_a');
\echo :LAST_ERROR_SQLSTATE
SELECT dfsmr.grant_work(repeat('x', 100), 'priv_a');
SELECT dfsmr.revoke_work('regress_priv_no_such_role', 'priv_a');
SELECT dfsmr.revoke_work('regress_priv_reader', 'no such machine');
SELECT dfsmr.grant_work('regress_priv_reader"; DROP TABLE dfsmr.instance; --', 'priv_a');
BEGIN READ ONLY;
SELECT dfsmr.grant_work('regress_priv_reader', 'priv_a');
ROLLBACK;
-- The search_path of the caller is none of their business.
CREATE SCHEMA priv_fake;
CREATE FUNCTION priv_fake.string_agg(text, text) RETURNS text LANGUAGE sql AS $$ SELECT 'pg_sleep(double precision)' $$;
CREATE FUNCTION priv_fake.equal(oid, oid) RETURNS boolean LANGUAGE sql AS $$ SELECT 1 / 0 = 1 $$;
CREATE OPERATOR priv_fake.= (FUNCTION = priv_fake.equal, LEFTARG = oid, RIGHTARG = oid);
SET search_path = priv_fake, pg_catalog;
SELECT dfsmr.grant_work('regress_priv_nobody', 'priv_a');
SELECT dfsmr.revoke_work('regress_priv_nobody', 'priv_a');
RESET search_path;
\set VERBOSITY terse
DROP SCHEMA priv_fake CASCADE;
\set VERBOSITY default

-- ---------------------------------------------------------------- giving and taking

-- Twice is no error, and neither is taking what is not there.
SELECT dfsmr.grant_work('regress_priv_reader', 'priv_a'), dfsmr.grant_work('regress_priv_reader', 'priv_a');
SELECT dfsmr.revoke_signal('regress_priv_reader', 'priv_a');
-- SQL's half stays as long as a row of the role needs it.
CREATE TEMP VIEW priv_state AS
    SELECT r.rolname,
           (SELECT string_agg(p.machine || ':' || p.privilege, ' ' ORDER BY p.machine, p.privilege)
              FROM dfsmr.privilege AS p WHERE p.role = r.oid) AS rows,
           has_schema_privilege(r.oid, 'dfsmr', 'USAGE') AS usage,
           has_function_privilege(r.oid, 'dfsmr.may_read(text)', 'EXECUTE') AS read,
           has_function_privilege(r.oid, 'dfsmr.define(text,boolean,integer)', 'EXECUTE') AS define
      FROM pg_roles AS r WHERE r.rolname = 'regress_priv_reader';
SELECT dfsmr.grant_admin('regress_priv_reader', 'priv_b');
TABLE priv_state;
SELECT dfsmr.revoke_read('regress_priv_reader', 'priv_a');
TABLE priv_state;
SELECT dfsmr.revoke_admin('regress_priv_reader');
TABLE priv_state;
SELECT dfsmr.grant_work('regress_priv_reader', 'priv_b'), dfsmr.grant_work('regress_priv_reader');
-- Without a machine: wherever the role has it.
SELECT dfsmr.revoke_work('regress_priv_reader');
TABLE priv_state;
-- Rolled back is not given, also for the session that saw it.
BEGIN;
SELECT dfsmr.grant_read('regress_priv_reader', 'priv_a');
SAVEPOINT s;
SELECT dfsmr.grant_admin('regress_priv_reader', 'priv_b');
SET LOCAL ROLE regress_priv_reader;
SELECT dfsmr.may_read('priv_a') AS a, dfsmr.may_read('priv_b') AS b;
ROLLBACK TO s;
SET LOCAL ROLE regress_priv_reader;
SELECT dfsmr.may_read('priv_a') AS a, dfsmr.may_read('priv_b') AS b;
ROLLBACK;
TABLE priv_state;

-- ---------------------------------------------------------------- whose rights

SELECT dfsmr.grant_read('regress_priv_reader', 'priv_a');
-- Members inherit, unless they are told not to.
CREATE ROLE regress_priv_heir IN ROLE regress_priv_reader;
CREATE ROLE regress_priv_stepchild NOINHERIT IN ROLE regress_priv_reader;
GRANT USAGE ON SCHEMA dfsmr TO regress_priv_stepchild;
GRANT EXECUTE ON FUNCTION dfsmr.may_read(text) TO regress_priv_stepchild;
SET ROLE regress_priv_heir;
SELECT dfsmr.may_read('priv_a') AS a, dfsmr.may_read('priv_b') AS b;
SET ROLE regress_priv_stepchild;
SELECT dfsmr.may_read('priv_a') AS a, dfsmr.may_read('priv_b') AS b;
RESET ROLE;
-- Membership, and what is granted to the parent, counts from when it changes.
SELECT dfsmr.grant_read('regress_priv_reader', 'priv_b');
SET ROLE regress_priv_heir;
SELECT dfsmr.may_read('priv_a') AS a, dfsmr.may_read('priv_b') AS b;
RESET ROLE;
REVOKE regress_priv_reader FROM regress_priv_heir;
GRANT USAGE ON SCHEMA dfsmr TO regress_priv_heir;
GRANT EXECUTE ON FUNCTION dfsmr.may_read(text) TO regress_priv_heir;
SET ROLE regress_priv_heir;
SELECT dfsmr.may_read('priv_a') AS a, dfsmr.may_read('priv_b') AS b;
RESET ROLE;
-- A superuser may all, but not after SET ROLE; a role made superuser may.
SELECT dfsmr.may_read('priv_a') AS a, dfsmr.may_read(NULL) AS all;
ALTER ROLE regress_priv_heir SUPERUSER;
SET ROLE regress_priv_heir;
SELECT dfsmr.may_read(NULL) AS all;
RESET ROLE;
ALTER ROLE regress_priv_heir NOSUPERUSER;
SET ROLE regress_priv_heir;
SELECT dfsmr.may_read(NULL) AS all;
RESET ROLE;
-- A SECURITY DEFINER function acts as its owner, whoever calls it ...
CREATE FUNCTION priv_definer() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$
    SELECT current_user || ' ' || dfsmr.may_read('priv_a') || ' ' || dfsmr.may_read('priv_b')
$$;
ALTER FUNCTION priv_definer() OWNER TO regress_priv_reader;
SELECT dfsmr.revoke_read('regress_priv_reader', 'priv_b');
GRANT USAGE ON SCHEMA dfsmr TO regress_priv_nobody;
GRANT EXECUTE ON FUNCTION dfsmr.may_read(text) TO regress_priv_nobody;
SET ROLE regress_priv_nobody;
SELECT priv_definer(), dfsmr.may_read('priv_a') AS self;
RESET ROLE;
-- ... and a superuser in it is no superuser.
SELECT priv_definer(), dfsmr.may_read('priv_b') AS self;
-- Index functions run as the table's owner when a superuser maintains it.
CREATE TABLE priv_trap (machine text);
CREATE FUNCTION priv_trap_index(machine text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN RETURN machine || dfsmr.may_read(machine); END $$;
ALTER TABLE priv_trap OWNER TO regress_priv_nobody;
INSERT INTO priv_trap VALUES ('priv_b');
CREATE INDEX ON priv_trap (priv_trap_index(machine));
REINDEX TABLE priv_trap;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT count(*) AS had_no_right FROM priv_trap WHERE priv_trap_index(machine) = 'priv_bfalse';
RESET enable_seqscan;
RESET enable_bitmapscan;
DROP TABLE priv_trap;
DROP FUNCTION priv_trap_index;

-- A role that is renamed keeps what it has; one that is dropped and made again
-- has nothing, and a grant clears away what the dropped one had.  Any grant or
-- revoke takes note of new names, for dumps.
ALTER ROLE regress_priv_starter RENAME TO regress_priv_beginner;
SET ROLE regress_priv_beginner;
SELECT dfsmr.may_read('priv_a') AS a;
RESET ROLE;
SELECT dfsmr.revoke_admin('regress_priv_heir');
SELECT role_name, machine, privilege FROM dfsmr.privilege WHERE role_name IN ('regress_priv_starter', 'regress_priv_beginner') ORDER BY 1, 2;
SELECT dfsmr.grant_start('regress_priv_beginner', 'priv_b');
SELECT role_name, machine, privilege FROM dfsmr.privilege WHERE role_name IN ('regress_priv_starter', 'regress_priv_beginner') ORDER BY 1, 2;
\set VERBOSITY terse
DROP ROLE regress_priv_beginner;
\set VERBOSITY default
DROP OWNED BY regress_priv_beginner;
DROP ROLE regress_priv_beginner;
CREATE ROLE regress_priv_beginner;
GRANT USAGE ON SCHEMA dfsmr TO regress_priv_beginner;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dfsmr TO regress_priv_beginner;
SET ROLE regress_priv_beginner;
SELECT dfsmr.may_read('priv_a') AS a, dfsmr.may_read('priv_b') AS b;
RESET ROLE;
SELECT dfsmr.grant_read('regress_priv_beginner', 'priv_b');
SELECT role_name, machine, privilege FROM dfsmr.privilege WHERE role_name IN ('regress_priv_starter', 'regress_priv_beginner') ORDER BY 1, 2;

-- Nor does such a function see instances that are hidden, unfinished or finished.
SELECT dfsmr.start('priv_a', '{"secret": "a1"}', key => 'peek') IS NOT NULL AS a,
       dfsmr.start('priv_b', '{"secret": "b1"}', key => 'peek') IS NOT NULL AS b,
       dfsmr.abort(dfsmr.start('priv_a', '{"secret": "a2"}')) IS NOT NULL AS a,
       dfsmr.abort(dfsmr.start('priv_b', '{"secret": "b2"}')) IS NOT NULL AS b;
GRANT EXECUTE ON FUNCTION priv_peek(text) TO regress_priv_reader;
SET ROLE regress_priv_reader;
SELECT i.machine, i.state FROM dfsmr.instances AS i WHERE priv_peek(i.machine) AND i.params ? 'secret' ORDER BY 2;
RESET ROLE;

-- ---------------------------------------------------------------- leave nothing behind

DROP FUNCTION priv_definer(), priv_peek(text), priv_start_b();
DROP OWNED BY regress_priv_nobody, regress_priv_reader, regress_priv_signaler, "regress_priv Worker",
    regress_priv_beginner, regress_priv_admin, regress_priv_chief, regress_priv_heir, regress_priv_stepchild;
DROP ROLE regress_priv_nobody, regress_priv_reader, regress_priv_signaler, "regress_priv Worker",
    regress_priv_beginner, regress_priv_admin, regress_priv_chief, regress_priv_heir, regress_priv_stepchild;
