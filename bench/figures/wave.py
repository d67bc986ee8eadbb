"""Many instances that are due within the same second: how long until all are
claimed, by 8 sessions that take 100 at a time."""

import time

from drain import drain
from peers import graphile_worker, pg_boss
from rows import Row, Skipped
from work import JOB

TITLE = "100,000 due within the same second"

READY = "SELECT instance, visit, attempt FROM dfsmr.ready('worker', 'job', max => 100)"

SKIP_LOCKED = """
UPDATE queue.job SET status = 'running', attempts = attempts + 1, claimed_by = 'worker', claimed_at = now()
WHERE id IN (SELECT id FROM queue.job WHERE status = 'ready' AND run_at <= now()
             ORDER BY priority DESC, run_at, id LIMIT 100 FOR UPDATE SKIP LOCKED)
RETURNING id, payload"""


def measure(b):
    count = b.scale(100_000, 2_000)
    lead = b.scale(30, 5)

    def due_at():
        return int(time.time()) + lead

    def ours():
        db = b.database("ours")
        b.define(db, JOB)
        due = due_at()
        b.cluster.query(db, f"""
            SELECT count(*) FROM dfsmr.start_many('job',
                ARRAY(SELECT '{{}}'::jsonb FROM generate_series(1, {count})),
                delays => ARRAY(SELECT to_timestamp({due} + n / {count}.0) - clock_timestamp()
                                FROM generate_series(1, {count}) AS n))""")
        seconds = drain(b.cluster, db, READY, 8, count, due + 1)
        b.drop(db)
        return seconds

    def textbook():
        db = b.database("theirs", b.file("reference/queue.sql"), extension=False)
        due = due_at()
        b.cluster.query(db, f"""INSERT INTO queue.job (run_at)
            SELECT to_timestamp({due} + n / {count}.0) FROM generate_series(1, {count}) AS n""")
        b.cluster.script(db, "ANALYZE")
        seconds = drain(b.cluster, db, SKIP_LOCKED, 8, count, due + 1)
        b.drop(db)
        return seconds

    sides = [("dfsmr", ours), ("SKIP LOCKED", textbook)]
    bars = {"SKIP LOCKED": None}
    for peer in (graphile_worker, pg_boss):
        try:
            side = peer(b, count, lead)
        except Skipped as reason:
            print(f"#   without {peer.__name__}: {reason}", flush=True)
            continue
        sides.append((side.name, side.run))
        bars[side.name] = 0.5
    samples = b.interleave(sides, b.scale(3, 1))
    return [Row(f"{count:,} due within a second: until all are claimed", "s",
                {"dfsmr": samples["dfsmr"], against: samples[against]},
                against=against, bar=bar, most=True, digits=2)
            for against, bar in bars.items()]
