"""ready() when there is nothing to do, against SELECT 1."""

from rows import Row
from work import JOB

TITLE = "ready() with nothing to do"


def measure(b):
    db = b.database()
    b.define(db, JOB)
    b.settle(db)
    samples = b.interleave([
        ("dfsmr", lambda: b.pgbench(db, "SELECT * FROM dfsmr.ready('worker', 'job');", 8)),
        ("SELECT 1", lambda: b.pgbench(db, "SELECT 1;", 8))])
    return [Row("ready() with nothing to do, 8 sessions", "/s", samples,
                against="SELECT 1", bar=0.7)]
