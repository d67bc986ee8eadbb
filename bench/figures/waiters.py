"""What a thousand waiting sessions cost while there is nothing to do, in per cent of
one processor; and how many of them one task wakes.  They ask again every five
seconds, as dfsmr.max_wait has it."""

import threading
import time

from processes import cpu_seconds
from rows import Row
from work import JOB

TITLE = "1,000 sessions that wait"


def status(b, db, item):
    return int(b.cluster.value(db, "SELECT used FROM dfsmr.status WHERE item = %s", item))


def measure(b):
    count = b.scale(1_000, 20)
    tasks = b.scale(100, 5)
    wait = b.scale("5s", "500ms")
    script = f"SELECT count(*) FROM dfsmr.ready('worker', 'job', wait => '{wait}');"
    b.cluster.restart(max_connections=count + 50)
    try:
        db = b.database()
        b.define(db, JOB)
        load = threading.Thread(target=b.pgbench, args=(db, script, count, 45))
        load.start()
        while status(b, db, "waiters") < count * 0.9:
            time.sleep(0.1)
        time.sleep(b.scale(5, 0))

        shares = []
        for _ in range(b.scale(3, 1)):
            before, since = cpu_seconds(b.cluster), time.perf_counter()
            time.sleep(b.scale(5, 1))
            shares.append(100 * (cpu_seconds(b.cluster) - before) / (time.perf_counter() - since))

        before = status(b, db, "wake-ups")
        with b.cluster.connect(db) as connection:
            for _ in range(tasks):
                connection.execute("SELECT dfsmr.start('job')")
                time.sleep(0.02)
        woken = (status(b, db, "wake-ups") - before) / tasks
        load.join()
        b.drop(db)
    finally:
        b.cluster.restart()
    return [Row(f"{count:,} sessions wait, nothing to do", "% of a processor", {"dfsmr": shares},
                bar=2, most=True, digits=2),
            Row("… how many of them a task wakes", "sessions", {"dfsmr": [woken]}, bar=1.05,
                most=True, digits=2)]
