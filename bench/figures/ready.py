"""ready() when there is nothing to do, against SELECT 1: as much of it is for its
21 columns as for the call, also as somebody asks for those that he needs."""

from rows import Row
from work import JOB

ALL_COLUMNS = "SELECT * FROM dfsmr.ready('worker', 'job');"

# As in examples/worker.py, without the pause between heartbeats.
WORKER_COLUMNS = "SELECT instance, visit, attempt, params FROM dfsmr.ready('worker', 'job');"

TITLE = "ready() with nothing to do"


def measure(b):
    db = b.database()
    b.define(db, JOB)
    b.settle(db)
    samples = b.interleave([
        ("dfsmr", lambda: b.pgbench(db, ALL_COLUMNS, 8)),
        ("what a worker needs", lambda: b.pgbench(db, WORKER_COLUMNS, 8)),
        ("SELECT 1", lambda: b.pgbench(db, "SELECT 1;", 8))])
    return [Row(f"ready() with nothing to do, {columns}, 8 sessions", "/s",
                {"dfsmr": samples[side], "SELECT 1": samples["SELECT 1"]}, against="SELECT 1", bar=0.7)
            for columns, side in (("all columns", "dfsmr"), ("what a worker needs", "what a worker needs"))]
