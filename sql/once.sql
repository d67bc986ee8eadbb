-- At most once: timeout 0, and delivery: at_most_once with a way out.
-- Proves: the claim is in the row before it is known; nobody else is offered the
-- task, whatever time passes; it is listed as stuck once its holder is not
-- believed to live; the holder or an operator decide; no claim in a transaction
-- block; on_timeout where the node has one.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS dfsmr CASCADE;
CREATE EXTENSION dfsmr;
SELECT machine, version FROM dfsmr.define($$
id: once
nodes:
  pay: {start: true, timeout: 0, transitions: {ok: mail, more: pay}}
  mail: {delivery: at_most_once, timeout: 10m, on_timeout: late, transitions: {ok: call, late: lost}}
  call: {delivery: at_most_once, timeout: 30m, on_timeout: late, heartbeat: 60s, transitions: {ok: note, late: lost}}
  note: {transitions: {ok: done}}
  lost: {await: signal, transitions: {drop: done, again: pay}}
  done: {final: true}
$$);
CREATE PROCEDURE wait_for(condition text) LANGUAGE plpgsql AS $$
DECLARE
    met boolean;
BEGIN
    FOR i IN 1 .. 2000 LOOP
        EXECUTE 'SELECT ' || condition INTO met;
        IF met THEN RETURN; END IF;
        PERFORM pg_sleep(0.01);
        COMMIT;
    END LOOP;
    RAISE EXCEPTION 'waited in vain for %', condition;
END $$;
-- Let time pass; the scheduler may be faster than this tick().
CREATE FUNCTION pass(much interval) RETURNS void LANGUAGE sql AS $$
    SELECT dfsmr.tick(dfsmr.board_time() + much)
$$;
CREATE VIEW here AS
    SELECT key, node, state, visit, attempt, deliveries, failed_attempts, client FROM dfsmr.instances;
CREATE VIEW held AS
    SELECT key, kind, held_by, held_since IS NOT NULL AS since, ready_at - held_since AS runs_out FROM dfsmr.instance;
CREATE VIEW stuck AS
    SELECT key, node, reason, detail, hint FROM dfsmr.stuck WHERE reason <> 'parked';

-- The claim is in the row, and says so to everybody.
SELECT dfsmr.start('once', id => '00000000-0000-0000-0000-00000000000a', key => 'a') AS a \gset
SELECT node, visit, attempt, deliveries, client, expires_at FROM dfsmr.ready('w1');
SELECT count(*) FROM dfsmr.ready('w2');
SELECT * FROM here;
SELECT * FROM held;
SELECT claimed_at IS NOT NULL AS claimed, expires_at FROM dfsmr.instances;
SELECT dfsmr.heartbeat(:'a', 1, 1);
SELECT dfsmr.heartbeat(:'a', 1);
SELECT dfsmr.heartbeat(:'a', 1, 2);
SELECT dfsmr.heartbeat(:'a', 2, 1);
SELECT * FROM stuck;
-- Its holder is silent for too long.  That changes nothing, but it is said.
SELECT pass('1 day');
CALL wait_for($$(SELECT count(*) = 0 FROM dfsmr.board_leases())$$);
SELECT count(*) FROM dfsmr.ready('w2');
SELECT * FROM here;
SELECT * FROM stuck;
-- It lives after all.
SELECT dfsmr.heartbeat(:'a', 1, 1);
SELECT * FROM stuck;
SELECT pass('1 day');
CALL wait_for($$(SELECT count(*) = 0 FROM dfsmr.board_leases())$$);

-- The ways out: to have it done again, ...
SELECT node FROM dfsmr.relinquish(:'a', 1, attempt => 7);
SELECT node FROM dfsmr.relinquish(:'a', 7);
SELECT node FROM dfsmr.relinquish(:'a', 1, attempt => 1, note => 'nothing was paid');
SELECT * FROM here;
SELECT * FROM held;
SELECT node FROM dfsmr.relinquish(:'a', 1, attempt => 1);
SELECT node, visit, attempt, deliveries, client FROM dfsmr.ready('w2');
SELECT dfsmr.heartbeat(:'a', 1, 1);
SELECT node FROM dfsmr.relinquish(:'a', 1, '1 hour', attempt => 2);
SELECT count(*) FROM dfsmr.ready('w3');
SELECT dfsmr.heartbeat(:'a', 1, 3);
SELECT pass('61 min');
CALL wait_for($$(SELECT state = 'ready' FROM here)$$);
SELECT node, visit, attempt, deliveries, client FROM dfsmr.ready('w3');
-- ... or to say what it came to; by visit, as anywhere.
SELECT node FROM dfsmr.transition(:'a', 'ok', visit => 2);
SELECT node, visit FROM dfsmr.transition(:'a', 'more', visit => 1, client => 'w3', attempt => 3);
SELECT node, visit FROM dfsmr.transition(:'a', 'more', visit => 1, client => 'w3', attempt => 3);
SELECT * FROM held;
SELECT node, visit, attempt, deliveries FROM dfsmr.ready('w3');
SELECT dfsmr.move(:'a', 'pay', 'as if nothing had been');
SELECT node, visit, attempt, deliveries FROM dfsmr.ready('w3');
SELECT dfsmr.abort(:'a');
SELECT * FROM held;
SELECT kind, transition, node, visit, attempt, client, note FROM dfsmr.history(:'a');

