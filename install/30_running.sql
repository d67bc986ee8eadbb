-- Running: starting instances, handing them out, moving them.

-- What ready() hands out.
CREATE TYPE dfsmr.task AS (
    instance        uuid,
    machine         text,
    version         integer,
    node            text,
    visit           integer,
    attempt         integer,
    deliveries      integer,
    client          text,
    claimed_at      timestamptz,
    expires_at      timestamptz,
    priority        integer,
    key             text,
    lane            text,
    parent          uuid,
    params          jsonb,
    node_params     jsonb,
    data            jsonb,
    prev_node       text,
    prev_transition text,
    transitions     text[],
    started_at      timestamptz
);
COMMENT ON TYPE dfsmr.task IS
    'a piece of work: an instance at a task node, claimed until expires_at (null: until somebody decides); say one of the transitions with its visit';

-- start: a new instance of the machine's current version, at its start node.
-- id is made (UUIDv7) when NULL.  key is the caller's own name for it, unique
-- within the machine as key_reuse says; if_exists says what happens when the
-- key, or the id, is taken: error, return (that instance), skip (NULL).
-- priority (higher first) replaces that of the nodes.
-- Errors: SM001 unknown machine, SM006 params or data is no JSON object, SM008
-- exists, 22023 delay or if_exists, 42501 not allowed, SM012 not preloaded.
CREATE FUNCTION dfsmr.start(machine text, params jsonb DEFAULT '{}', id uuid DEFAULT NULL,
                            priority integer DEFAULT NULL, delay interval DEFAULT '0',
                            key text DEFAULT NULL, if_exists text DEFAULT 'error',
                            lane text DEFAULT NULL, parent uuid DEFAULT NULL,
                            data jsonb DEFAULT NULL, OUT instance uuid)
    AS 'MODULE_PATHNAME', 'dfsmr_start'
    LANGUAGE C VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT COST 1000;
COMMENT ON FUNCTION dfsmr.start(text, jsonb, uuid, integer, interval, text, text, text, uuid, jsonb) IS
    'start an instance of a machine; returns its id';

-- ready: claims up to max due tasks, best first: priority, then the time at
-- which they became ready, then id.  With wait it blocks for one to come, at
-- most dfsmr.max_wait.  No row is normal.  What is handed out at most once is
-- not inside a transaction block.
-- Errors: SM001 unknown machine or node, 22023 max or wait, 25001 at most once in
-- a transaction block, 42501, SM012.
CREATE FUNCTION dfsmr.ready(client text, machine text DEFAULT NULL, node text DEFAULT NULL,
                            max integer DEFAULT 1, wait interval DEFAULT '0')
    RETURNS SETOF dfsmr.task
    AS 'MODULE_PATHNAME', 'dfsmr_ready'
    LANGUAGE C VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT COST 1000 ROWS 1;
COMMENT ON FUNCTION dfsmr.ready(text, text, text, integer, interval) IS
    'claim tasks for a client: up to max of them, of one machine or node if given; wait is how long to wait for one';

-- transition: takes the edge; the answer is where the instance is now.  data
-- is merged into the instance's (top level), node_params go to the node that is
-- entered, delay replaces that of the node.  The same transition of the same
-- visit, client and attempt said again gets the recorded answer.
-- Errors: SM002 unknown instance, SM003 illegal transition, SM004 stale visit,
-- SM006 no JSON object, SM007 finished, SM009 visit required, 42501, SM012.
CREATE FUNCTION dfsmr.transition(instance uuid, transition text, node_params jsonb DEFAULT '{}',
                                 visit integer DEFAULT NULL, client text DEFAULT NULL,
                                 attempt integer DEFAULT NULL, data jsonb DEFAULT NULL,
                                 delay interval DEFAULT NULL, note text DEFAULT NULL)
    RETURNS TABLE (instance uuid, node text, prev_node text, visit integer)
    AS 'MODULE_PATHNAME', 'dfsmr_transition'
    LANGUAGE C VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT COST 1000 ROWS 1;
COMMENT ON FUNCTION dfsmr.transition(uuid, text, jsonb, integer, text, integer, jsonb, interval, text) IS
    'complete a visit by a transition; returns the node that the instance is in now';

-- The batch forms: one element of each array per item, and one row per item, in
-- the order given.  Arrays but the first, or the first two, may be left out; a
-- NULL element is the argument's default.  An item that is refused does not fail
-- the others: its outcome is the name of the error, and sqlstate, message and
-- detail are those that the call about one would raise.  Else the sqlstate is
-- 00000.  Items are worked on in the order of their ids (keys), so that batches
-- over the same ones do not deadlock.
-- Errors of the call: 2202E array of several dimensions or of another length,
-- 22004, 42501, SM001, SM012.

