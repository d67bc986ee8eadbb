-- Index entries: calls write them past the executor, and judge the predicates
-- of partial indexes themselves.  That both mean the same is shown by amcheck,
-- which looks for each row of the table in each index that should have it, and
-- by scans of the partial indexes, which find what should not be there: the
-- planner leaves out a condition that the index promises.
SET client_min_messages = warning;
CREATE EXTENSION amcheck;
CREATE FUNCTION check_indexes() RETURNS TABLE (index name, verdict text) LANGUAGE plpgsql AS $$
DECLARE
    one record;
    found_by_scan bigint;
    found_by_index bigint;
    plan text;
BEGIN
    FOR one IN
        SELECT i.indexrelid, c.relname, i.indrelid::regclass AS owner,
               coalesce(pg_get_expr(i.indpred, i.indrelid), 'true') AS predicate
        FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
        WHERE i.indrelid IN ('dfsmr.instance'::regclass,
                             (SELECT tableoid FROM dfsmr.change ORDER BY seq DESC LIMIT 1))
        ORDER BY c.relname
    LOOP
        -- Which member of the ring is written is no matter.
        index := regexp_replace(one.relname, '^change_\d', 'change_n');
        PERFORM bt_index_check(one.indexrelid, heapallindexed => true);
        PERFORM set_config('enable_seqscan', 'on', true), set_config('enable_indexscan', 'off', true),
                set_config('enable_indexonlyscan', 'off', true);
        EXECUTE format('SELECT count(*) FROM %s WHERE %s', one.owner, one.predicate) INTO found_by_scan;
        PERFORM set_config('enable_seqscan', 'off', true), set_config('enable_indexscan', 'on', true);
        EXECUTE format('SELECT count(*) FROM %s WHERE %s', one.owner, one.predicate) INTO found_by_index;
        EXECUTE format('EXPLAIN (FORMAT json) SELECT count(*) FROM %s WHERE %s', one.owner, one.predicate)
            INTO plan;
        verdict := CASE
            WHEN found_by_scan = 0 THEN 'has not been tested'
            WHEN one.predicate <> 'true' AND strpos(plan, one.relname) = 0 THEN 'was not used'
            WHEN found_by_index = found_by_scan THEN 'agrees'
            ELSE format('%s entries for %s rows', found_by_index, found_by_scan) END;
        RETURN NEXT;
    END LOOP;
END $$;
SET enable_bitmapscan = off;

SELECT machine FROM dfsmr.define('
id: indexes
key_reuse: finished
nodes:
  work:
    start: true
    timeout: 0
    transitions: {ok: success, pause: wait, ask: review, later: {to: next, delay: 1h}}
  next:
    timeout: 30s
    transitions: {ok: success, back: work}
  wait: {delay: 1h, transitions: {go: work}}
  review: {await: signal, timeout: 24h, on_timeout: no, transitions: {yes: success, no: failed}}
  success: {final: true}
  failed: {final: true, outcome: failure}
');

-- Some of each kind: ready, delayed, timer, parked, finished, held, with and
-- without key.
SELECT count(dfsmr.start('indexes', key => CASE WHEN n % 2 = 0 THEN n::text END, lane => n::text,
                         delay => CASE WHEN n % 7 = 0 THEN interval '1h' ELSE '0' END))
FROM generate_series(1, 60) AS n;
SELECT t.node, count(*) FROM dfsmr.instances AS i,
    dfsmr.transition(i.instance, (ARRAY['ok', 'pause', 'ask', 'later'])[1 + i.lane::int % 5]) AS t
WHERE i.state = 'ready' AND i.lane::int % 5 < 4 GROUP BY t.node ORDER BY t.node;
SELECT count(*) > 0 AS claimed FROM dfsmr.ready('worker', 'indexes', max => 5);
SELECT count(*) AS back FROM dfsmr.instances AS i,
    dfsmr.move(i.instance, 'work', 'test') WHERE i.node = 'wait';
SELECT count(*) > 0 AS claimed FROM dfsmr.ready('worker', 'indexes', max => 3);

ANALYZE dfsmr.instance, dfsmr.change;
SELECT * FROM check_indexes();

-- Another index: everything goes by the executor, and it is kept up too.
CREATE INDEX instance_lane ON dfsmr.instance (lane) WHERE visit > 1;
CREATE INDEX change_at ON dfsmr.change (at);
SELECT count(dfsmr.start('indexes', lane => 'a')) FROM generate_series(1, 10);
SELECT count(*) AS moved FROM dfsmr.instances AS i, dfsmr.transition(i.instance, 'later') AS t
WHERE i.lane = 'a';
ANALYZE dfsmr.instance, dfsmr.change;
SELECT * FROM check_indexes();

DROP INDEX dfsmr.instance_lane, dfsmr.change_at;
DROP FUNCTION check_indexes();
DROP EXTENSION amcheck;
