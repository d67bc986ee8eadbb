-- validate(): every fault at once, with severity, line, place and what to do.
-- The wording of every single check is proved by test/unit/findings.txt; here
-- is what SQL adds: the shape of the answer, hostile and odd input, rights.

-- A definition in which nothing is wrong gives no row.
SELECT * FROM dfsmr.validate($$
id: crawler
key_reuse: never
breaker: {window: 60s, min_attempts: 20, max_retry_ratio: 0.5, probe_rate: 1/s}
nodes:
  crawl:
    start: true
    priority: 10
    timeout: p95
    timeout_min: 1s
    timeout_max: 10m
    heartbeat: 10s
    redeliver: {base: 1s, backoff: 2.0}
    max_attempts: 5
    on_exhausted: error
    transitions: {ok: store, error: wait}
  store:
    timeout: 30s
    delivery: at_most_once
    on_timeout: lost
    transitions: {ok: success, lost: failed}
  wait:
    delay: {base: 30s, backoff: 2.0, max_delay: 1h, jitter: full}
    fire: ok
    max_visits: 8
    on_max_visits: give_up
    max_elapsed: 3d
    on_max_elapsed: give_up
    transitions: {ok: crawl, give_up: {to: dead}}
  dead:
    await: signal
    transitions: {redrive: {to: crawl, reset: true}, drop: failed}
  success: {final: true}
  failed: {final: true, outcome: failure}
$$);

-- The form of the original, byte for byte: accepted, with a warning.
SELECT * FROM dfsmr.validate('id: crawler
nodes:
  crawl:
    start: true
    transitions:
      ok: success
      error: wait
  wait:
    transitions:
      ok: crawl
  success:
    final: true
');

-- Its timeouts: percentiles, seconds, and 0 for at most once.  A number without
-- a strategy is a percentile, and is warned for.
SELECT * FROM dfsmr.validate('id: m
nodes:
  a: {start: true, timeout_strategy: fixed, timeout: 30.0, transitions: {ok: b}}
  b: {timeout_strategy: percentile, timeout: 95.0, transitions: {ok: c}}
  c: {timeout: 95.0, transitions: {ok: d}}
  d: {timeout_strategy: fixed, timeout: 0.0, transitions: {ok: e}}
  e: {final: true}
');

-- Keys of time and failure that contradict each other.
SELECT * FROM dfsmr.validate('id: m
breaker: {window: 10ms, max_retry_ratio: 2, probe_rate: 1}
nodes:
  a: {start: true, timeout: 0, max_attempts: 3, on_exhausted: ok, redeliver: 1s, heartbeat: 1s, transitions: {ok: b}}
  b: {timeout: p101, delivery: at_most_once, transitions: {ok: c}}
  c: {timeout: 10s, timeout_min: 1s, heartbeat: 10s, max_elapsed: 1h, transitions: {ok: d}}
  d: {timeout_min: 2m, timeout_max: 1m, max_attempts: 2, on_exhausted: nowhere, retry: true, transitions: {ok: e}}
  e: {timeout: p20, transitions: {ok: f}}
  f: {final: true}
');

-- All in one go, sorted by line.
SELECT * FROM dfsmr.validate($$id: 9lives
colour: blue
nodes:
  crawl:
    start: yes
    timout: 30s
    priority: high
    transitions:
      ok: sucess
      ok: success
      error: wait
  wait:
    delay: {base: 30, backoff: 0.5}
    on_max_visits: give_up
    transitions: {ok: crawl, give_up: nowhere}
  wait: {final: true}
  success: {final: true, outcome: great}
  lonely: {await: signal, delay: 1s, transitions: {ok: lonely}}
$$);

-- The checks of the whole graph.
SELECT line, place, message FROM dfsmr.validate('id: m
nodes:
  a: {start: true, transitions: {ok: b, trap: t, spin: s}}
  b: {final: true}
  t: {await: signal, transitions: {again: t}}
  s: {delay: 0s, fire: ok, transitions: {ok: s, out: b}}
  u: {transitions: {ok: b}}
');
SELECT line, place, message FROM dfsmr.validate('{id: m, nodes: {a: {transitions: {ok: a}}}}');

-- JSON, and jsonb as PostgreSQL prints it.
SELECT * FROM dfsmr.validate(jsonb_build_object('id', 'm', 'nodes', jsonb_build_object(
    'a', '{"start": true, "timeout": "30s", "transitions": {"ok": "b"}}'::jsonb,
    'b', '{"final": true}'::jsonb))::text);
SELECT * FROM dfsmr.validate('{"id": "m", "nodes": {"a": {"start": true, "transitions": {"ok": "b"}}, "b": {"final": true}}} }');
SELECT * FROM dfsmr.validate('{"id": "m", "nodes": {"a": {"start": true');

-- What is not one plain document.
SELECT * FROM dfsmr.validate('');
SELECT * FROM dfsmr.validate('just text');
SELECT * FROM dfsmr.validate(E'id: m\n---\nid: n');
SELECT * FROM dfsmr.validate(E'id: &x m\nnodes: *x\nkey_reuse: !!str never');
SELECT * FROM dfsmr.validate(E'id: m\nnodes:\n\ta: {}');
SELECT * FROM dfsmr.validate(NULL);

-- Hostile ones: refused, and at once.
SET statement_timeout = '2s';
SELECT * FROM dfsmr.validate(repeat('[', 10000));
SELECT * FROM dfsmr.validate(repeat('{"a":', 10000));
SELECT * FROM dfsmr.validate(repeat('- ', 10000));
SELECT * FROM dfsmr.validate(repeat('x', 1000000));
SELECT length(message) < 300 AS short, length(place) < 300 AS place FROM dfsmr.validate('{"' || repeat('x', 200000) || '": 1, "id": "m", "nodes": 1}');
SELECT count(*) FROM dfsmr.validate('nodes: {' || (SELECT string_agg('k' || i, ', ') FROM generate_series(1, 20000) AS i) || '}');
RESET statement_timeout;

-- It reads no table, so that a role that may do nothing else may call it.
CREATE ROLE regress_validate;
SET ROLE regress_validate;
SELECT * FROM dfsmr.validate('id: m');
RESET ROLE;
GRANT USAGE ON SCHEMA dfsmr TO regress_validate;
GRANT EXECUTE ON FUNCTION dfsmr.validate TO regress_validate;
SET ROLE regress_validate;
SELECT * FROM dfsmr.validate('id: m');
RESET ROLE;
DROP OWNED BY regress_validate;
DROP ROLE regress_validate;
