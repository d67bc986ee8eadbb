-- Percentile timeouts: durations are learnt from what is completed, in time, late
-- or in vain; the timeout in force follows them.  By an injected clock, in
-- minutes: what the test itself takes does not show.
-- (Warnings of hot retries are not the subject.)
SET client_min_messages = error;
DROP EXTENSION IF EXISTS dfsmr CASCADE;
CREATE EXTENSION dfsmr;
SELECT * FROM dfsmr.define($$
id: learn
endless: true
nodes:
  work: {start: true, transitions: {ok: work, beat: beat, fixed: fixed, bound: bound, half: half, end: done}}
  beat: {heartbeat: 1m, transitions: {ok: work}}
  fixed: {timeout: 10m, transitions: {ok: work}}
  bound: {timeout_min: 20m, timeout_max: 30m, transitions: {ok: work}}
  half: {timeout: p50, transitions: {ok: half}}
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
-- Each is claimed, takes so many minutes, and is completed.
CREATE PROCEDURE work(durations float[], transition text DEFAULT 'ok') LANGUAGE plpgsql AS $$
DECLARE
    task dfsmr.task;
    minutes float;
BEGIN
    FOREACH minutes IN ARRAY durations LOOP
        SELECT * INTO STRICT task FROM dfsmr.ready('w', 'learn');
        COMMIT;
        PERFORM dfsmr.tick(dfsmr.board_time() + minutes * interval '1 minute');
        PERFORM dfsmr.transition(task.instance, transition, '{}', task.visit, 'w', task.attempt);
        COMMIT;
    END LOOP;
END $$;
-- In minutes, to what the sketch is exact to.
CREATE FUNCTION about(i interval) RETURNS text LANGUAGE sql AS
    $$ SELECT (round(extract(epoch FROM i) / 60 / 0.25) * 0.25)::numeric(9, 2)::text $$;
CREATE VIEW learnt AS
    SELECT node, samples, about(p50) AS p50, about(p95) AS p95, about(p99) AS p99, about(timeout) AS timeout
      FROM dfsmr.node_stats WHERE machine = 'learn' ORDER BY node;
CREATE VIEW leases AS
    SELECT node, attempt, client, about(expires_at - claimed_at) AS lease FROM dfsmr.instances WHERE state = 'running';
SELECT * FROM learnt;

-- Twenty samples make a node known.
SELECT dfsmr.start('learn', id => '00000000-0000-0000-0000-00000000000a') AS a \gset
CALL work(array_fill(2.0, '{19}'));
SELECT * FROM learnt WHERE node = 'work';
CALL work(array_fill(4.0, '{1}'));
SELECT * FROM learnt WHERE node = 'work';
-- They count across versions.
SELECT version FROM dfsmr.define($$
id: learn
endless: true
nodes:
  work: {start: true, timeout: p100, transitions: {ok: work, half: half, end: done}}
  half: {timeout: p50, transitions: {ok: half}}
  done: {final: true}
$$);
SELECT * FROM learnt WHERE node = 'work';
-- Its own version says how long the instance's lease is.
SELECT attempt FROM dfsmr.ready('w1', 'learn');
SELECT * FROM leases;

-- Time is up: the next attempt gets half as much again.  The first one is late
-- and wins, the second is refused: both count, and both once.
SELECT visit FROM dfsmr.instances WHERE instance = :'a' \gset
SELECT dfsmr.tick(dfsmr.board_time() + interval '3 minutes');
CALL wait_for($$(SELECT failed_attempts = 1 AND state = 'ready' FROM dfsmr.instances)$$);
SELECT samples FROM learnt WHERE node = 'work';
SELECT attempt FROM dfsmr.ready('w2', 'learn');
SELECT * FROM leases;
SELECT dfsmr.tick(dfsmr.board_time() + interval '2 minutes');
-- What is rolled back does not.
BEGIN;
SELECT node FROM dfsmr.transition(:'a', 'ok', '{}', :visit, 'w1', 1);
ROLLBACK;
SELECT samples FROM learnt WHERE node = 'work';
SELECT node FROM dfsmr.transition(:'a', 'ok', '{}', :visit, 'w1', 1);
SELECT samples FROM learnt WHERE node = 'work';
SELECT node FROM dfsmr.transition(:'a', 'ok', '{}', :visit, 'w1', 1);
SELECT samples FROM learnt WHERE node = 'work';
\set VERBOSITY sqlstate
BEGIN;
SELECT node FROM dfsmr.transition(:'a', 'ok', '{}', :visit, 'w2', 2);
ROLLBACK;
SELECT node FROM dfsmr.transition(:'a', 'ok', '{}', :visit, 'w2', 2);
\set VERBOSITY default
SELECT samples FROM learnt WHERE node = 'work';

-- Who names no attempt is known by its client, unless that says nothing either.
SELECT visit, attempt FROM dfsmr.ready('w1', 'learn') \gset
SELECT dfsmr.tick(dfsmr.board_time() + interval '9 minutes');
CALL wait_for($$(SELECT failed_attempts = 1 AND state = 'ready' FROM dfsmr.instances)$$);
SELECT attempt FROM dfsmr.ready('w2', 'learn');
SELECT node FROM dfsmr.transition(:'a', 'ok', '{}', :visit, 'w1');
SELECT samples FROM learnt WHERE node = 'work';
\set VERBOSITY sqlstate
SELECT node FROM dfsmr.transition(:'a', 'ok', '{}', :visit, 'w3');
SELECT samples FROM learnt WHERE node = 'work';
SELECT node FROM dfsmr.transition(:'a', 'ok', '{}', :visit);
\set VERBOSITY default
SELECT samples FROM learnt WHERE node = 'work';
SELECT visit, attempt FROM dfsmr.ready('w1', 'learn') \gset
SELECT dfsmr.tick(dfsmr.board_time() + interval '9 minutes');
CALL wait_for($$(SELECT failed_attempts = 1 AND state = 'ready' FROM dfsmr.instances)$$);
SELECT attempt FROM dfsmr.ready('w1', 'learn');
SELECT node FROM dfsmr.transition(:'a', 'ok', '{}', :visit, 'w1');
SELECT samples AS as_before FROM learnt WHERE node = 'work';

-- These say nothing about how long it takes: giving it back, and what others do.
SELECT visit, attempt FROM dfsmr.ready('w1', 'learn') \gset
SELECT node FROM dfsmr.relinquish(:'a', :visit);
SELECT node FROM dfsmr.transition(:'a', 'ok', '{}', :visit, 'w1', :attempt);
SELECT samples AS as_before FROM learnt WHERE node = 'work';
SELECT visit, attempt FROM dfsmr.ready('w1', 'learn') \gset
SELECT dfsmr.move(:'a', 'work', 'again');
SELECT samples AS as_before FROM learnt WHERE node = 'work';
SELECT visit, attempt FROM dfsmr.ready('w1', 'learn') \gset
SELECT node FROM dfsmr.transition(:'a', 'ok');
SELECT samples AS as_before FROM learnt WHERE node = 'work';
-- (But that worker has worked, and says so.)
\set VERBOSITY sqlstate
SELECT node FROM dfsmr.transition(:'a', 'ok', '{}', :visit, 'w1', :attempt);
\set VERBOSITY default
SELECT samples FROM learnt WHERE node = 'work';

-- Bounds of the node hold for what is not known yet, too; growth ends at them.
SELECT node FROM dfsmr.transition(:'a', 'bound');
SELECT attempt FROM dfsmr.ready('w1', 'learn');
SELECT * FROM leases;
SELECT dfsmr.tick(dfsmr.board_time() + interval '21 minutes');
CALL wait_for($$(SELECT failed_attempts = 1 AND state = 'ready' FROM dfsmr.instances)$$);
SELECT attempt FROM dfsmr.ready('w1', 'learn');
SELECT * FROM leases;
SELECT dfsmr.tick(dfsmr.board_time() + interval '31 minutes');
CALL wait_for($$(SELECT failed_attempts = 2 AND state = 'ready' FROM dfsmr.instances)$$);
UPDATE dfsmr.instance SET attempt = 100000, failed_attempts = 100000, deliveries = 200000 WHERE id = :'a';
SELECT attempt FROM dfsmr.ready('w1', 'learn');
SELECT * FROM leases;
SELECT node FROM dfsmr.transition(:'a', 'ok');
-- (The quiet moment after rows that no call wrote.)
SELECT dfsmr.tick(dfsmr.board_time() + interval '10 s');

-- A fixed timeout does not grow, but its node learns for node_stats.
SELECT node FROM dfsmr.transition(:'a', 'fixed');
SELECT attempt FROM dfsmr.ready('w1', 'learn');
SELECT dfsmr.tick(dfsmr.board_time() + interval '11 minutes');
CALL wait_for($$(SELECT failed_attempts = 1 AND state = 'ready' FROM dfsmr.instances)$$);
SELECT attempt FROM dfsmr.ready('w1', 'learn');
SELECT * FROM leases;
SELECT visit FROM dfsmr.instances WHERE instance = :'a' \gset
SELECT node FROM dfsmr.transition(:'a', 'ok', '{}', :visit, 'w1', 2);
SELECT samples, timeout FROM learnt WHERE node = 'fixed';

-- A heartbeat renews by the timeout in force.  Where there is a rhythm of
-- heartbeats, who keeps to it is not cut off, however long it takes.
SELECT visit, attempt FROM dfsmr.ready('w1', 'learn') \gset
SELECT * FROM leases;
SELECT dfsmr.tick(dfsmr.board_time() + interval '1 minute');
SELECT about(dfsmr.heartbeat(:'a', :visit, :attempt) - dfsmr.board_time()) AS renewed;
SELECT node FROM dfsmr.transition(:'a', 'beat', '{}', :visit, 'w1', :attempt);
SELECT visit, attempt FROM dfsmr.ready('w1', 'learn') \gset
DO $$
BEGIN
    FOR n IN 1 .. 60 LOOP
        PERFORM dfsmr.tick(dfsmr.board_time() + interval '30 s');
        PERFORM dfsmr.heartbeat(instance, visit, attempt) FROM dfsmr.instances;
    END LOOP;
END $$;
SELECT attempt, failed_attempts FROM dfsmr.instances;
SELECT dfsmr.tick(dfsmr.board_time() + interval '61 s');
CALL wait_for($$(SELECT failed_attempts = 1 AND state = 'ready' FROM dfsmr.instances)$$);
SELECT node FROM dfsmr.transition(:'a', 'ok', '{}', :visit, 'w1', :attempt);
SELECT samples, p50 FROM learnt WHERE node = 'beat';

-- Another percentile; its timeout follows when the work gets slower.
SELECT node FROM dfsmr.transition(:'a', 'half');
CALL work(array_fill(1.5, '{15}') || array_fill(3.0, '{14}'));
SELECT * FROM learnt WHERE node = 'half';
CALL work('{3.0, 3.0, 3.0}');
SELECT * FROM learnt WHERE node = 'half';
SELECT dfsmr.abort(:'a');

-- Saved by the scheduler.
CALL wait_for($$(SELECT dfsmr.tick(dfsmr.board_time() + interval '11 s')) IS NOT NULL
    AND (SELECT count(*) = 4 FROM dfsmr.node_duration WHERE machine = 'learn')$$);

-- Counts of instances.
SELECT * FROM dfsmr.define($$
id: count
nodes:
  a: {start: true, transitions: {ok: wait, park: park}}
  wait: {delay: 1h, fire: ok, transitions: {ok: a}}
  park: {await: signal, timeout: 2d, on_timeout: ok, transitions: {ok: done}}
  done: {final: true}
$$);
SELECT dfsmr.tick(now());
SELECT count(dfsmr.start('count', key => n::text, delay => CASE WHEN n = 6 THEN '1 hour' ELSE '0' END::interval))
  FROM generate_series(1, 6) AS n;
SELECT t.node FROM dfsmr.instances AS i, dfsmr.transition(i.instance, CASE i.key WHEN '1' THEN 'ok' ELSE 'park' END) AS t
 WHERE i.key IN ('1', '2') ORDER BY 1;
SELECT count(*) FROM dfsmr.ready('w', 'count', max => 2);
SELECT machine, node, instances, ready, running, delayed, parked, paused, samples, p50, timeout
  FROM dfsmr.node_stats WHERE machine = 'count' ORDER BY node;
SELECT dfsmr.pause('count');
SELECT machine, node, instances, ready, running, delayed, parked, paused
  FROM dfsmr.node_stats WHERE machine = 'count' ORDER BY node;
SELECT dfsmr.resume('count');
SELECT count(dfsmr.abort(instance)) FROM dfsmr.instances WHERE state <> 'finished';
DROP VIEW learnt, leases;
DROP FUNCTION about;
DROP PROCEDURE wait_for;
DROP PROCEDURE work;
