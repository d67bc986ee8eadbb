"""Claim and complete in batches of 100 with 8 sessions, with history: against a
textbook queue without, and against the peers at their best documented settings;
and in one session, per second of processor time of the server, against one
statement that updates 100 rows by key and inserts 100 rows of log."""

from peers import graphile_worker, pg_boss, pgq
from processes import cpu_seconds
from rows import Row, Skipped
from work import (JOB, ITEM_ID, NOTHING_CLAIMED, complete_and_claim, fill_items, fill_queue,
                  start_jobs_many)

TITLE = "claim + complete in batches of 100"

READY = r"""
SELECT array_agg(instance) AS instances, array_agg(visit) AS visits, array_agg(attempt) AS attempts
FROM dfsmr.ready('worker', 'job', max => 100) \gset
SELECT count(*) FROM dfsmr.transition_many(:instances, array_fill('ok'::text, ARRAY[cardinality(:instances::uuid[])]),
    visits => :visits, attempts => :attempts, client => 'worker');
"""

TEXTBOOK = r"""
WITH claimed AS (
    UPDATE queue.job SET status = 'running', attempts = attempts + 1, claimed_by = 'worker', claimed_at = now()
    WHERE id IN (SELECT id FROM queue.job WHERE status = 'ready' AND run_at <= now()
                 ORDER BY priority DESC, run_at, id LIMIT 100 FOR UPDATE SKIP LOCKED)
    RETURNING id, payload)
SELECT array_agg(id) AS ids FROM claimed \gset
UPDATE queue.job SET status = 'done', finished_at = now() WHERE id = ANY (:ids);
"""

# A hundred rows next to each other, another hundred each time.
UPDATE_100 = r"""
\set first random(1, :items - 100)
WITH moved AS (
    UPDATE reference.item
    SET node = CASE node WHEN 'a' THEN 'b' ELSE 'a' END, visit = visit + 1, entered_at = now()
    WHERE id = ANY (ARRAY(SELECT """ + ITEM_ID.format(n="n") + r"""
                          FROM generate_series(:first::int, :first::int + 99) AS n))
    RETURNING id, node, visit)
INSERT INTO reference.log (at, item, node, visit) SELECT now(), id, node, visit FROM moved;
"""

BATCH = 100


def measure(b):
    # Enough for the fastest: what is left over is no side's burden.
    supply = b.scale(120_000 * b.seconds, 120_000)
    ours = b.database("ours")
    b.define(ours, JOB)
    b.cluster.script(ours, start_jobs_many(supply))
    b.settle(ours)
    theirs = b.database("theirs", b.file("reference/queue.sql"), fill_queue(supply),
                        extension=False)
    b.settle(theirs)

    def run(template, script, clients=8, **options):
        copy = b.database("run", template=template)
        try:
            return BATCH * b.pgbench(copy, script, clients, **options)
        finally:
            b.drop(copy)

    sides = [("dfsmr", lambda: run(ours, complete_and_claim(BATCH), variables=NOTHING_CLAIMED)),
             ("two calls", lambda: run(ours, READY)),
             ("SKIP LOCKED", lambda: run(theirs, TEXTBOOK))]
    bars = {"SKIP LOCKED": 2.0}
    # As many as each does in about that time.
    for peer, bar, rate in ((graphile_worker, 2.5, 20_000), (pg_boss, 3, 2_500), (pgq, None, 20_000)):
        try:
            side = peer(b, b.scale(rate * b.seconds, 2_000))
        except Skipped as reason:
            print(f"#   without {peer.__name__}: {reason}", flush=True)
            continue
        sides.append((side.name, side.run))
        bars[side.name] = bar
    samples = b.interleave(sides)
    rows = [Row("claim + complete, batches of 100, 8 sessions", "/s",
                {k: samples[k] for k in ("dfsmr", against)}, against=against, bar=bar)
            for against, bar in bars.items()]
    rows.append(Row("the same in two calls", "/s",
                    {"dfsmr": samples["two calls"], "SKIP LOCKED": samples["SKIP LOCKED"]},
                    against="SKIP LOCKED"))
    return rows + per_cpu_second(b, ours)


def per_cpu_second(b, ours):
    items = b.scale(100_000, 2_000)
    theirs = b.database("items", b.file("reference/log.sql"),
                        fill_items("reference.item", items), extension=False)
    b.settle(theirs)

    def run(template, script, **options):
        copy = b.database("run", template=template)
        try:
            before = cpu_seconds(b.cluster)
            calls = b.scale(2_000, 40)
            b.pgbench(copy, script, 1, transactions=calls, **options)
            return BATCH * calls / max(cpu_seconds(b.cluster) - before, 0.01)
        finally:
            b.drop(copy)

    samples = b.interleave([
        ("dfsmr", lambda: run(ours, complete_and_claim(BATCH), variables=NOTHING_CLAIMED)),
        ("UPDATE + INSERT of 100", lambda: run(theirs, UPDATE_100, variables={"items": items}))])
    return [Row("claim + complete, batches of 100, one session", "per CPU second", samples,
                against="UPDATE + INSERT of 100", bar=1.0)]
