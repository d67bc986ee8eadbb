-- enforce(): a machine holds on a column of a user's own table.
-- Proves: every option, every legal and illegal step with what the message
-- says is allowed, every mistake in the trigger's definition, that changes of
-- table and machine take effect in a running session, and that whoever may
-- write the table needs nothing in dfsmr.
\set SHOW_CONTEXT never

SELECT version, created FROM dfsmr.define($$
id: enforce_order
nodes:
  new:      {start: true, transitions: {pay: paid, cancel: canceled}}
  paid:     {transitions: {ship: shipped, send: shipped, refund: canceled, recheck: paid}}
  shipped:  {final: true}
  canceled: {final: true, outcome: failure}
$$);

CREATE TABLE enforce_orders (id int PRIMARY KEY, note text, state text DEFAULT 'new');
CREATE TRIGGER enforce_state BEFORE INSERT OR UPDATE ON enforce_orders
    FOR EACH ROW EXECUTE FUNCTION dfsmr.enforce('enforce_order', 'state');

-- INSERT: at the start node and nowhere else.
INSERT INTO enforce_orders VALUES (1);
INSERT INTO enforce_orders VALUES (2, 'two', 'new');
INSERT INTO enforce_orders VALUES (3, NULL, 'paid');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO enforce_orders VALUES (3, NULL, 'lost');
INSERT INTO enforce_orders VALUES (3, NULL, 'New');
INSERT INTO enforce_orders VALUES (3, NULL, '');
INSERT INTO enforce_orders VALUES (3, NULL, NULL);
\echo :LAST_ERROR_SQLSTATE
COPY enforce_orders FROM stdin;
3	copied	paid
\.
INSERT INTO enforce_orders VALUES (1, 'again', 'new') ON CONFLICT (id) DO UPDATE SET note = 'upserted';

-- UPDATE: along an edge, whatever its name.
UPDATE enforce_orders SET state = 'shipped' WHERE id = 1;
\echo :LAST_ERROR_SQLSTATE
UPDATE enforce_orders SET state = 'paid' WHERE id = 1;
UPDATE enforce_orders SET state = 'new' WHERE id = 1;
UPDATE enforce_orders SET state = 'nonsense' WHERE id = 1;
UPDATE enforce_orders SET state = NULL WHERE id = 1;
UPDATE enforce_orders SET state = repeat('x', 1000000) WHERE id = 1;
UPDATE enforce_orders SET state = 'shipped', note = 'on its way' WHERE id = 1;
UPDATE enforce_orders SET state = 'new' WHERE id = 1;
-- One bad row and nothing of the statement is done.
INSERT INTO enforce_orders VALUES (4), (5);
UPDATE enforce_orders SET state = 'paid' WHERE id IN (1, 4, 5);
-- The column is left alone, with or without an edge back to the node.
UPDATE enforce_orders SET note = 'seen';
UPDATE enforce_orders SET state = state, note = 'seen again';
-- A subtransaction keeps what was before it.
BEGIN;
UPDATE enforce_orders SET state = 'paid' WHERE id = 4;
SAVEPOINT s;
UPDATE enforce_orders SET state = 'new' WHERE id = 4;
ROLLBACK TO s;
UPDATE enforce_orders SET state = 'shipped' WHERE id = 4;
COMMIT;
SELECT * FROM enforce_orders ORDER BY id;

-- What a program gets: relation, column's trigger as constraint.
DO $$
DECLARE
    state text; relation text; "constraint" text; detail text; hint text;
BEGIN
    UPDATE enforce_orders SET state = 'new' WHERE id = 4;
EXCEPTION WHEN check_violation THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, relation = TABLE_NAME,
        "constraint" = CONSTRAINT_NAME, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RAISE NOTICE '% % % | % | %', state, relation, "constraint", detail, hint;
END
$$;

-- A new version judges from its commit on, in the session that has the old one
-- in its cache too; a pinned trigger stays with its own.
CREATE TABLE enforce_pinned (id int, state varchar(20));
CREATE TRIGGER enforce_state BEFORE INSERT OR UPDATE ON enforce_pinned
    FOR EACH ROW EXECUTE FUNCTION dfsmr.enforce('enforce_order', 'state', 'version=1');
