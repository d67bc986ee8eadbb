-- transition(): the fence, the answer that is said again, data, delay, limits
-- of visits; signal(), move(), abort(); and what they refuse.
SET client_min_messages = error;
DROP EXTENSION IF EXISTS dfsmr CASCADE;
CREATE EXTENSION dfsmr;
SELECT * FROM dfsmr.define($$
id: trip
nodes:
  pack: {start: true, timeout: 1h, transitions: {ok: travel, nap: rest, stop: review, short: {to: rest, delay: 2h}}}
  travel: {timeout: 1h, transitions: {ok: home, back: pack}}
  rest:
    delay: {base: 1h, backoff: 2, max_delay: 3h}
    fire: wake
    max_visits: 3
    on_max_visits: give_up
    transitions: {wake: pack, give_up: lost}
  review: {await: signal, transitions: {accept: home, again: {to: pack, reset: true}}}
  home: {final: true}
  lost: {final: true, outcome: failure}
$$);
CREATE FUNCTION id(key text) RETURNS uuid LANGUAGE sql STABLE AS
    $$ SELECT instance FROM dfsmr.instances i WHERE i.key = id.key $$;
CREATE VIEW here AS SELECT key, node, state, visit, attempt, deliveries, outcome, params,
    node_params, data, note FROM dfsmr.instances;
SELECT dfsmr.start('trip', '{"to": "sea"}', id => '00000000-0000-0000-0000-00000000000a', key => 'a', data => '{"bags": 1, "hat": true}') IS NOT NULL AS started;

-- A worker's way.
SELECT instance AS a, visit, attempt FROM dfsmr.ready('w') \gset
SELECT * FROM dfsmr.allowed(:'a');
SELECT node, prev_node, visit FROM dfsmr.transition(:'a', 'ok', '{"seat": 5}', :visit, 'w', :attempt,
    data => '{"bags": 2}', note => 'packed');
SELECT * FROM here WHERE key = 'a';
-- The reply was lost: the same again gets the recorded answer, once.
SELECT node, prev_node, visit FROM dfsmr.transition(:'a', 'ok', '{"seat": 5}', :visit, 'w', :attempt);
-- Anything else about that visit is stale.
SELECT * FROM dfsmr.transition(:'a', 'nap', '{}', :visit, 'w', :attempt);
SELECT * FROM dfsmr.transition(:'a', 'ok', '{}', :visit, 'other', :attempt);
SELECT * FROM dfsmr.transition(:'a', 'ok', '{}', :visit);
SELECT * FROM dfsmr.transition(:'a', 'ok', '{}', 99, 'w', 1);
SELECT count(*) FROM dfsmr.changes WHERE instance = :'a' AND kind = 'transition';
-- Illegal edges list what is allowed.
SELECT * FROM dfsmr.transition(:'a', 'nap', '{}', 2);
SELECT node FROM dfsmr.transition(:'a', 'ok', '{}', 2);
SELECT * FROM here WHERE key = 'a';
SELECT * FROM dfsmr.transition(:'a', 'ok');
SELECT * FROM dfsmr.allowed(:'a');
SELECT kind, prev_node, transition, node, visit, attempt, client, note, node_params, data
  FROM dfsmr.history(:'a');

-- Timers: backoff by earlier visits, an edge's own delay, the caller's delay;
-- node params pass through; after max_visits it gives up at once.
SELECT dfsmr.start('trip', id => '00000000-0000-0000-0000-00000000000b', key => 'b') AS b \gset
CREATE VIEW due AS SELECT key, node, visit, node_params, round(extract(epoch FROM ready_at - entered_at) / 3600, 2) AS hours
    FROM dfsmr.instances;
SELECT node FROM dfsmr.transition(:'b', 'nap', '{"bed": 1}');
SELECT * FROM due WHERE key = 'b';
SELECT node FROM dfsmr.signal('trip', 'b', 'wake');
SELECT * FROM due WHERE key = 'b';
SELECT node FROM dfsmr.transition(:'b', 'nap');
SELECT * FROM due WHERE key = 'b';
SELECT node FROM dfsmr.signal('trip', 'b', 'wake');
SELECT node FROM dfsmr.transition(:'b', 'nap', delay => '10 hours');
SELECT * FROM due WHERE key = 'b';
SELECT node FROM dfsmr.signal('trip', 'b', 'wake');
SELECT node, prev_node, visit FROM dfsmr.transition(:'b', 'nap', '{}', 7, 'w', 1);
SELECT node, prev_node, visit FROM dfsmr.transition(:'b', 'nap', '{}', 7, 'w', 1);
SELECT * FROM here WHERE key = 'b';
SELECT kind, prev_node, transition, node, visit FROM dfsmr.history(:'b') WHERE visit >= 7;

