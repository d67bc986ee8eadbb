-- Watching: where instances are, what is on the board, what is stuck.

-- What the board knows; the views below join it with rows one may read.
CREATE FUNCTION dfsmr.board_leases()
    RETURNS TABLE (instance uuid, visit integer, attempt integer, deliveries integer,
                   client text, claimed_at timestamptz, expires_at timestamptz)
    AS 'MODULE_PATHNAME', 'dfsmr_board_leases'
    LANGUAGE C VOLATILE PARALLEL RESTRICTED STRICT COST 1000 ROWS 100;
COMMENT ON FUNCTION dfsmr.board_leases() IS 'leases on the board; what the view instances is made of';

CREATE FUNCTION dfsmr.board_status()
    RETURNS TABLE (item text, machine text, node text, used bigint, size bigint,
                   frontier text, refills bigint, evictions bigint)
    AS 'MODULE_PATHNAME', 'dfsmr_board_status'
    LANGUAGE C VOLATILE PARALLEL RESTRICTED STRICT COST 1000 ROWS 20;
COMMENT ON FUNCTION dfsmr.board_status() IS 'sizes and counters of the board; what the view status is made of';

CREATE FUNCTION dfsmr.board_time() RETURNS timestamptz
    AS 'MODULE_PATHNAME', 'dfsmr_board_time'
    LANGUAGE C STABLE PARALLEL RESTRICTED STRICT COST 10;
COMMENT ON FUNCTION dfsmr.board_time() IS
    'the time by which what is due is judged: the wall clock, but never going back';

CREATE FUNCTION dfsmr.node_durations()
    RETURNS TABLE (machine text, node text, samples bigint, p50 interval, p95 interval,
                   p99 interval, timeout interval)
    AS 'MODULE_PATHNAME', 'dfsmr_node_durations'
    LANGUAGE C VOLATILE PARALLEL RESTRICTED STRICT COST 1000 ROWS 100;
COMMENT ON FUNCTION dfsmr.node_durations() IS
    'past durations and timeouts of nodes; what the view node_stats is made of';

-- instances: one row each.  Leases come from the board; those that have finished
-- and left the table come from the change that finished them.
-- The two are a subquery: a view that is nothing but a UNION ALL would be taken
-- apart by the planner, and its barrier with it.
CREATE VIEW dfsmr.instances WITH (security_barrier) AS
    SELECT i.instance, i.machine, i.version, i.key, i.lane, i.parent, i.node, i.state,
           i.outcome, i.visit, i.attempt, i.deliveries, i.failed_attempts, i.priority,
           i.started_at, i.entered_at, i.ready_at, i.finished_at, i.client, i.claimed_at,
           i.expires_at, i.params, i.node_params, i.data, i.note
      FROM (
        SELECT i.id AS instance,
               i.machine,
               i.version,
               i.key,
               i.lane,
               i.parent,
               i.node,
               CASE WHEN i.kind = 'f' THEN 'finished'
                    WHEN i.kind = 'h' OR l.instance IS NOT NULL THEN 'running'
                    WHEN i.kind <> 'p' AND p.paused THEN 'paused'
                    WHEN i.kind = 'p' THEN 'parked'
                    WHEN i.kind = 'd' OR (i.delayed AND i.ready_at > t.now) THEN 'delayed'
                    ELSE 'ready'
               END AS state,
               i.outcome,
               i.visit,
               coalesce(l.attempt, i.attempt) AS attempt,
               coalesce(l.deliveries, i.deliveries) AS deliveries,
               i.failed_attempts,
               -i.neg_priority AS priority,
               i.started_at,
               i.entered_at,
               i.ready_at,
               i.finished_at,
               coalesce(i.held_by, l.client) AS client,
               coalesce(i.held_since, l.claimed_at) AS claimed_at,
               CASE WHEN i.kind = 'h' THEN i.ready_at ELSE l.expires_at END AS expires_at,
               i.params,
               i.node_params,
               i.data,
               i.note
          FROM dfsmr.instance AS i
          CROSS JOIN (SELECT dfsmr.board_time() AS now) AS t
          LEFT JOIN dfsmr.board_leases() AS l
            ON l.instance = i.id AND l.visit = i.visit AND i.kind IN ('t', 'h')
          LEFT JOIN LATERAL (
                SELECT true AS paused
                  FROM dfsmr.pause AS p
                 WHERE p.machine = i.machine AND p.node IN ('', i.node)
                 LIMIT 1) AS p ON true
         WHERE dfsmr.may_read(i.machine)
        UNION ALL
        SELECT c.instance, c.machine, c.version, c.key, c.lane, c.parent, c.node,
               'finished', c.outcome, c.visit, 0, c.deliveries, 0, c.priority,
               c.started_at, c.finished_at, NULL, c.finished_at, NULL, NULL, NULL,
               c.params, c.last_node_params, c.last_data, c.last_note
          FROM dfsmr.change AS c
         WHERE c.outcome IS NOT NULL AND c.params IS NOT NULL AND dfsmr.may_read(c.machine)
      ) AS i;
