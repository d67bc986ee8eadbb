-- Leases: heartbeat(), relinquish(), and taking work back when time is up, by
-- an injected clock.  The scheduler runs beside: conditions are waited for.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS dfsmr CASCADE;
CREATE EXTENSION dfsmr;
SELECT * FROM dfsmr.define($$
id: lease
nodes:
  fixed: {start: true, timeout: 10m, transitions: {ok: beat, other: once}}
  beat: {timeout: 30m, heartbeat: 60s, transitions: {ok: done}}
  once: {timeout: 10m, on_timeout: late, transitions: {ok: done, late: lost}}
  done: {final: true}
  lost: {await: signal, timeout: 1d, on_timeout: gone, transitions: {gone: done, back: fixed}}
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
CREATE VIEW here AS SELECT key, node, state, visit, attempt, deliveries, failed_attempts, client
    FROM dfsmr.instances;
SELECT dfsmr.start('lease', id => '00000000-0000-0000-0000-00000000000a', key => 'a') AS a \gset

-- heartbeat: renews by the node's timeout.
SELECT visit, attempt, expires_at FROM dfsmr.ready('w1') \gset
SELECT dfsmr.heartbeat(:'a', :visit, :attempt) > :'expires_at' AS renewed;
SELECT dfsmr.heartbeat(:'a', :visit) > :'expires_at' AS renewed;
SELECT dfsmr.heartbeat(:'a', :visit, 2);
SELECT dfsmr.heartbeat(:'a', 2, 1);
SELECT dfsmr.heartbeat(:'a', NULL);
SELECT dfsmr.heartbeat('00000000-0000-0000-0000-000000000000', 1);

-- relinquish: back to its place, with a new attempt number and no failure.
SELECT node FROM dfsmr.relinquish(:'a', :visit, attempt => 7);
SELECT node FROM dfsmr.relinquish(:'a', :visit, attempt => :attempt, note => 'going home');
SELECT node FROM dfsmr.relinquish(:'a', :visit, attempt => :attempt);
SELECT * FROM here WHERE key = 'a';
SELECT visit, attempt, deliveries FROM dfsmr.ready('w2');
-- A superseded worker cannot touch the lease of its successor.
SELECT dfsmr.heartbeat(:'a', 1, 1);
SELECT node FROM dfsmr.relinquish(:'a', 1, attempt => 1);
SELECT node FROM dfsmr.relinquish(:'a', 1, '1 hour', 2);
SELECT * FROM here WHERE key = 'a';
SELECT count(*) FROM dfsmr.ready('w3');
SELECT dfsmr.tick(now() + interval '61 minutes');
CALL wait_for($$(SELECT state = 'ready' FROM here WHERE key = 'a')$$);
SELECT visit, attempt, deliveries FROM dfsmr.ready('w3');

-- Time is up: the failed attempt is recorded and others get it.
SELECT dfsmr.tick(dfsmr.board_time() + interval '9 minutes');
SELECT state FROM here WHERE key = 'a';
SELECT dfsmr.tick(dfsmr.board_time() + interval '2 minutes');
CALL wait_for($$(SELECT failed_attempts = 1 AND state = 'ready' FROM here WHERE key = 'a')$$);
SELECT * FROM here WHERE key = 'a';
SELECT dfsmr.heartbeat(:'a', 1, 3);
SELECT visit, attempt, deliveries FROM dfsmr.ready('w4');
-- The first completion wins: here that of the one whose time was up.
SELECT node, visit FROM dfsmr.transition(:'a', 'ok', '{}', 1, 'w3', 3);
SELECT node FROM dfsmr.transition(:'a', 'ok', '{}', 1, 'w4', 4);
SELECT dfsmr.heartbeat(:'a', 1, 4);
SELECT kind, prev_node, transition, node, visit, attempt, client, claimed_at IS NOT NULL AS claimed, note
  FROM dfsmr.history(:'a');

-- A node with a heartbeat loses its lease that long after the last beat, and
-- its fixed timeout cuts off one that still beats.
SELECT visit, attempt, expires_at - claimed_at AS lease FROM dfsmr.ready('w5') \gset
SELECT :'lease' AS lease;
SELECT dfsmr.heartbeat(:'a', :visit, :attempt) - dfsmr.board_time() BETWEEN '59 s' AND '60 s' AS renewed;
-- (In a transaction, so that the scheduler does not see the times between.)
SELECT claimed_at FROM dfsmr.instances WHERE key = 'a' \gset
DO $$
DECLARE
    i record;
BEGIN
    FOR n IN 1 .. 40 LOOP
        PERFORM dfsmr.tick(dfsmr.board_time() + interval '50 s');
        SELECT * INTO i FROM dfsmr.instances WHERE key = 'a';
        EXIT WHEN dfsmr.heartbeat(i.instance, i.visit, 1) = i.claimed_at + interval '30 min';
    END LOOP;
END $$;
SELECT expires_at - claimed_at AS lease FROM dfsmr.instances WHERE key = 'a';
SELECT node FROM dfsmr.transition(:'a', 'ok', '{}', :visit, 'w5', :attempt);

-- on_timeout is taken instead of a redelivery; a parked node has one as well.
SELECT dfsmr.start('lease', id => '00000000-0000-0000-0000-00000000000b', key => 'b') AS b \gset
SELECT node FROM dfsmr.transition(:'b', 'other');
SELECT key, node FROM dfsmr.ready('w6');
SELECT dfsmr.tick(dfsmr.board_time() + interval '11 minutes');
CALL wait_for($$(SELECT node = 'lost' FROM here WHERE key = 'b')$$);
SELECT * FROM here WHERE key = 'b';
SELECT dfsmr.tick(dfsmr.board_time() + interval '25 hours');
CALL wait_for($$(SELECT state = 'finished' FROM here WHERE key = 'b')$$);
SELECT kind, prev_node, transition, node, visit, attempt, client FROM dfsmr.history(:'b');
SELECT node FROM dfsmr.relinquish(:'b', attempt => 1);

-- The clock is for superusers.
CREATE ROLE regress_dfsmr_clock;
SELECT dfsmr.grant_admin('regress_dfsmr_clock');
SET ROLE regress_dfsmr_clock;
SELECT dfsmr.tick();
SELECT dfsmr.tick(now());
RESET ROLE;
SELECT dfsmr.revoke_admin('regress_dfsmr_clock');
DROP ROLE regress_dfsmr_clock;
SELECT dfsmr.tick(now());
DROP VIEW here;
DROP PROCEDURE wait_for;
-- An id that is used again, once its finished instance, which held its key, was
-- deleted, knows nothing of its earlier life: neither hints nor recorded answers.
SELECT dfsmr.tick(now());
SELECT * FROM dfsmr.define('{"id": "twice", "key_reuse": "never", "nodes": {"t": {"start": true, "transitions": {"on": "u"}}, "u": {"transitions": {"ok": "e"}}, "e": {"final": true}}}');
SELECT dfsmr.start('twice', id => '00000000-0000-0000-0000-00000000000c', key => 'c');
SELECT visit, attempt FROM dfsmr.ready('w', 'twice');
SELECT node FROM dfsmr.transition('00000000-0000-0000-0000-00000000000c', 'on', '{}', 1, 'w', 1);
SELECT node FROM dfsmr.transition('00000000-0000-0000-0000-00000000000c', 'on', '{}', 1, 'w', 1);
SELECT dfsmr.abort('00000000-0000-0000-0000-00000000000c');
DELETE FROM dfsmr.instance WHERE key = 'c';
SELECT dfsmr.start('twice', id => '00000000-0000-0000-0000-00000000000c', key => 'c');
SELECT instance, visit, attempt FROM dfsmr.ready('w', 'twice', max => 3);
SELECT node FROM dfsmr.transition('00000000-0000-0000-0000-00000000000c', 'on', '{}', 1, 'w', 1);
SELECT node FROM dfsmr.transition('00000000-0000-0000-0000-00000000000c', 'ok', '{}', 2, 'w', 1);
SELECT dfsmr.start('twice', id => '00000000-0000-0000-0000-00000000000d', key => 'd');
SELECT dfsmr.abort('00000000-0000-0000-0000-00000000000d');
DELETE FROM dfsmr.instance WHERE machine = 'twice';
SELECT dfsmr.start('twice', id => '00000000-0000-0000-0000-00000000000c');
SELECT node FROM dfsmr.transition('00000000-0000-0000-0000-00000000000c', 'on', '{}', 1, 'v', 1);
SELECT node FROM dfsmr.transition('00000000-0000-0000-0000-00000000000c', 'on', '{}', 1, 'w', 1);
-- Leave no lease behind: the smallest table has eight.
SELECT count(dfsmr.abort(instance)) >= 0 AS tidy FROM dfsmr.instances WHERE state = 'running';
