"""Claim and complete in batches of 100 with 8 sessions, with history: against a
textbook queue without, and against the peers at their best documented settings;
and in one session, per second of processor time of the server, against one
statement that updates 100 rows by key and inserts 100 rows of log.

Ids come and go in binary, on both sides (relay.py); the peers have their own clients.
Beside it stand the same by pgbench, which passes all on as text, and with a session that
listens, since while nobody does there is no publication to pay for."""

import time

from load import listeners
from peers import graphile_worker, pg_boss, pgq
from processes import cpu_seconds
from relay import Step, relay
from rows import Row, Skipped
from work import (JOB, ITEM_ID, NOTHING_CLAIMED, complete_and_claim, complete_and_claim_call,
                  fill_items, fill_queue, start_jobs_many)

TITLE = "claim + complete in batches of 100"

BATCH = 100

# The key of what is started last.
MARKER = "the-last-of-all"

FUSED = [Step(complete_and_claim_call(BATCH, "$1", "$2", "$3"), takes=3)]

TWO_CALLS = [
    Step(f"""
SELECT array_agg(instance), array_agg(visit), array_agg(attempt)
FROM dfsmr.ready('worker', 'job', max => {BATCH})"""),
    Step("""
SELECT count(*) FROM dfsmr.transition_many($1, array_fill('ok'::text, ARRAY[cardinality($1::uuid[])]),
    visits => $2, attempts => $3, client => 'worker')""", takes=3)]

TEXTBOOK_CLAIM = f"""
WITH claimed AS (
    UPDATE queue.job SET status = 'running', attempts = attempts + 1, claimed_by = 'worker', claimed_at = now()
    WHERE id IN (SELECT id FROM queue.job WHERE status = 'ready' AND run_at <= now()
                 ORDER BY priority DESC, run_at, id LIMIT {BATCH} FOR UPDATE SKIP LOCKED)
    RETURNING id, payload)
SELECT array_agg(id) AS ids FROM claimed"""

TEXTBOOK_FINISH = "UPDATE queue.job SET status = 'done', finished_at = now() WHERE id = ANY ({ids})"

TEXTBOOK = [Step(TEXTBOOK_CLAIM), Step(TEXTBOOK_FINISH.format(ids="$1"), takes=1)]

TEXTBOOK_AS_TEXT = TEXTBOOK_CLAIM + " \\gset\n" + TEXTBOOK_FINISH.format(ids=":ids") + ";\n"

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


def measure(b):
    # Enough for the fastest: what is left over is no side's burden.
    supply = b.scale(150_000 * b.seconds, 120_000)
    ours = b.database("ours")
    b.define(ours, JOB)
    b.cluster.script(ours, start_jobs_many(supply))
    b.settle(ours)
    theirs = b.database("theirs", b.file("reference/queue.sql"), fill_queue(supply),
                        extension=False)
    b.settle(theirs)

    def in_copy(template, run):
        copy = b.database("run", template=template)
        try:
            return BATCH * run(copy)
        finally:
            b.drop(copy)

    def relayed(copy, steps):
        return relay(b.cluster, copy, steps, 8, b.seconds, rounds=b.scale(None, 20))

    def passed_on(template, steps):
        return in_copy(template, lambda copy: relayed(copy, steps))

    def published(copy):
        """Until the listener has heard of all of it."""
        with listeners(b.cluster, copy, "dfsmr", 1, MARKER) as listener:
            begun = time.time()
            rate = relayed(copy, FUSED)
            ended = time.time()
            b.cluster.query(copy, f"SELECT dfsmr.start('job', key => '{MARKER}')")
            listener.stdout.readline()
            heard = time.time()
        return rate * (ended - begun) / (heard - begun)

    def as_text(template, script, **options):
        return in_copy(template, lambda copy: b.pgbench(copy, script, 8, **options))

    sides = [("dfsmr", lambda: passed_on(ours, FUSED)),
             ("two calls", lambda: passed_on(ours, TWO_CALLS)),
             ("SKIP LOCKED", lambda: passed_on(theirs, TEXTBOOK)),
             ("published", lambda: in_copy(ours, published)),
             ("dfsmr as text", lambda: as_text(ours, complete_and_claim(BATCH),
                                               variables=NOTHING_CLAIMED)),
             ("SKIP LOCKED as text", lambda: as_text(theirs, TEXTBOOK_AS_TEXT))]
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
    for case, bar, one, other in (
            ("the same in two calls", None, "two calls", "SKIP LOCKED"),
            ("the same in one call, published to a listener", 2.0, "published", "SKIP LOCKED"),
            ("the same in one call, ids passed on as text", 2.0, "dfsmr as text",
             "SKIP LOCKED as text")):
        rows.append(Row(case, "/s", {"dfsmr": samples[one], "SKIP LOCKED": samples[other]},
                        against="SKIP LOCKED", bar=bar))
    return rows + per_cpu_second(b, ours)


def per_cpu_second(b, ours):
    items = b.scale(100_000, 2_000)
    theirs = b.database("items", b.file("reference/log.sql"),
                        fill_items("reference.item", items), extension=False)
    b.settle(theirs)

    calls = b.scale(2_000, 40)

    def run(template, work):
        copy = b.database("run", template=template)
        try:
            before = cpu_seconds(b.cluster)
            work(copy)
            return BATCH * calls / max(cpu_seconds(b.cluster) - before, 0.01)
        finally:
            b.drop(copy)

    samples = b.interleave([
        ("dfsmr", lambda: run(ours, lambda copy: relay(b.cluster, copy, FUSED, 1, rounds=calls))),
        ("UPDATE + INSERT of 100", lambda: run(theirs, lambda copy: b.pgbench(
            copy, UPDATE_100, 1, transactions=calls, variables={"items": items})))])
    return [Row("claim + complete, batches of 100, one session", "per CPU second", samples,
                against="UPDATE + INSERT of 100", bar=1.0)]
