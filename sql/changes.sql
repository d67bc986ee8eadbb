-- The changelog is complete, readable by whom it may be read, and can be
-- followed exactly: changes, history(), changes_since(), changes_cursor().

SET client_min_messages = warning;
SELECT dfsmr.changes_cursor() AS begin \gset

SELECT machine, version FROM dfsmr.define($$
id: chg
nodes:
  a: {start: true, transitions: {ok: b}}
  b: {await: signal, transitions: {back: a, ok: done}}
  done: {final: true}
$$);

-- Every change is a row; the columns say what happened.
SELECT dfsmr.start('chg', key => 'k1', data => '{"n": 1}') AS i \gset
SELECT node FROM dfsmr.transition(:'i', 'ok', '{"p": 1}', visit => 1, client => 'w1',
                                  data => '{"n": 2}', note => 'well');
SELECT node FROM dfsmr.signal('chg', 'k1', 'back', note => 'no');
SELECT node FROM dfsmr.transition(:'i', 'ok');
SELECT node FROM dfsmr.signal('chg', 'k1', 'ok');
SELECT kind, machine, version, key, visit, attempt, prev_node, transition, node, client,
       role = current_user AS mine, note, node_params, data, claimed_at,
       at BETWEEN now() - interval '1 minute' AND clock_timestamp() AS fresh
  FROM dfsmr.changes WHERE machine = 'chg' ORDER BY seq;

-- history() is the same for one instance, and sees what is not committed.
BEGIN;
SELECT dfsmr.start('chg', key => 'k2') AS i2 \gset
SELECT kind, key, visit, prev_node, transition, node FROM dfsmr.history(:'i2');
SELECT count(*) FROM dfsmr.changes WHERE key = 'k2';
ROLLBACK;
SELECT array_agg(h ORDER BY h.seq) = (SELECT array_agg(c ORDER BY c.seq) FROM dfsmr.changes AS c
                                       WHERE instance = :'i') AS same
  FROM dfsmr.history(:'i') AS h;
SELECT * FROM dfsmr.history(NULL);

-- changes_since(): page by page, each row with the cursor behind it.
SELECT kind, visit FROM dfsmr.changes_since(:'begin', 2);
SELECT cursor AS page FROM dfsmr.changes_since(:'begin', 2) OFFSET 1 \gset
SELECT kind, visit FROM dfsmr.changes_since(:'page', 3);
SELECT cursor AS page FROM dfsmr.changes_since(:'page', 3) OFFSET 2 \gset
SELECT kind, visit FROM dfsmr.changes_since(:'page', 3);
SELECT cursor AS finish FROM dfsmr.changes_since(:'page', 3) \gset
SELECT kind, visit FROM dfsmr.changes_since(:'finish');
-- Any cursor can be gone back to, in any order.
SELECT kind, visit FROM dfsmr.changes_since(:'page', 1);
SELECT count(*) FROM dfsmr.changes_since(:'begin');
-- NULL is the oldest: all of the view, each once.
SELECT count(*) = count(DISTINCT seq) AND count(*) = (SELECT count(*) FROM dfsmr.changes) AS all_of_it
  FROM dfsmr.changes_since(NULL, 1000000);

-- A cursor moves on when there is nothing behind it, and only then.
SELECT pg_current_xact_id() IS NOT NULL AS something_ended;
SELECT dfsmr.changes_cursor(:'finish') <> :'finish' AS moved;
SELECT dfsmr.start('chg', key => 'k3') IS NOT NULL AS started;
SELECT dfsmr.changes_cursor(:'finish') = :'finish' AS stayed;
SELECT kind, key FROM dfsmr.changes_since(:'finish');
SELECT dfsmr.changes_cursor() AS finish \gset
SELECT kind, key FROM dfsmr.changes_since(:'finish');

-- One's own changes come after the commit, those rolled back never.
BEGIN;
SELECT dfsmr.start('chg', key => 'own') IS NOT NULL AS started;
SAVEPOINT s;
SELECT dfsmr.start('chg', key => 'undone') IS NOT NULL AS started;
ROLLBACK TO s;
SELECT dfsmr.start('chg', key => 'own too') IS NOT NULL AS started;
SELECT kind, key FROM dfsmr.changes_since(:'finish');
SELECT dfsmr.changes_cursor() AS inside \gset
COMMIT;
SELECT kind, key FROM dfsmr.changes_since(:'finish');
SELECT kind, key FROM dfsmr.changes_since(:'inside');

