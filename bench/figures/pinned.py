"""What an old snapshot costs: the last minute against the first while a session
somewhere sits in a transaction that it began before.  Fresh instances, each worked
off once, and a hundred that loop all the time; the textbook queue beside them."""

import contextlib

from rows import Row
from work import FLIP, JOB, TEXTBOOK_CLAIM, fill_queue, start_items, start_jobs_many

TITLE = "the last minute under a pinned snapshot, against the first"

FRESH = r"""
SELECT dfsmr.start('job');
SELECT instance, visit, attempt FROM dfsmr.ready('worker', 'job') \gset
SELECT * FROM dfsmr.transition(:instance, 'ok', visit => :visit, client => 'worker', attempt => :attempt);
"""

LOOP = r"""
SELECT instance, visit, attempt FROM dfsmr.ready('worker', 'flip') \gset
SELECT * FROM dfsmr.transition(:instance, 'go', visit => :visit, client => 'worker', attempt => :attempt);
"""

TEXTBOOK = "INSERT INTO queue.job DEFAULT VALUES;\n" + TEXTBOOK_CLAIM


@contextlib.contextmanager
def pinned(cluster, database):
    """An old snapshot, held by a session that does nothing with it."""
    with cluster.connect(database) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT count(*) FROM pg_class")
        yield
        connection.execute("ROLLBACK")


def first_and_last(b, db, script, minutes, pin):
    """Calls per second in the first and in the last minute (quick: moments)."""
    minute = b.scale(60, 1)
    with pinned(b.cluster, db) if pin else contextlib.nullcontext():
        first = b.pgbench(db, script, 8, minute)
        if minutes > 2:
            b.pgbench(db, script, 8, minute * (minutes - 2))
        return first, b.pgbench(db, script, 8, minute)


def rows_of(b, minutes, pin, bars):
    """One row per kind of load: how much of its first minute the last one is."""
    under = "under a pinned snapshot" if pin else "nothing pinned"
    rows = []
    for case, machine, filling, script in (
            ("fresh instances", JOB, start_jobs_many(b.scale(1_000, 100)), FRESH),
            ("100 instances that loop", FLIP, start_items("flip", 100), LOOP)):
        db = b.database()
        b.define(db, machine)
        b.cluster.script(db, filling)
        b.settle(db)
        rows.append((case, minutes, first_and_last(b, db, script, minutes, pin)))
        b.drop(db)
    db = b.database("textbook", b.file("reference/queue.sql"), fill_queue(b.scale(1_000, 100)),
                    extension=False)
    b.settle(db)
    # It loses soon enough.
    rows.append(("textbook queue, fresh jobs", 2, first_and_last(b, db, TEXTBOOK, 2, pin)))
    b.drop(db)
    return [Row(f"{case}, {under}: minute {m} against minute 1", "/s",
                {f"minute {m}": [last], "minute 1": [first]}, ours=f"minute {m}",
                against="minute 1", bar=bar)
            for (case, m, (first, last)), bar in zip(rows, bars)]


def measure(b):
    return rows_of(b, b.scale(10, 2), True, (0.9, 0.9, None))