-- With a timeout and a way out.
SELECT dfsmr.start('once', id => '00000000-0000-0000-0000-00000000000b', key => 'b') AS b \gset
SELECT node FROM dfsmr.transition(:'b', 'ok');
SELECT node, visit, attempt, expires_at - claimed_at AS lease FROM dfsmr.ready('w1');
SELECT * FROM held WHERE key = 'b';
SELECT pass('6 min');
-- A heartbeat renews it, in the row; a rollback takes that back.
BEGIN;
SELECT dfsmr.heartbeat(:'b', 2, 1) - dfsmr.board_time() BETWEEN '9 min' AND '10 min' AS renewed;
ROLLBACK;
SELECT * FROM held WHERE key = 'b';
SELECT dfsmr.heartbeat(:'b', 2, 1) - dfsmr.board_time() BETWEEN '9 min' AND '10 min' AS renewed;
SELECT runs_out BETWEEN '16 min' AND '17 min' AS renewed FROM held WHERE key = 'b';
SELECT pass('6 min');
SELECT * FROM here WHERE key = 'b';
SELECT pass('5 min');
CALL wait_for($$(SELECT node = 'lost' FROM here WHERE key = 'b')$$);
SELECT kind, transition, node, visit, attempt, client, claimed_at IS NOT NULL AS claimed FROM dfsmr.history(:'b');
SELECT * FROM here WHERE key = 'b';
-- A pause of its node does not hold that up.
SELECT node FROM dfsmr.signal('once', 'b', 'again');
SELECT node FROM dfsmr.transition(:'b', 'ok');
SELECT node, visit, attempt FROM dfsmr.ready('w1');
SELECT dfsmr.pause('once', 'mail');
SELECT pass('11 min');
CALL wait_for($$(SELECT node = 'lost' FROM here WHERE key = 'b')$$);
SELECT dfsmr.resume('once', 'mail');
SELECT dfsmr.abort(:'b');

-- With heartbeats: the beat that is missing, or the timeout, whichever is first.
SELECT dfsmr.start('once', id => '00000000-0000-0000-0000-00000000000c', key => 'c') AS c \gset
SELECT dfsmr.move(:'c', 'call', 'for this test');
SELECT node, visit, attempt, expires_at - claimed_at AS lease FROM dfsmr.ready('w1');
SELECT * FROM held WHERE key = 'c';
DO $$
BEGIN
    FOR i IN 1 .. 20 LOOP
        PERFORM pass('50 s');
        PERFORM dfsmr.heartbeat('00000000-0000-0000-0000-00000000000c', 2, 1);
    END LOOP;
END $$;
SELECT * FROM here WHERE key = 'c';
SELECT pass('61 s');
CALL wait_for($$(SELECT node = 'lost' FROM here WHERE key = 'c')$$);
SELECT dfsmr.move(:'c', 'call', 'for this test');
SELECT node, visit, attempt, expires_at - claimed_at AS lease FROM dfsmr.ready('w1');
DO $$
BEGIN
    FOR i IN 1 .. 40 LOOP
        PERFORM pass('50 s');
        EXIT WHEN NOT EXISTS (SELECT FROM here WHERE key = 'c' AND node = 'call');
        PERFORM dfsmr.heartbeat('00000000-0000-0000-0000-00000000000c', 4, 1);
    END LOOP;
END $$;
SELECT kind, transition, node, visit, attempt, client FROM dfsmr.history(:'c') OFFSET 2;
SELECT dfsmr.abort(:'c');

-- Not where a rollback might be meant to undo it.
SELECT dfsmr.start('once', id => '00000000-0000-0000-0000-00000000000d', key => 'd') AS d \gset
BEGIN;
SELECT count(*) FROM dfsmr.ready('w1');
SELECT count(*) FROM dfsmr.ready('w1', 'once');
SAVEPOINT s;
SELECT count(*) FROM dfsmr.ready('w1', 'once', 'pay');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK TO s;
SELECT count(*) FROM dfsmr.ready('w1', node => 'mail');
ROLLBACK TO s;
SELECT count(*) FROM dfsmr.ready('w1', 'once', 'note');
ROLLBACK;
SELECT dfsmr.ready('w1', 'once', 'pay')\; SELECT 1;
DO $$
BEGIN
    PERFORM dfsmr.ready('w1', 'once', 'pay');
EXCEPTION WHEN division_by_zero THEN
    NULL;
END $$;
SELECT * FROM here WHERE key = 'd';
-- In a function it is durable as well: an error after it does not undo it.
DO $$
BEGIN
    PERFORM dfsmr.ready('w1', 'once', 'pay');
    RAISE EXCEPTION 'oops';
END $$;
SELECT * FROM here WHERE key = 'd';
SELECT count(*) FROM dfsmr.ready('w2', 'once', 'pay');
SELECT dfsmr.abort(:'d');

-- Several at a time, in order, and beside others.  (The smallest table has room
-- for eight leases.)
SELECT count(dfsmr.start('once', key => 'm' || n, priority => n)) FROM generate_series(1, 8) AS n;
SELECT count(dfsmr.move(instance, 'note', 'for this test')) FROM dfsmr.instances WHERE key IN ('m3', 'm7');
SET dfsmr.log_claims = on;
SELECT key, node, attempt, priority FROM dfsmr.ready('w1', max => 4);
RESET dfsmr.log_claims;
SELECT count(*) FROM dfsmr.changes WHERE kind = 'claim';
SELECT node, count(*), count(DISTINCT instance) FROM dfsmr.ready('w2', max => 1000) GROUP BY node ORDER BY node;
SELECT state, count(*) FROM here WHERE key LIKE 'm%' GROUP BY state;
SELECT kind, count(*) FROM dfsmr.instance WHERE key LIKE 'm%' GROUP BY kind ORDER BY kind;
SELECT count(dfsmr.abort(instance)) FROM dfsmr.instances WHERE state <> 'finished';
SELECT item, used FROM dfsmr.status WHERE item IN ('leases', 'repairs by the audit') ORDER BY item;
SELECT dfsmr.tick(now());
DROP VIEW here, held, stuck;
DROP FUNCTION pass;
DROP PROCEDURE wait_for;