-- start_many: outcome is ok, returned or skipped (if_exists), exists ...
CREATE FUNCTION dfsmr.start_many(machine text, params jsonb[], ids uuid[] DEFAULT NULL,
                                 priorities integer[] DEFAULT NULL,
                                 delays interval[] DEFAULT NULL, keys text[] DEFAULT NULL,
                                 if_exists text DEFAULT 'error', lanes text[] DEFAULT NULL,
                                 parents uuid[] DEFAULT NULL, data jsonb[] DEFAULT NULL)
    RETURNS TABLE (item integer, instance uuid, outcome text, sqlstate text, message text,
                   detail text)
    AS 'MODULE_PATHNAME', 'dfsmr_start_many'
    LANGUAGE C VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT COST 10000 ROWS 100;
COMMENT ON FUNCTION dfsmr.start_many(text, jsonb[], uuid[], integer[], interval[], text[], text, text[], uuid[], jsonb[]) IS
    'start many instances of a machine; returns a row with the outcome for each';

-- transition_many: outcome is ok, repeated (the recorded answer), stale_visit ...
-- An item about an instance that an earlier item is about, too, is judged by what
-- that one has done.
CREATE FUNCTION dfsmr.transition_many(instances uuid[], transitions text[],
                                      visits integer[] DEFAULT NULL,
                                      attempts integer[] DEFAULT NULL,
                                      node_params jsonb[] DEFAULT NULL,
                                      data jsonb[] DEFAULT NULL, delays interval[] DEFAULT NULL,
                                      notes text[] DEFAULT NULL, client text DEFAULT NULL)
    RETURNS TABLE (item integer, instance uuid, outcome text, sqlstate text, message text,
                   detail text, node text, prev_node text, visit integer)
    AS 'MODULE_PATHNAME', 'dfsmr_transition_many'
    LANGUAGE C VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT COST 10000 ROWS 100;
COMMENT ON FUNCTION dfsmr.transition_many(uuid[], text[], integer[], integer[], jsonb[], jsonb[], interval[], text[], text) IS
    'complete many visits; returns a row with the outcome for each';

-- transition_and_ready: transition_many(), then ready(), in one call: the round
-- of a worker.  First a row for each item, with its number and outcome; instance,
-- node, prev_node and visit say where it is now.  Then a row for each task, whose
-- item is NULL.  It waits only if no item moved an instance: what is completed is
-- not held back until something else comes.
CREATE FUNCTION dfsmr.transition_and_ready(client text, instances uuid[], transitions text[],
                                           visits integer[] DEFAULT NULL,
                                           attempts integer[] DEFAULT NULL,
                                           node_params jsonb[] DEFAULT NULL,
                                           data jsonb[] DEFAULT NULL,
                                           delays interval[] DEFAULT NULL,
                                           notes text[] DEFAULT NULL,
                                           machine text DEFAULT NULL, node text DEFAULT NULL,
                                           max integer DEFAULT 1, wait interval DEFAULT '0')
    RETURNS TABLE (item integer, outcome text, sqlstate text, message text, detail text,
                   instance uuid, machine text, version integer, node text, visit integer,
                   attempt integer, deliveries integer, client text, claimed_at timestamptz,
                   expires_at timestamptz, priority integer, key text, lane text, parent uuid,
                   params jsonb, node_params jsonb, data jsonb, prev_node text,
                   prev_transition text, transitions text[], started_at timestamptz)
    AS 'MODULE_PATHNAME', 'dfsmr_transition_and_ready'
    LANGUAGE C VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT COST 10000 ROWS 100;
COMMENT ON FUNCTION dfsmr.transition_and_ready(text, uuid[], text[], integer[], integer[], jsonb[], jsonb[], interval[], text[], text, text, integer, interval) IS
    'complete many visits and claim the next tasks: outcomes first, then tasks';

-- relinquish: gives a task back unworked; it counts neither as an attempt nor
-- as a retry.  delay is how long nobody is offered it.
-- Errors: SM002, SM004, SM007, SM009, SM010 no such lease, 22023, 42501, SM012.
CREATE FUNCTION dfsmr.relinquish(instance uuid, visit integer DEFAULT NULL,
                                 delay interval DEFAULT '0', attempt integer DEFAULT NULL,
                                 note text DEFAULT NULL)
    RETURNS TABLE (instance uuid, node text)
    AS 'MODULE_PATHNAME', 'dfsmr_relinquish'
    LANGUAGE C VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT COST 1000 ROWS 1;