COMMENT ON VIEW dfsmr.instances IS 'where instances are: one row each, with who works on it';
COMMENT ON COLUMN dfsmr.instances.state IS
    'ready, running (claimed; at most once also when nobody knows whether the holder lives), delayed, parked (waits for a signal), paused, finished';
COMMENT ON COLUMN dfsmr.instances.visit IS 'node entries so far: the token that a completion must name';
COMMENT ON COLUMN dfsmr.instances.attempt IS 'number of the latest claim of this visit';
COMMENT ON COLUMN dfsmr.instances.deliveries IS 'claims of the instance so far';
COMMENT ON COLUMN dfsmr.instances.failed_attempts IS 'claims of this visit that ran out';
COMMENT ON COLUMN dfsmr.instances.ready_at IS
    'task: claimable from then on; timer, parked, or held at most once: moves by itself then; NULL never';
COMMENT ON COLUMN dfsmr.instances.client IS 'who holds the lease, or the claim at most once';

-- node_stats: where instances are and how long the work takes, per node.  It
-- reads the rows of all unfinished instances, which no index has all of.
CREATE VIEW dfsmr.node_stats WITH (security_barrier) AS
    SELECT d.machine,
           d.node,
           coalesce(c.instances, 0) AS instances,
           CASE WHEN p.paused THEN 0 ELSE coalesce(c.ready, 0) END AS ready,
           coalesce(c.running, 0) AS running,
           CASE WHEN p.paused THEN 0 ELSE coalesce(c.delayed, 0) END AS delayed,
           coalesce(c.parked, 0) AS parked,
           CASE WHEN p.paused THEN coalesce(c.ready + c.delayed, 0) ELSE 0 END AS paused,
           d.samples,
           d.p50,
           d.p95,
           d.p99,
           d.timeout
      FROM dfsmr.node_durations() AS d
      LEFT JOIN (
            SELECT s.machine,
                   s.node,
                   count(*) AS instances,
                   count(*) FILTER (WHERE s.state = 'ready') AS ready,
                   count(*) FILTER (WHERE s.state = 'running') AS running,
                   count(*) FILTER (WHERE s.state = 'delayed') AS delayed,
                   count(*) FILTER (WHERE s.state = 'parked') AS parked
              FROM (SELECT i.machine,
                           i.node,
                           CASE WHEN i.kind = 'h' OR l.instance IS NOT NULL THEN 'running'
                                WHEN i.kind = 'p' THEN 'parked'
                                WHEN i.kind = 'd' OR (i.delayed AND i.ready_at > t.now) THEN 'delayed'
                                ELSE 'ready'
                           END AS state
                      FROM dfsmr.instance AS i
                      CROSS JOIN (SELECT dfsmr.board_time() AS now) AS t
                      LEFT JOIN dfsmr.board_leases() AS l
                        ON l.instance = i.id AND l.visit = i.visit AND i.kind IN ('t', 'h')
                     WHERE i.kind <> 'f') AS s
             GROUP BY s.machine, s.node) AS c
        ON c.machine = d.machine AND c.node = d.node
      LEFT JOIN LATERAL (
            SELECT true AS paused
              FROM dfsmr.pause AS p
             WHERE p.machine = d.machine AND p.node IN ('', d.node)
             LIMIT 1) AS p ON true;
COMMENT ON VIEW dfsmr.node_stats IS
    'per machine and node: instances that are there, durations of past work, the timeout in force';
COMMENT ON COLUMN dfsmr.node_stats.instances IS 'unfinished instances at the node: the sum of the next five';
COMMENT ON COLUMN dfsmr.node_stats.ready IS 'to be claimed now';
COMMENT ON COLUMN dfsmr.node_stats.running IS 'claimed';
COMMENT ON COLUMN dfsmr.node_stats.delayed IS 'at a timer, or not offered yet';
COMMENT ON COLUMN dfsmr.node_stats.parked IS 'waiting for a signal';
COMMENT ON COLUMN dfsmr.node_stats.paused IS 'would be ready or delayed, but node or machine are paused';
COMMENT ON COLUMN dfsmr.node_stats.samples IS 'past durations that are remembered, from claim to completion';
COMMENT ON COLUMN dfsmr.node_stats.p50 IS 'half of them did not take longer; within two percent, as p95 and p99';
COMMENT ON COLUMN dfsmr.node_stats.timeout IS
    'of a first attempt that is claimed now, by the current version; NULL: none';

-- status: the board.
CREATE VIEW dfsmr.status WITH (security_barrier) AS
    SELECT s.item, s.machine, s.node, s.used, s.size, s.frontier, s.refills, s.evictions
      FROM dfsmr.board_status() AS s;
COMMENT ON VIEW dfsmr.status IS
    'what is on the board: sizes, what of them is used, how far sets are known, counters; empty when not preloaded';
COMMENT ON COLUMN dfsmr.status.frontier IS
    'up to where the set is complete: everything, nothing, or a place in its order';