INSERT INTO enforce_pinned VALUES (1, 'new');
INSERT INTO enforce_orders VALUES (6);
UPDATE enforce_orders SET state = 'lost' WHERE id = 6;
BEGIN;
SELECT version, created FROM dfsmr.define($$
id: enforce_order
nodes:
  new:      {start: true, transitions: {pay: paid, cancel: canceled, lose: lost}}
  paid:     {transitions: {ship: shipped}}
  lost:     {transitions: {find: new}}
  shipped:  {final: true}
  canceled: {final: true, outcome: failure}
$$);
UPDATE enforce_orders SET state = 'lost' WHERE id = 6;
ROLLBACK;
UPDATE enforce_orders SET state = 'lost' WHERE id = 6;
SELECT version, created FROM dfsmr.define($$
id: enforce_order
nodes:
  new:      {start: true, transitions: {pay: paid, cancel: canceled, lose: lost}}
  paid:     {transitions: {ship: shipped}}
  lost:     {transitions: {find: new}}
  shipped:  {final: true}
  canceled: {final: true, outcome: failure}
$$);
UPDATE enforce_orders SET state = 'lost' WHERE id = 6;
UPDATE enforce_orders SET state = 'paid' WHERE id = 6;
UPDATE enforce_pinned SET state = 'lost';
UPDATE enforce_pinned SET state = 'paid';
SELECT * FROM enforce_pinned;

-- A table that exists and has bad rows.
CREATE TABLE enforce_legacy (id int, state text);
INSERT INTO enforce_legacy
    SELECT i, CASE WHEN i <= 3 THEN 'NEW' WHEN i <= 5 THEN NULL WHEN i = 6 THEN repeat('long', 50) ELSE 'paid' END
    FROM generate_series(1, 9) AS i;
SELECT left(value, 10) AS value, rows FROM dfsmr.enforce_report('enforce_legacy', 'state', 'enforce_order');
CREATE TRIGGER enforce_state BEFORE INSERT OR UPDATE ON enforce_legacy
    FOR EACH ROW EXECUTE FUNCTION dfsmr.enforce('enforce_order', 'state', 'insert=any');
INSERT INTO enforce_legacy VALUES (10, 'shipped');
INSERT INTO enforce_legacy VALUES (11, 'sunk');
UPDATE enforce_legacy SET id = id;
UPDATE enforce_legacy SET state = 'new' WHERE id = 1;
UPDATE enforce_legacy SET state = 'new' WHERE id = 4;
UPDATE enforce_legacy SET state = 'new' WHERE id = 6;
DROP TRIGGER enforce_state ON enforce_legacy;
CREATE TRIGGER enforce_state BEFORE INSERT OR UPDATE ON enforce_legacy
    FOR EACH ROW EXECUTE FUNCTION dfsmr.enforce('enforce_order', 'state', 'from_unknown=repair', 'insert=start');
UPDATE enforce_legacy SET state = 'shipped' WHERE id IN (1, 2, 3);
UPDATE enforce_legacy SET state = 'new' WHERE id IN (4, 5, 6);
UPDATE enforce_legacy SET state = 'sunk' WHERE id = 4;
INSERT INTO enforce_legacy VALUES (12, 'shipped');
SELECT * FROM dfsmr.enforce_report('enforce_legacy', 'state', 'enforce_order');

-- Types: domains over text, name, character(n), enums.
CREATE TYPE enforce_mood AS ENUM ('paid', 'new', 'shipped', 'elsewhere');
CREATE DOMAIN enforce_domain AS enforce_mood;
CREATE TABLE enforce_types (d enforce_domain, c char(70), n name);
CREATE TRIGGER enforce_d BEFORE INSERT OR UPDATE ON enforce_types
    FOR EACH ROW EXECUTE FUNCTION dfsmr.enforce('enforce_order', 'd');
CREATE TRIGGER enforce_c BEFORE INSERT OR UPDATE ON enforce_types
    FOR EACH ROW EXECUTE FUNCTION dfsmr.enforce('enforce_order', 'c');
CREATE TRIGGER enforce_n BEFORE INSERT OR UPDATE ON enforce_types
    FOR EACH ROW EXECUTE FUNCTION dfsmr.enforce('enforce_order', 'n');
INSERT INTO enforce_types VALUES ('new', 'new', 'new');
UPDATE enforce_types SET d = 'shipped';
UPDATE enforce_types SET c = 'shipped';
UPDATE enforce_types SET n = 'shipped';
UPDATE enforce_types SET d = 'elsewhere';
UPDATE enforce_types SET d = 'paid', c = 'paid', n = 'paid';
-- A label by another name is another node.
ALTER TYPE enforce_mood RENAME VALUE 'shipped' TO 'canceled';
UPDATE enforce_types SET d = 'canceled';
ALTER TYPE enforce_mood RENAME VALUE 'canceled' TO 'shipped';
UPDATE enforce_types SET d = 'shipped';
SELECT d, c::text, n FROM enforce_types;
SELECT * FROM dfsmr.enforce_report('enforce_types', 'd', 'enforce_order');
SELECT * FROM dfsmr.enforce_report('enforce_types', 'c', 'enforce_order');