COMMENT ON FUNCTION dfsmr.relinquish(uuid, integer, interval, integer, text) IS
    'give a claimed task back, so that another worker gets it';

-- heartbeat: the worker is alive; returns when the lease runs out now, NULL when
-- it does not (at most once).  A stale one raises, so that a worker learns early
-- that it was superseded.
-- Errors: SM002, SM004 stale visit, SM007, SM010 stale lease, 42501, SM012.
CREATE FUNCTION dfsmr.heartbeat(instance uuid, visit integer, attempt integer DEFAULT NULL)
    RETURNS timestamptz
    AS 'MODULE_PATHNAME', 'dfsmr_heartbeat'
    LANGUAGE C VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT COST 100;
COMMENT ON FUNCTION dfsmr.heartbeat(uuid, integer, integer) IS
    'renew the lease of a task; returns the time at which it runs out now';

-- signal: for outsiders who know the key or the instance, not the visit: moves
-- a parked or timer node along a declared transition.  outcome is success or
-- failure when that finished the instance.
-- Errors: SM001, SM002, SM003, SM006, SM007, 42501, SM012.
CREATE FUNCTION dfsmr.signal(machine text, key text, transition text,
                             node_params jsonb DEFAULT '{}', data jsonb DEFAULT NULL,
                             instance uuid DEFAULT NULL, note text DEFAULT NULL)
    RETURNS TABLE (instance uuid, node text, outcome text)
    AS 'MODULE_PATHNAME', 'dfsmr_signal'
    LANGUAGE C VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT COST 1000 ROWS 1;
COMMENT ON FUNCTION dfsmr.signal(text, text, text, jsonb, jsonb, uuid, text) IS
    'move an instance that waits, from outside, along a transition; by its key or its id';

-- abort: ends an instance in the final system node dfsmr.aborted.
-- Errors: SM002, SM007, 42501, SM012.
CREATE FUNCTION dfsmr.abort(instance uuid, reason text DEFAULT NULL) RETURNS void
    AS 'MODULE_PATHNAME', 'dfsmr_abort'
    LANGUAGE C VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT COST 1000;
COMMENT ON FUNCTION dfsmr.abort(uuid, text) IS
    'end an instance, as a failure, wherever it is; its worker is refused when it completes';

-- move: to any node of its version, off the edges; the reason is logged.
-- Errors: SM001 unknown node, SM002, SM006, SM007, 42501, SM012.
CREATE FUNCTION dfsmr.move(instance uuid, node text, reason text, node_params jsonb DEFAULT '{}')
    RETURNS void
    AS 'MODULE_PATHNAME', 'dfsmr_move'
    LANGUAGE C VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT COST 1000;
COMMENT ON FUNCTION dfsmr.move(uuid, text, text, jsonb) IS
    'move an instance to any node, past the edges: for operators, with a reason';

-- pause: claims and timers stop, of the machine or of one node; starts,
-- completions, heartbeats and signals go on.
-- Errors: SM001, 42501, SM012.
CREATE FUNCTION dfsmr.pause(machine text, node text DEFAULT NULL, reason text DEFAULT NULL)
    RETURNS void
    AS 'MODULE_PATHNAME', 'dfsmr_pause'
    LANGUAGE C VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT COST 1000;
COMMENT ON FUNCTION dfsmr.pause(text, text, text) IS
    'stop claims and timers of a machine or of one of its nodes';

-- resume: ends a pause, of the machine or of one node, as it was said.
-- Errors: SM001, 42501, SM012.
CREATE FUNCTION dfsmr.resume(machine text, node text DEFAULT NULL) RETURNS void
    AS 'MODULE_PATHNAME', 'dfsmr_resume'
    LANGUAGE C VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT COST 1000;
COMMENT ON FUNCTION dfsmr.resume(text, text) IS
    'let claims and timers of a machine or of one of its nodes go on';

-- allowed: the transitions that may be said now, with the nodes they lead to.
-- Errors: SM002, 42501.
CREATE FUNCTION dfsmr.allowed(instance uuid)
    RETURNS TABLE (transition text, node text)
    AS 'MODULE_PATHNAME', 'dfsmr_allowed'
    LANGUAGE C VOLATILE PARALLEL RESTRICTED CALLED ON NULL INPUT COST 100 ROWS 5;
COMMENT ON FUNCTION dfsmr.allowed(uuid) IS
    'the transitions that an instance may take from where it is, and where they lead';