CREATE FUNCTION dfsmr.board_breakers()
    RETURNS TABLE (machine text, version integer, state text, since timestamptz,
                   deliveries bigint, retries bigint, probes integer, succeeded integer,
                   next_probe_at timestamptz, window_length interval, min_attempts integer,
                   max_retry_ratio double precision, probe_rate double precision)
    AS 'MODULE_PATHNAME', 'dfsmr_board_breakers'
    LANGUAGE C VOLATILE PARALLEL RESTRICTED STRICT COST 1000 ROWS 10;
COMMENT ON FUNCTION dfsmr.board_breakers() IS
    'circuit breakers on the board; what the view breakers is made of';

-- breakers: one row for each machine whose current version declares one.
CREATE VIEW dfsmr.breakers WITH (security_barrier) AS
    SELECT b.machine, b.version, b.state, b.since, b.deliveries, b.retries,
           b.retries / nullif(b.deliveries, 0)::double precision AS ratio,
           b.probes, b.succeeded, b.next_probe_at,
           b.window_length, b.min_attempts, b.max_retry_ratio, b.probe_rate
      FROM dfsmr.board_breakers() AS b;
COMMENT ON VIEW dfsmr.breakers IS
    'circuit breakers: one row for each machine that declares one, what it has counted and what its limits are';
COMMENT ON COLUMN dfsmr.breakers.state IS
    'closed: all flows; open: retries go out as probes only; NULL when not preloaded, and on a standby';
COMMENT ON COLUMN dfsmr.breakers.since IS 'it opened or closed then, or began to count';
COMMENT ON COLUMN dfsmr.breakers.deliveries IS 'tasks handed out within the window';
COMMENT ON COLUMN dfsmr.breakers.retries IS '... that were retries';
COMMENT ON COLUMN dfsmr.breakers.ratio IS 'retries of deliveries';
COMMENT ON COLUMN dfsmr.breakers.probes IS 'probes that have ended since the last verdict; ten make one';
COMMENT ON COLUMN dfsmr.breakers.succeeded IS '... and succeeded; half of them close it';
COMMENT ON COLUMN dfsmr.breakers.next_probe_at IS 'open: when the next retry may go out';
COMMENT ON COLUMN dfsmr.breakers.probe_rate IS 'probes a second';

-- stuck: what needs somebody to look at it.  An overdue row is one that the
-- scheduler should have moved ten seconds ago.
CREATE VIEW dfsmr.stuck WITH (security_barrier) AS
    SELECT s.instance, s.machine, s.node, s.key, s.since, s.reason, s.detail, s.hint
      FROM (
        SELECT i.instance, i.machine, i.node, i.key, p.since, 'paused' AS reason,
               format('paused by %s: %s', p.by_role, coalesce(p.reason, 'no reason given')) AS detail,
               format('SELECT dfsmr.resume(%L%s);', p.machine,
                      CASE WHEN p.node <> '' THEN format(', %L', p.node) ELSE '' END) AS hint
          FROM dfsmr.instances AS i
          JOIN dfsmr.pause AS p ON p.machine = i.machine AND p.node IN ('', i.node)
         WHERE i.state = 'paused'
        UNION ALL
        SELECT i.instance, i.machine, i.node, i.key, i.entered_at, 'parked',
               'nothing moves it by itself; it waits for a signal',
               format('SELECT * FROM dfsmr.signal(NULL, NULL, %L, instance => %L);',
                      'TRANSITION', i.instance)
          FROM dfsmr.instances AS i
         WHERE i.state = 'parked' AND i.ready_at IS NULL
        UNION ALL
        SELECT i.instance, i.machine, i.node, i.key, i.claimed_at, 'at most once',
               format('handed out once, to client %s, which has not been heard of for too long', i.client),
               format('Find out what became of it. SELECT * FROM dfsmr.transition(%L, %L, visit => %s); '
                      'or, to hand it out again: SELECT * FROM dfsmr.relinquish(%L, %s);',
                      i.instance, 'TRANSITION', i.visit, i.instance, i.visit)
          FROM dfsmr.instances AS i
          LEFT JOIN dfsmr.board_leases() AS l ON l.instance = i.instance AND l.visit = i.visit
         WHERE i.state = 'running' AND i.expires_at IS NULL AND l.instance IS NULL
        UNION ALL
        SELECT i.instance, i.machine, i.node, i.key, i.expires_at, 'overdue lease',
               format('the lease of client %s ran out but was not taken back',
                      coalesce(i.client, '(not known)')),
               'Is a scheduler running (pg_stat_activity), and is the row locked (pg_locks)?'
          FROM dfsmr.instances AS i
         WHERE i.expires_at < dfsmr.board_time() - interval '10 s'
        UNION ALL
        SELECT i.instance, i.machine, i.node, i.key, i.ready_at, 'overdue timer',
               'it was due but did not fire',
               'Is a scheduler running (pg_stat_activity), and is the row locked (pg_locks)?'
          FROM dfsmr.instances AS i
         WHERE i.state IN ('delayed', 'parked') AND i.ready_at < dfsmr.board_time() - interval '10 s'
      ) AS s;
COMMENT ON VIEW dfsmr.stuck IS 'instances that need somebody to look at them, why, and what to do';