-- Changes of the table take effect in a running session.
ALTER TABLE enforce_orders ADD COLUMN extra int DEFAULT 7;
ALTER TABLE enforce_orders DROP COLUMN note;
UPDATE enforce_orders SET state = 'paid' WHERE id = 2;
UPDATE enforce_orders SET state = 'new' WHERE id = 2;
ALTER TABLE enforce_orders RENAME COLUMN state TO status;
UPDATE enforce_orders SET extra = 8 WHERE id = 2;
\echo :LAST_ERROR_SQLSTATE
ALTER TABLE enforce_orders RENAME COLUMN extra TO state;
UPDATE enforce_orders SET state = 8 WHERE id = 2;
\echo :LAST_ERROR_SQLSTATE
ALTER TABLE enforce_orders DROP COLUMN state;
ALTER TABLE enforce_orders RENAME COLUMN status TO state;
UPDATE enforce_orders SET state = 'new' WHERE id = 2;
UPDATE enforce_orders SET state = 'shipped' WHERE id = 2;
ALTER TABLE enforce_orders ALTER COLUMN state TYPE varchar(30);
UPDATE enforce_orders SET state = 'new' WHERE id = 2;

-- Partitions have their columns in any order.
CREATE TABLE enforce_parts (region text, state text, id int) PARTITION BY LIST (region);
CREATE TABLE enforce_parts_north PARTITION OF enforce_parts FOR VALUES IN ('north');
CREATE TABLE enforce_parts_south (id int, gone int, state text, region text);
ALTER TABLE enforce_parts_south DROP COLUMN gone;
ALTER TABLE enforce_parts ATTACH PARTITION enforce_parts_south FOR VALUES IN ('south');
CREATE TRIGGER enforce_state BEFORE INSERT OR UPDATE ON enforce_parts
    FOR EACH ROW EXECUTE FUNCTION dfsmr.enforce('enforce_order', 'state');
INSERT INTO enforce_parts VALUES ('north', 'new', 1), ('south', 'new', 2);
INSERT INTO enforce_parts VALUES ('south', 'paid', 3);
UPDATE enforce_parts SET state = 'paid';
UPDATE enforce_parts SET state = 'new';
-- A row that moves to another partition is no new row ...
UPDATE enforce_parts SET region = 'south' WHERE id = 1;
UPDATE enforce_parts SET region = 'north', state = 'shipped';
UPDATE enforce_parts SET region = 'south', state = 'new' WHERE id = 1;
-- ... but a new row beside one that moves, or stays, is.
WITH moved AS (UPDATE enforce_parts SET region = 'south' WHERE id = 1 RETURNING state)
    INSERT INTO enforce_parts SELECT 'north', state, 4 FROM moved;
WITH stayed AS (UPDATE enforce_parts SET id = 1 WHERE id = 1 RETURNING state)
    INSERT INTO enforce_parts SELECT 'north', state, 4 FROM stayed;
BEGIN;
UPDATE enforce_parts SET region = 'south' WHERE id = 1;
INSERT INTO enforce_parts VALUES ('south', 'shipped', 4);
ROLLBACK;
INSERT INTO enforce_parts VALUES ('south', 'shipped', 4);
SELECT * FROM enforce_parts ORDER BY id;

-- Mistakes in the trigger's definition show when it first runs.
CREATE TABLE enforce_wrong (id int, state text, twice text GENERATED ALWAYS AS (state || state) STORED);
CREATE FUNCTION enforce_try(arguments text, timing text DEFAULT 'BEFORE INSERT OR UPDATE', level text DEFAULT 'ROW')
    RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER enforce_state %s ON enforce_wrong FOR EACH %s EXECUTE FUNCTION dfsmr.enforce(%s)',
                   timing, level, arguments);
    INSERT INTO enforce_wrong VALUES (1, 'new');
    UPDATE enforce_wrong SET id = 2;
    DELETE FROM enforce_wrong;
    TRUNCATE enforce_wrong;
    RAISE NOTICE 'nothing happened';
