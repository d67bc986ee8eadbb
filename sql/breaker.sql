-- The circuit breaker, by an injected clock: when it opens, whom it lets through
-- while open, what a probe is and when it closes.  At most eight tasks are out at
-- a time, and the scheduler runs beside: conditions are waited for.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS dfsmr CASCADE;
CREATE EXTENSION dfsmr;
SELECT dfsmr.tick('2040-01-01 00:00:00+00');
-- (And until the board knows what the scheduler has committed.)
CREATE PROCEDURE wait_for(condition text) LANGUAGE plpgsql AS $$
DECLARE
    met boolean;
BEGIN
    FOR i IN 1 .. 2000 LOOP
        EXECUTE 'SELECT ' || condition INTO met;
        IF met AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
                                AND backend_type = 'dfsmr scheduler' AND state <> 'idle') THEN
            RETURN;
        END IF;
        PERFORM pg_sleep(0.01);
        COMMIT;
    END LOOP;
    RAISE EXCEPTION 'waited in vain for %', condition;
END $$;
CREATE FUNCTION later(by interval) RETURNS void LANGUAGE sql
    AS $$ SELECT dfsmr.tick(dfsmr.board_time() + by) $$;
-- Claim up to max tasks and say this transition of them.
CREATE FUNCTION work(machine text, transition text, max integer) RETURNS bigint LANGUAGE sql AS $$
    SELECT count((SELECT d.node FROM dfsmr.transition(t.instance, $2, '{}', t.visit, 'w', t.attempt) AS d))
      FROM dfsmr.ready('w', machine, max => max) AS t
$$;
-- One probe a minute, each in a transaction of its own.
CREATE PROCEDURE probe(machine text, transition text, n integer) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. n LOOP
        PERFORM later('1 min');
        IF work(machine, transition, 8) <> 1 THEN
            RAISE 'not one task';
        END IF;
        COMMIT;
    END LOOP;
END $$;
-- So many instances that wait to be tried again.
CREATE PROCEDURE fail(machine text, n integer) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. n LOOP
        PERFORM dfsmr.start(machine);
        COMMIT;
        IF work(machine, 'error', 1) <> 1 THEN
            RAISE 'not one task';
        END IF;
        COMMIT;
    END LOOP;
END $$;
CREATE VIEW breaker AS
    SELECT machine, state, deliveries, retries, round(ratio::numeric, 2) AS ratio, probes, succeeded
      FROM dfsmr.breakers;
CREATE VIEW moved AS
    SELECT machine, version, note, instance, node FROM dfsmr.changes WHERE kind = 'breaker' ORDER BY seq;

SELECT * FROM dfsmr.define($$
id: shop
breaker: {window: 1h, min_attempts: 4, max_retry_ratio: 0.5, probe_rate: 1/m}
nodes:
  call: {start: true, timeout: 10h, transitions: {ok: done, error: wait}}
  wait: {delay: 2h, retry: true, fire: again, transitions: {again: call}}
  done: {final: true}
$$);
SELECT * FROM dfsmr.breakers;

-- Polling is no trouble: coming out of a timer that is no retry, over and over.
SELECT * FROM dfsmr.define($$
id: polling
breaker: {window: 1h, min_attempts: 4, max_retry_ratio: 0, probe_rate: 1/m}
nodes:
  poll: {start: true, timeout: 10h, transitions: {again: wait, ok: done}}
  wait: {delay: 1m, fire: poll, transitions: {poll: poll}}
  done: {final: true}
$$);
SELECT dfsmr.start('polling') IS NOT NULL AS started;
DO $$
BEGIN
    FOR i IN 1 .. 20 LOOP
        PERFORM later('61 s');
        COMMIT;
        CALL wait_for($c$(SELECT state = 'ready' FROM dfsmr.instances WHERE machine = 'polling')$c$);
        IF work('polling', 'again', 1) <> 1 THEN
            RAISE 'not one task';
        END IF;
        COMMIT;
    END LOOP;
END $$;
SELECT * FROM breaker WHERE machine = 'polling';
SELECT count(dfsmr.abort(instance)) FROM dfsmr.instances WHERE machine = 'polling';

-- First attempts that fail do not open it; that their retries are many does, at
-- the fourth, and the others stay where they are.
CALL fail('shop', 7);
SELECT * FROM breaker WHERE machine = 'shop';
SELECT later('3 hours');
CALL wait_for($$(SELECT count(*) = 7 FROM dfsmr.instances WHERE machine = 'shop' AND state = 'ready')$$);
SELECT * FROM breaker WHERE machine = 'shop';
SELECT count(*) FROM dfsmr.ready('w', 'shop', max => 8);
SELECT count(*) FROM dfsmr.ready('w', 'shop', max => 8);
SELECT * FROM breaker WHERE machine = 'shop';
CALL wait_for('EXISTS (SELECT FROM moved)');
SELECT * FROM moved;
SELECT next_probe_at - since AS pause FROM dfsmr.breakers WHERE machine = 'shop';
-- Those that were handed out before are no probes.
SELECT count(n.node) FROM dfsmr.instances AS i, dfsmr.transition(i.instance, 'ok') AS n
 WHERE i.machine = 'shop' AND i.state = 'running';
