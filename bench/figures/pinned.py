"""What an old snapshot costs: the last minute against the first while a session
somewhere sits in a transaction that it began before.  Fresh instances, each worked
off once, and a hundred that loop all the time; the textbook queue beside them.

Ten minutes are long for a machine, and for its disk: so within each minute the same
load runs for some moments in another database too, where nothing is pinned.  It is
what the pinned one does of that which is judged, by three minutes at each end."""

import contextlib
import statistics

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


# What a table takes up with its indexes, in megabytes.
SIZES = """
SELECT pg_total_relation_size('dfsmr.instance') / 1e6,
       (SELECT sum(pg_total_relation_size('dfsmr.change_' || n)) FROM generate_series(0, 7) AS n) / 1e6"""


def minutes_of(b, db, script, minutes, control=None, lengths=(20, 7), sizes=True):
    """Calls per second in each minute (quick: moments), there and in the control, a
    function of seconds; and sizes after it.  With a control, a minute is three turns,
    each of the given lengths."""
    rates, controls, grown = [], [], []
    pieces = 3 if control else 1
    for _ in range(minutes):
        here, there = [], []
        for _ in range(pieces):
            here.append(b.pgbench(db, script, 8, b.scale(lengths[0] if control else 60, 1)))
            if control:
                there.append(control(b.scale(lengths[1], 1)))
        rates.append(statistics.mean(here))
        if control:
            controls.append(statistics.mean(there))
        if sizes:
            grown.append([float(size) for size in b.cluster.query(db, SIZES)[0]])
    return rates, controls, grown


def size_rows(case, grown):
    """How large the tables were on the way: the samples are the minutes."""
    minutes = len(grown)
    return [Row(f"{case}: {table} after minute {minutes}, against minute 1", "MB",
                {f"minute {minutes}": [grown[-1][i]], "minute 1": [grown[0][i]],
                 "all minutes": [sizes[i] for sizes in grown]}, against="minute 1")
            for i, table in enumerate(("instances", "changelog"))]


def last_against_first(case, values, bar):
    """The row that compares the last minute with the first, and keeps all."""
    last = f"minute {len(values)}"
    return Row(f"{case}: {last} against minute 1", "/s",
               {last: values[-1:], "minute 1": values[:1], "all minutes": values},
               against="minute 1", bar=bar)


def against_control(case, values, controls, control, few, bar):
    """The row that compares the last few minutes with the first few, in what each is
    of its control."""
    parts = [value / rate for value, rate in zip(values, controls)]
    few = max(min(few, len(parts) // 2), 1)
    last = f"last {few} minutes"
    return Row(f"{case}, of what {control} does meanwhile: {last} against the first {few}", "",
               {last: parts[-few:], f"first {few}": parts[:few], "all minutes": parts,
                f"{control}, /s": controls},
               against=f"first {few}", bar=bar, digits=2)


def rows_of(b, pin, bars):
    """How much of its first minute the last one is, for each kind of load."""
    under = "under a pinned snapshot" if pin else "nothing pinned"
    rows = []

    def add(case, db, script, minutes, bar, sizes=True, control=None):
        with pinned(b.cluster, db) if pin else contextlib.nullcontext():
            rates, controls, grown = minutes_of(
                b, db, script, minutes, sizes=sizes, control=control and
                (lambda seconds: b.pgbench(control, script, 8, seconds)))
        b.drop(db)
        title = f"{case}, {under}"
        rows.append(last_against_first(title, rates, None if control else bar))
        if control:
            b.drop(control)
            rows.append(against_control(title, rates, controls, "the same without it", 3, bar))
        rows.extend(size_rows(title, grown) if sizes else [])

    def filled(name, machine, filling):
        db = b.database(name)
        b.define(db, machine)
        b.cluster.script(db, filling)
        b.settle(db)
        return db

    for (case, machine, filling, script), bar in zip((
            ("fresh instances", JOB, start_jobs_many(b.scale(1_000, 100)), FRESH),
            ("100 instances that loop", FLIP, start_items("flip", 100), LOOP)), bars):
        control = filled("control", machine, filling) if pin else None
        add(case, filled("", machine, filling), script, b.minutes(10), bar, control=control)
    db = b.database("textbook", b.file("reference/queue.sql"), fill_queue(b.scale(1_000, 100)),
                    extension=False)
    b.settle(db)
    # It loses soon enough.
    add("textbook queue, fresh jobs", db, TEXTBOOK, 2, None, sizes=False)
    return rows


def measure(b):
    return rows_of(b, True, (0.9, 0.9))
