-- Attempts that fail: max_attempts, redeliver, max_elapsed, by an injected clock.
-- Proves: an attempt counts when its time is up, not when it is given back; the
-- last one takes on_exhausted; the pause before a redelivery grows; max_elapsed
-- is judged on entry, for what waits, and when an attempt ends or a task would
-- be handed out; reset: true begins anew.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS dfsmr CASCADE;
CREATE EXTENSION dfsmr;
SELECT machine, version FROM dfsmr.define($$
id: poison
nodes:
  work:
    start: true
    timeout: 10m
    max_attempts: 3
    on_exhausted: dead
    redeliver: {base: 1m, backoff: 3.0}
    transitions: {ok: done, dead: grave}
  grave: {await: signal, transitions: {redrive: {to: work, reset: true}}}
  done: {final: true}
$$);
SELECT machine, version FROM dfsmr.define($$
id: patience
nodes:
  poll:
    start: true
    timeout: 10m
    transitions: {ok: done, again: pause, ask: review, long: slow}
  pause:
    delay: 1h
    max_elapsed: 3h
    on_max_elapsed: give_up
    fire: ok
    transitions: {ok: poll, give_up: dead}
  review:
    await: signal
    max_elapsed: 30m
    on_max_elapsed: give_up
    transitions: {back: poll, give_up: dead}
  slow:
    timeout: 10m
    max_elapsed: 25m
    on_max_elapsed: give_up
    transitions: {ok: done, give_up: dead}
  dead: {await: signal, transitions: {redrive: {to: poll, reset: true}, drop: done}}
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
    SELECT key, node, state, visit, attempt, deliveries, failed_attempts FROM dfsmr.instances;
CREATE VIEW pause AS
    SELECT key, round(extract(epoch FROM ready_at - dfsmr.board_time()) / 60) AS minutes FROM dfsmr.instances;

-- A worker that dies has used an attempt, one that gives the task back has not.
SELECT dfsmr.start('poison', id => '00000000-0000-0000-0000-00000000000a', key => 'a') AS a \gset
SELECT attempt FROM dfsmr.ready('w1', 'poison');
SELECT node FROM dfsmr.relinquish(:'a', 1, attempt => 1);
SELECT attempt FROM dfsmr.ready('w1', 'poison');
SELECT pass('11 min');
CALL wait_for($$(SELECT failed_attempts = 1 AND state = 'delayed' FROM here WHERE key = 'a')$$);
-- The pause is 1 minute, then 3, then would be 9.
SELECT * FROM here WHERE key = 'a';
SELECT * FROM pause WHERE key = 'a';
SELECT count(*) FROM dfsmr.ready('w2', 'poison');
SELECT pass('61 s');
CALL wait_for($$(SELECT state = 'ready' FROM here WHERE key = 'a')$$);
SELECT attempt FROM dfsmr.ready('w2', 'poison');
SELECT pass('11 min');
CALL wait_for($$(SELECT failed_attempts = 2 FROM here WHERE key = 'a')$$);
SELECT * FROM pause WHERE key = 'a';
SELECT pass('181 s');
CALL wait_for($$(SELECT state = 'ready' FROM here WHERE key = 'a')$$);
SELECT attempt FROM dfsmr.ready('w3', 'poison');
SELECT node FROM dfsmr.relinquish(:'a', 1, attempt => 4);
SELECT attempt FROM dfsmr.ready('w4', 'poison');
-- The third failure is the last.
SELECT pass('11 min');
CALL wait_for($$(SELECT node = 'grave' FROM here WHERE key = 'a')$$);
SELECT * FROM here WHERE key = 'a';
SELECT node FROM dfsmr.transition(:'a', 'ok', visit => 1);
SELECT node FROM dfsmr.signal('poison', 'a', 'redrive');
SELECT * FROM here WHERE key = 'a';
SELECT kind, prev_node, transition, node, visit, attempt, client FROM dfsmr.history(:'a');
SELECT node FROM dfsmr.transition(:'a', 'ok');

-- max_elapsed of a timer.  It is entered at 0, 1 and 2 hours; at 3 hours its
-- time is over, a little before the delay of its third visit.
SELECT dfsmr.start('patience', id => '00000000-0000-0000-0000-00000000000b', key => 'b') AS b \gset
SELECT node FROM dfsmr.transition(:'b', 'again');
SELECT jsonb_path_query_array(visits, '$.pause.*.type()') AS kept FROM dfsmr.instance WHERE key = 'b';
SELECT pass('61 min');
CALL wait_for($$(SELECT node = 'poll' FROM here WHERE key = 'b')$$);
SELECT node FROM dfsmr.transition(:'b', 'again');
SELECT pass('61 min');
CALL wait_for($$(SELECT node = 'poll' FROM here WHERE key = 'b')$$);
SELECT node FROM dfsmr.transition(:'b', 'again');
SELECT * FROM pause WHERE key = 'b';
SELECT pass('59 min');
CALL wait_for($$(SELECT node = 'dead' FROM here WHERE key = 'b')$$);
SELECT kind, prev_node, transition, node, visit FROM dfsmr.history(:'b');
-- reset: true begins anew ...
SELECT node FROM dfsmr.signal('patience', 'b', 'redrive');
SELECT visits FROM dfsmr.instance WHERE key = 'b';
SELECT node FROM dfsmr.transition(:'b', 'again');
SELECT * FROM pause WHERE key = 'b';
SELECT pass('61 min');
CALL wait_for($$(SELECT node = 'poll' FROM here WHERE key = 'b')$$);
-- ... and when the time is over, the node is left as soon as it is entered.
SELECT pass('4 h');
SELECT node, prev_node FROM dfsmr.transition(:'b', 'again');
SELECT kind, prev_node, transition, node, visit FROM dfsmr.history(:'b') OFFSET 8;

-- A parked node needs no timeout for it.
SELECT dfsmr.start('patience', id => '00000000-0000-0000-0000-00000000000c', key => 'c') AS c \gset
SELECT node FROM dfsmr.transition(:'c', 'ask');
SELECT node FROM dfsmr.signal('patience', 'c', 'back');
SELECT pass('20 min');
SELECT node FROM dfsmr.transition(:'c', 'ask');
SELECT * FROM pause WHERE key = 'c';
SELECT pass('11 min');
CALL wait_for($$(SELECT node = 'dead' FROM here WHERE key = 'c')$$);
SELECT kind, prev_node, transition, node, visit FROM dfsmr.history(:'c') OFFSET 3;

-- A task: when its claim runs out, ...
SELECT dfsmr.start('patience', id => '00000000-0000-0000-0000-00000000000d', key => 'd') AS d \gset
SELECT node FROM dfsmr.transition(:'d', 'long');
SELECT attempt FROM dfsmr.ready('w1', 'patience', 'slow');
SELECT pass('11 min');
CALL wait_for($$(SELECT failed_attempts = 1 FROM here WHERE key = 'd')$$);
SELECT pass('10 min');
SELECT attempt FROM dfsmr.ready('w1', 'patience', 'slow');
SELECT pass('11 min');
CALL wait_for($$(SELECT node = 'dead' FROM here WHERE key = 'd')$$);
SELECT kind, prev_node, transition, node, visit, attempt FROM dfsmr.history(:'d') OFFSET 2;
-- ... when it is given back, ...
SELECT dfsmr.start('patience', id => '00000000-0000-0000-0000-00000000000e', key => 'e') AS e \gset
SELECT node FROM dfsmr.transition(:'e', 'long');
SELECT pass('20 min');
SELECT attempt FROM dfsmr.ready('w1', 'patience', 'slow');
SELECT pass('6 min');
SELECT node FROM dfsmr.relinquish(:'e', 2, attempt => 1, note => 'too much for me');
SELECT * FROM here WHERE key = 'e';
SELECT kind, prev_node, transition, node, visit, attempt, client, note FROM dfsmr.history(:'e') OFFSET 2;
-- ... and when it would be handed out at last.
SELECT dfsmr.start('patience', id => '00000000-0000-0000-0000-00000000000f', key => 'f') AS f \gset
SELECT node FROM dfsmr.transition(:'f', 'long');
SELECT pass('26 min');
SELECT * FROM here WHERE key = 'f';
BEGIN;
SELECT count(*) FROM dfsmr.ready('w1', 'patience', 'slow');
SELECT node FROM here WHERE key = 'f';
ROLLBACK;
SELECT node FROM here WHERE key = 'f';
SELECT count(*) FROM dfsmr.ready('w1', 'patience', 'slow');
SELECT * FROM here WHERE key = 'f';
SELECT kind, prev_node, transition, node, visit, attempt FROM dfsmr.history(:'f') OFFSET 2;
-- The worker whose attempt is not over may still complete it.
SELECT dfsmr.start('patience', id => '00000000-0000-0000-0000-000000000010', key => 'g') AS g \gset
SELECT node FROM dfsmr.transition(:'g', 'long');
SELECT attempt FROM dfsmr.ready('w1', 'patience', 'slow');
SELECT dfsmr.heartbeat(:'g', 2, 1) > dfsmr.board_time() AS renewed;
DO $$
BEGIN
    FOR i IN 1 .. 6 LOOP
        PERFORM pass('5 min');
        PERFORM dfsmr.heartbeat('00000000-0000-0000-0000-000000000010', 2, 1);
    END LOOP;
END $$;
SELECT node FROM dfsmr.transition(:'g', 'ok', visit => 2);
-- A lease that runs out in a transaction that has completed the visit: what is
-- rolled back with that is not over.
SELECT dfsmr.start('poison', id => '00000000-0000-0000-0000-000000000011', key => 'h') AS h \gset
SELECT key, attempt FROM dfsmr.ready('w1', 'poison', 'work', max => 10);
BEGIN;
SELECT node FROM dfsmr.transition(:'h', 'ok', visit => 1, client => 'w1', attempt => 1);
SELECT pass('11 min');
SELECT state, node FROM dfsmr.instances WHERE instance = :'h';
ROLLBACK;
SELECT pass('11 min');
SELECT node, visit, failed_attempts FROM dfsmr.instances WHERE instance = :'h';
BEGIN;
SELECT node FROM dfsmr.transition(:'h', 'ok', visit => 1, client => 'w1', attempt => 1);
SELECT pass('11 min');
COMMIT;
SELECT state, node, failed_attempts FROM dfsmr.instances WHERE instance = :'h';
SELECT kind, node, attempt FROM dfsmr.history(:'h');
SELECT item, used FROM dfsmr.status WHERE item IN ('leases', 'repairs by the audit') ORDER BY item;
SELECT dfsmr.tick(now());
DROP VIEW here, pause;
DROP FUNCTION pass;
DROP PROCEDURE wait_for;