-- First attempts flow on.
SELECT count(dfsmr.start('shop')) FROM generate_series(1, 3);
SELECT work('shop', 'ok', 8);
SELECT * FROM breaker WHERE machine = 'shop';

-- One probe a minute; what nobody took is not saved up.
SELECT later('1 min');
SELECT work('shop', 'ok', 8);
SELECT work('shop', 'ok', 8);
SELECT later('5 min');
SELECT work('shop', 'error', 8);
SELECT work('shop', 'error', 8);
SELECT * FROM breaker WHERE machine = 'shop';

-- A claim that is rolled back was none, nor was one that is relinquished: the
-- token is there again.  One that is aborted was, but is no verdict.
SELECT later('1 min');
BEGIN;
SELECT count(*) FROM dfsmr.ready('w', 'shop', max => 8);
SELECT * FROM breaker WHERE machine = 'shop';
ROLLBACK;
SELECT * FROM breaker WHERE machine = 'shop';
BEGIN;
SAVEPOINT s;
SELECT work('shop', 'ok', 8);
ROLLBACK TO s;
SELECT instance AS probe, visit FROM dfsmr.ready('w', 'shop', max => 8) \gset
COMMIT;
SELECT count(*) FROM dfsmr.ready('w', 'shop', max => 8);
SELECT * FROM breaker WHERE machine = 'shop';
SELECT node FROM dfsmr.relinquish(:'probe', :visit);
SELECT * FROM breaker WHERE machine = 'shop';
SELECT instance AS probe, visit, attempt FROM dfsmr.ready('w', 'shop', max => 8) \gset
SELECT :attempt AS attempt;
SELECT dfsmr.abort(:'probe');
SELECT count(*) FROM dfsmr.ready('w', 'shop', max => 8);
SELECT * FROM breaker WHERE machine = 'shop';

-- The eleven hours of a probe that is never heard of: it fails.  (Of the three
-- that were held back one has succeeded, one has failed, and one is aborted.)
SELECT later('2 hours');
CALL wait_for($$(SELECT count(*) = 1 FROM dfsmr.instances WHERE machine = 'shop' AND state = 'ready')$$);
SELECT instance AS probe, visit, attempt FROM dfsmr.ready('w', 'shop', max => 8) \gset
SELECT later('11 hours');
CALL wait_for('(SELECT probes = 3 FROM breaker WHERE machine = ''shop'')');
SELECT * FROM breaker WHERE machine = 'shop';
-- Timed out, it is a retry itself.  Its first worker completes after all, while
-- the second, a probe, is at it: that says nothing about the probe.
SELECT later('1 min');
SELECT attempt FROM dfsmr.ready('w', 'shop', max => 8);
SELECT node FROM dfsmr.transition(:'probe', 'ok', '{}', :visit, 'w', :attempt);
SELECT * FROM breaker WHERE machine = 'shop';

-- Four of ten are not half of them, so it goes on; five of the next ten are.
CALL fail('shop', 15);
SELECT later('3 hours');
CALL wait_for($$(SELECT count(*) = 15 FROM dfsmr.instances WHERE machine = 'shop' AND state = 'ready')$$);
CALL probe('shop', 'error', 4);
CALL probe('shop', 'ok', 2);
SELECT * FROM breaker WHERE machine = 'shop';
CALL probe('shop', 'ok', 1);
SELECT * FROM breaker WHERE machine = 'shop';
CALL fail('shop', 5);
SELECT later('3 hours');
CALL wait_for($$(SELECT count(*) = 17 FROM dfsmr.instances WHERE machine = 'shop' AND state = 'ready')$$);
CALL probe('shop', 'error', 5);
CALL probe('shop', 'ok', 5);
SELECT state, deliveries, retries FROM breaker WHERE machine = 'shop';
SELECT next_probe_at FROM dfsmr.breakers WHERE machine = 'shop';
CALL wait_for('(SELECT count(*) = 2 FROM moved)');
SELECT * FROM moved;
-- Who waited for that failed before: it is let go, and says nothing about now.
SELECT work('shop', 'ok', 8);
SELECT * FROM breaker WHERE machine = 'shop';
-- What fails from then on opens it as it did before: two, and five probes.
CALL fail('shop', 2);
SELECT later('3 hours');
CALL wait_for($$(SELECT count(*) = 7 FROM dfsmr.instances WHERE machine = 'shop' AND state = 'ready')$$);
SELECT work('shop', 'ok', 8);
CALL wait_for('(SELECT count(*) = 3 FROM moved)');
SELECT state, deliveries, retries FROM breaker WHERE machine = 'shop';

