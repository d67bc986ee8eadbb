"""How late timers fire, 1,000 of them due per second; and how fast a wave of them
is fired that is due within one second."""

import time

from quantile import quantile
from rows import Row

TITLE = "timers: lateness, and a wave"

EGG = """
id: egg
nodes:
  wait: {start: true, delay: 1h, transitions: {ok: success}}
  success: {final: true}
"""


def start(b, db, count, first, spread):
    b.cluster.query(db, f"""
        SELECT count(*) FROM dfsmr.start_many('egg',
            ARRAY(SELECT '{{}}'::jsonb FROM generate_series(1, {count})),
            delays => ARRAY(SELECT to_timestamp({first} + {spread} * n / {count}.0) - clock_timestamp()
                            FROM generate_series(1, {count}) AS n))""")


def wait_until_fired(b, db, limit):
    deadline = time.time() + limit
    with b.cluster.connect(db) as c:
        while True:
            # Who has fired is finished, and has left the table.
            if not c.execute("SELECT EXISTS (SELECT FROM dfsmr.instance)").fetchone()[0]:
                return
            if time.time() > deadline:
                raise RuntimeError("timers did not fire")
            time.sleep(0.5)


def lateness(b):
    seconds = b.scale(20, 2)
    count = 1_000 * seconds
    db = b.database("late")
    b.define(db, EGG)
    start(b, db, count, int(time.time()) + b.scale(15, 5), seconds)
    b.cluster.script(db, "CREATE TABLE due AS SELECT id, ready_at FROM dfsmr.instance")
    wait_until_fired(b, db, 120)
    late = [float(row[0]) * 1000 for row in b.cluster.query(
        db, """SELECT extract(epoch FROM c.at - d.ready_at)
               FROM due AS d JOIN dfsmr.changes AS c ON c.instance = d.id AND c.kind = 'timer'""")]
    b.drop(db)
    return [Row(f"timers, 1,000 due per second: lateness, {name}", "ms", {"dfsmr": [quantile(late, q)]})
            for name, q in (("median", 0.5), ("p99", 0.99))]


def wave(b):
    count = b.scale(1_000_000, 5_000)
    db = b.database("wave")
    b.define(db, EGG)
    lead = b.scale(90, 5)
    due = int(time.time()) + lead
    chunk = min(count, 100_000)
    for _ in range(count // chunk):
        start(b, db, chunk, due, 1)
    b.cluster.script(db, "ANALYZE")
    time.sleep(max(due - time.time(), 0))
    wait_until_fired(b, db, 1800)
    first, last = b.cluster.query(
        db, "SELECT extract(epoch FROM min(at)), extract(epoch FROM max(at)) FROM dfsmr.changes "
            "WHERE kind = 'timer'")[0]
    b.drop(db)
    return [Row(f"{count:,} timers due within a second: fired at", "/s",
                {"dfsmr": [count / max(float(last - first), 0.001)]})]


def measure(b):
    return lateness(b) + wave(b)