END
$$;
SELECT enforce_try($$$$);
SELECT enforce_try($$'enforce_order'$$);
SELECT enforce_try($$'no_such_machine', 'state'$$);
\echo :LAST_ERROR_SQLSTATE
SELECT enforce_try(quote_literal(repeat('x', 1000)) || $$, 'state'$$);
SELECT enforce_try($$'enforce_order', 'no_such_column'$$);
SELECT enforce_try($$'enforce_order', $$ || quote_literal(repeat('x', 1000)));
SELECT enforce_try($$'enforce_order', 'ctid'$$);
SELECT enforce_try($$'enforce_order', 'id'$$);
SELECT enforce_try($$'enforce_order', 'twice'$$);
SELECT enforce_try($$'enforce_order', 'state', 'insert=some'$$);
SELECT enforce_try($$'enforce_order', 'state', 'insert='$$);
SELECT enforce_try($$'enforce_order', 'state', 'from_unknown=maybe'$$);
SELECT enforce_try($$'enforce_order', 'state', 'version=0'$$);
SELECT enforce_try($$'enforce_order', 'state', 'version=-1'$$);
SELECT enforce_try($$'enforce_order', 'state', 'version=99999999999999999999'$$);
SELECT enforce_try($$'enforce_order', 'state', 'version=1x'$$);
SELECT enforce_try($$'enforce_order', 'state', 'version=77'$$);
\echo :LAST_ERROR_SQLSTATE
SELECT enforce_try($$'enforce_order', 'state', 'upsert=any'$$);
SELECT enforce_try($$'enforce_order', 'state', ''$$);
SELECT enforce_try($$'enforce_order', 'state'$$, 'AFTER INSERT');
\echo :LAST_ERROR_SQLSTATE
SELECT enforce_try($$'enforce_order', 'state'$$, 'BEFORE DELETE');
SELECT enforce_try($$'enforce_order', 'state'$$, 'BEFORE INSERT', 'STATEMENT');
SELECT enforce_try($$'enforce_order', 'state'$$, 'BEFORE TRUNCATE', 'STATEMENT');
SELECT dfsmr.enforce();
-- ... and no mistake.
SELECT enforce_try($$'enforce_order', 'state', 'version=1', 'insert=any', 'from_unknown=refuse'$$);

-- Whoever may write the table needs nothing in dfsmr; binding a table to a
-- machine does.
CREATE ROLE regress_enforce_clerk;
GRANT SELECT, INSERT, UPDATE ON enforce_orders TO regress_enforce_clerk;
GRANT CREATE ON SCHEMA public TO regress_enforce_clerk;
SET ROLE regress_enforce_clerk;
INSERT INTO enforce_orders VALUES (20, 'new');
UPDATE enforce_orders SET state = 'paid' WHERE id = 20;
UPDATE enforce_orders SET state = 'new' WHERE id = 20;
SELECT * FROM dfsmr.enforce_report('enforce_orders', 'state', 'enforce_order');
CREATE TABLE enforce_own (state text);
CREATE TRIGGER enforce_state BEFORE INSERT OR UPDATE ON enforce_own
    FOR EACH ROW EXECUTE FUNCTION dfsmr.enforce('enforce_order', 'state');
RESET ROLE;
SELECT dfsmr.grant_read('regress_enforce_clerk', 'enforce_order');
SET ROLE regress_enforce_clerk;
CREATE TRIGGER enforce_state BEFORE INSERT OR UPDATE ON enforce_own
    FOR EACH ROW EXECUTE FUNCTION dfsmr.enforce('enforce_order', 'state');
INSERT INTO enforce_own VALUES ('paid');
SELECT * FROM dfsmr.enforce_report('enforce_orders', 'state', 'enforce_order');
SELECT * FROM dfsmr.enforce_report('enforce_legacy', 'state', 'enforce_order');
RESET ROLE;

-- The report's own errors.
SELECT * FROM dfsmr.enforce_report(NULL, 'state', 'enforce_order');
SELECT * FROM dfsmr.enforce_report('enforce_orders', NULL, 'enforce_order');
SELECT * FROM dfsmr.enforce_report('enforce_orders', 'state', NULL);
SELECT * FROM dfsmr.enforce_report('enforce_orders', 'state', 'no_such_machine');
SELECT * FROM dfsmr.enforce_report('enforce_orders', 'no_such_column', 'enforce_order');
SELECT * FROM dfsmr.enforce_report(0, 'state', 'enforce_order');
SELECT * FROM dfsmr.enforce_report('enforce_wrong', 'id', 'enforce_order');
-- It is not fooled by what the caller's search_path offers.
CREATE SCHEMA enforce_fake;
CREATE FUNCTION enforce_fake.never(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR enforce_fake.<> (FUNCTION = enforce_fake.never, LEFTARG = text, RIGHTARG = text);
CREATE TABLE "Enforce ""Odd""" ("Odd column" text);
INSERT INTO "Enforce ""Odd""" VALUES ('odd');
SET search_path = enforce_fake, pg_catalog, public;
SELECT * FROM dfsmr.enforce_report('"Enforce ""Odd"""', 'Odd column', 'enforce_order');
RESET search_path;

DROP SCHEMA enforce_fake CASCADE;
DROP TABLE "Enforce ""Odd""", enforce_own, enforce_orders, enforce_pinned, enforce_legacy, enforce_types,
    enforce_parts, enforce_wrong;
DROP FUNCTION enforce_try;
DROP DOMAIN enforce_domain;
DROP TYPE enforce_mood;
SELECT dfsmr.revoke_read('regress_enforce_clerk');
REVOKE CREATE ON SCHEMA public FROM regress_enforce_clerk;
DROP ROLE regress_enforce_clerk;