-- A new version with other limits takes effect at once: the state stays, the
-- window begins anew.  The same limits change nothing.
SELECT version FROM dfsmr.define($$
id: shop
breaker: {window: 1h, min_attempts: 4, max_retry_ratio: 0.5, probe_rate: 1/m}
nodes:
  call: {start: true, timeout: 11h, transitions: {ok: done, error: wait}}
  wait: {delay: 2h, retry: true, fire: again, transitions: {again: call}}
  done: {final: true}
$$);
SELECT work('shop', 'ok', 8);
SELECT * FROM breaker WHERE machine = 'shop';
SELECT version FROM dfsmr.define($$
id: shop
breaker: {window: 2h, min_attempts: 3, max_retry_ratio: 0.5, probe_rate: 0.5/m}
nodes:
  call: {start: true, timeout: 11h, transitions: {ok: done, error: wait}}
  wait: {delay: 2h, retry: true, fire: again, transitions: {again: call}}
  done: {final: true}
$$);
SELECT work('shop', 'ok', 8);
SELECT version, state, deliveries, next_probe_at - dfsmr.board_time() > '1 min' AS slower, window_length, min_attempts, probe_rate
  FROM dfsmr.breakers WHERE machine = 'shop';
-- One that is rolled back leaves nothing behind, whatever its transaction did.
BEGIN;
SELECT version FROM dfsmr.define($$
id: shop
breaker: {window: 3h, min_attempts: 1, max_retry_ratio: 0, probe_rate: 1/s}
nodes:
  call: {start: true, timeout: 11h, transitions: {ok: done, error: wait}}
  wait: {delay: 2h, retry: true, fire: again, transitions: {again: call}}
  done: {final: true}
$$);
SELECT count(*) FROM dfsmr.ready('w', 'shop', max => 8);
SELECT dfsmr.tick();
ROLLBACK;
SELECT version, state, window_length FROM dfsmr.breakers WHERE machine = 'shop';
SELECT work('shop', 'ok', 8);
-- One without a breaker lets all retries go.
SELECT version FROM dfsmr.define($$
id: shop
nodes:
  call: {start: true, timeout: 11h, transitions: {ok: done, error: wait}}
  wait: {delay: 2h, retry: true, fire: again, transitions: {again: call}}
  done: {final: true}
$$);
SELECT work('shop', 'ok', 8);
CALL wait_for('(SELECT count(*) = 4 FROM moved)');
SELECT * FROM moved;
SELECT * FROM breaker WHERE machine = 'shop';

-- What was taken back from a silent worker is a retry too.
SELECT * FROM dfsmr.define($$
id: silent
breaker: {window: 1h, min_attempts: 4, max_retry_ratio: 0.5, probe_rate: 1/m}
nodes:
  call: {start: true, timeout: 2h, transitions: {ok: done}}
  done: {final: true}
$$);
SELECT count(dfsmr.start('silent')) FROM generate_series(1, 5);
SELECT count(*) FROM dfsmr.ready('w', 'silent', max => 8);
SELECT later('3 hours');
CALL wait_for($$(SELECT count(*) = 5 FROM dfsmr.instances WHERE machine = 'silent' AND state = 'ready')$$);
SELECT work('silent', 'ok', 8);
SELECT * FROM breaker WHERE machine = 'silent';
-- A time that is set back: the probe is due a minute from there.
SELECT dfsmr.tick('2039-01-01 00:00:00+00');
SELECT state, deliveries, since < '2039-01-02' AS since, next_probe_at < '2039-01-02' AS next_probe
  FROM dfsmr.breakers WHERE machine = 'silent';
SELECT count(dfsmr.abort(instance)) FROM dfsmr.instances WHERE machine = 'silent' AND state <> 'finished';

-- It is shown to those who may read the machine.
CREATE ROLE regress_dfsmr_breaker;
SELECT dfsmr.grant_read('regress_dfsmr_breaker', 'polling');
SET ROLE regress_dfsmr_breaker;
SELECT machine, state FROM dfsmr.breakers;
SELECT machine, state FROM dfsmr.board_breakers();
RESET ROLE;
SELECT dfsmr.revoke_read('regress_dfsmr_breaker', 'polling');
DROP ROLE regress_dfsmr_breaker;

SELECT item, used FROM dfsmr.status WHERE item = 'repairs by the audit';
SELECT dfsmr.tick(now());
DROP VIEW breaker, moved;
DROP FUNCTION later, work;
DROP PROCEDURE probe, fail, wait_for;