-- It takes no predicate locks, and reads in a read-only transaction.
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY;
SELECT count(*) FROM dfsmr.changes_since(:'finish');
SELECT count(*) FROM pg_locks WHERE mode = 'SIReadLock' AND pid = pg_backend_pid()
   AND relation::regclass::text LIKE 'dfsmr.%';
COMMIT;

-- A window that is larger than what is sorted at a time, in one transaction
-- and in many, page by page: each once, and in the order of numbers.
SET work_mem = '64kB';
SELECT dfsmr.changes_cursor() AS finish \gset
SELECT count(dfsmr.start('chg', key => 'one ' || n)) FROM generate_series(1, 5000) AS n;
DO $$
BEGIN
	FOR n IN 1..200 LOOP
		PERFORM dfsmr.start('chg', key => 'many ' || n);
		COMMIT;
	END LOOP;
END
$$;
CREATE PROCEDURE chg_read(after text, max int, OUT rows int, OUT keys int, OUT ordered bool)
LANGUAGE plpgsql AS $$
DECLARE
	change record;
	last bigint := 0;
	found_one bool := true;
BEGIN
	CREATE TEMP TABLE chg_read_keys (key text);
	rows := 0;
	ordered := true;
	WHILE found_one LOOP
		found_one := false;
		FOR change IN SELECT * FROM dfsmr.changes_since(after, max) LOOP
			found_one := true;
			rows := rows + 1;
			ordered := ordered AND change.seq > last;
			last := change.seq;
			after := change.cursor;
			INSERT INTO chg_read_keys VALUES (change.key);
		END LOOP;
	END LOOP;
	SELECT count(DISTINCT key) INTO keys FROM chg_read_keys;
	DROP TABLE chg_read_keys;
END
$$;
CALL chg_read(:'finish', 7, NULL, NULL, NULL);
CALL chg_read(:'finish', 1000, NULL, NULL, NULL);
CALL chg_read(:'finish', 100000, NULL, NULL, NULL);
DROP PROCEDURE chg_read(text, int);
RESET work_mem;

-- Who may read only one machine sees its changes only, also by a function in
-- WHERE that looks at rows before they are filtered; and goes past the others'.
SELECT machine FROM dfsmr.define($$
id: chg_open
nodes:
  a: {start: true, transitions: {ok: done}}
  done: {final: true}
$$);
CREATE ROLE chg_reader;
SELECT dfsmr.grant_read('chg_reader', 'chg_open');
SELECT dfsmr.changes_cursor() AS finish \gset
SELECT dfsmr.start('chg', key => 'hidden') IS NOT NULL AS started;
SET ROLE chg_reader;
SELECT kind, machine FROM dfsmr.changes;
CREATE FUNCTION pg_temp.peep(machine text) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS $$
BEGIN
	RAISE NOTICE 'peeped at %', machine;
	RETURN true;
END
$$;
SET client_min_messages = notice;
SELECT count(*) FROM dfsmr.changes WHERE pg_temp.peep(machine);
SELECT kind, key FROM dfsmr.changes_since(:'finish');
SELECT kind, key FROM dfsmr.changes_since(:'finish');
SELECT dfsmr.changes_cursor(:'finish') <> :'finish' AS moved;
SELECT * FROM dfsmr.history(:'i');
RESET ROLE;
SELECT kind, key FROM dfsmr.changes_since(:'finish');
SELECT dfsmr.start('chg_open', key => 'shown') IS NOT NULL AS started;
SET ROLE chg_reader;
SELECT kind, key FROM dfsmr.changes_since(:'finish');
DROP FUNCTION pg_temp.peep(text);
RESET ROLE;
SELECT dfsmr.revoke_read('chg_reader');
DROP ROLE chg_reader;

-- What is no cursor, or has suffered on the way, is refused.
SELECT * FROM dfsmr.changes_since('17');
\set VERBOSITY sqlstate
SELECT * FROM dfsmr.changes_since('17');
SELECT * FROM dfsmr.changes_since('');
SELECT * FROM dfsmr.changes_since(left(:'finish', -1));
SELECT * FROM dfsmr.changes_since(:'finish' || '0');
SELECT * FROM dfsmr.changes_since(repeat('dfsmr1.', 100000));
SELECT dfsmr.changes_cursor('x');
SELECT * FROM dfsmr.changes_since(:'finish', 0);
SELECT * FROM dfsmr.changes_since(:'finish', -1);
SELECT * FROM dfsmr.changes_since(:'finish', NULL);
SELECT * FROM dfsmr.history('00000000-0000-0000-0000-000000000000');
SELECT * FROM dfsmr.history(:'i2');