-- reset forgets visits and backoff.
SELECT dfsmr.start('trip', id => '00000000-0000-0000-0000-00000000000c', key => 'c') AS c \gset
SELECT node FROM dfsmr.transition(:'c', 'nap');
SELECT node FROM dfsmr.signal('trip', 'c', 'wake');
SELECT node FROM dfsmr.transition(:'c', 'stop');
SELECT key, node, reason, detail FROM dfsmr.stuck WHERE key = 'c';
SELECT node FROM dfsmr.signal('trip', 'c', 'again', '{"by": "clerk"}', '{"hat": false}', note => 'once more');
SELECT * FROM here WHERE key = 'c';
SELECT node FROM dfsmr.transition(:'c', 'nap');
SELECT * FROM due WHERE key = 'c';
SELECT node FROM dfsmr.signal(NULL, NULL, 'wake', instance => :'c');
SELECT node FROM dfsmr.transition(:'c', 'short');
SELECT * FROM due WHERE key = 'c';

-- Signals: by key or instance, at parked and timer nodes alone.
SELECT * FROM dfsmr.signal('trip', 'nobody', 'wake');
SELECT * FROM dfsmr.signal('nowhere', 'c', 'wake');
SELECT * FROM dfsmr.signal('trip', 'c', 'accept');
SELECT * FROM dfsmr.signal('trip', NULL, 'accept');
SELECT * FROM dfsmr.signal(NULL, 'c', 'wake');
SELECT * FROM dfsmr.signal('other', NULL, 'wake', instance => :'c');
SELECT dfsmr.start('trip', id => '00000000-0000-0000-0000-00000000000d', key => 'd') AS d \gset
SELECT * FROM dfsmr.signal('trip', 'd', 'ok');
SELECT node FROM dfsmr.transition(:'d', 'stop');
SELECT node, outcome FROM dfsmr.signal('trip', 'd', 'accept');
SELECT * FROM dfsmr.signal(NULL, NULL, 'accept', instance => :'d');

-- Operators: off the edges, and to the end.
SELECT dfsmr.start('trip', id => '00000000-0000-0000-0000-00000000000e', key => 'e') AS e \gset
SELECT dfsmr.move(:'e', 'travel', 'a short cut', '{"seat": 1}');
SELECT * FROM here WHERE key = 'e';
SELECT dfsmr.move(:'e', 'nowhere', 'why not');
SELECT dfsmr.move(:'e', 'home', NULL);
SELECT dfsmr.abort(:'e', 'no more money');
SELECT * FROM here WHERE key = 'e';
SELECT * FROM dfsmr.allowed(:'e');
SELECT dfsmr.abort(:'e');
SELECT dfsmr.move(:'e', 'pack', 'back to life');
SELECT kind, prev_node, transition, node, visit, note FROM dfsmr.history(:'e');
-- Work that was handed out is refused after that.
SELECT dfsmr.start('trip', id => '00000000-0000-0000-0000-00000000000f', key => 'f') AS f \gset
SELECT visit, attempt FROM dfsmr.ready('w') WHERE key = 'f' \gset
SELECT dfsmr.abort(:'f');
SELECT dfsmr.heartbeat(:'f', :visit, :attempt);
SELECT * FROM dfsmr.transition(:'f', 'ok', '{}', :visit, 'w', :attempt);
-- The claim that the abort cut off counts as a delivery.
SELECT key, node, visit, deliveries FROM here WHERE key = 'f';

-- Refused, and nothing changed.
SELECT * FROM dfsmr.transition('00000000-0000-0000-0000-000000000000', 'ok');
SELECT * FROM dfsmr.transition(NULL, 'ok');
SELECT * FROM dfsmr.transition(:'c', NULL);
SELECT * FROM dfsmr.transition(:'c', 'wake', NULL);
SELECT * FROM dfsmr.transition(:'c', 'wake', '3');
SELECT * FROM dfsmr.transition(:'c', 'wake', data => '[]');
SELECT * FROM dfsmr.transition(:'c', 'wake', delay => '-1 s');
SELECT * FROM dfsmr.transition(:'c', repeat('x', 100000));
SELECT * FROM dfsmr.abort(NULL);
SELECT * FROM dfsmr.allowed('00000000-0000-0000-0000-000000000000');
SELECT * FROM dfsmr.history('00000000-0000-0000-0000-000000000000');
SELECT * FROM due WHERE key = 'c';

-- Rolled back, also to a savepoint.
BEGIN;
SELECT node FROM dfsmr.signal('trip', 'c', 'wake');
SAVEPOINT s;
SELECT node FROM dfsmr.transition(:'c', 'ok');
ROLLBACK TO s;
SELECT node FROM dfsmr.transition(:'c', 'stop');
ROLLBACK;
SELECT key, node, visit FROM here WHERE key = 'c';
DROP VIEW here, due;
DROP FUNCTION id;
-- Leave no lease behind: the smallest table has eight.
SELECT count(dfsmr.abort(instance)) >= 0 AS tidy FROM dfsmr.instances WHERE state = 'running';
