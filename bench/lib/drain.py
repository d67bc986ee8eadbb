"""Sessions that claim until nothing is left, each in a process of its own."""

import multiprocessing
import time

from wire import Session


def _drain(socket, database, sql, start, idle, results):
    session = Session(socket, "5432", "postgres", database)
    session.prepare("claim", sql)
    claimed = 0
    last = start
    time.sleep(max(start - time.time(), 0))
    while time.time() - last < idle:
        n = len(session.execute("claim"))
        if n:
            claimed += n
            last = time.time()
        elif claimed == 0 or time.time() - last > 0.05:
            time.sleep(0.005)
    session.close()
    results.put((claimed, last))


def drain(cluster, database, sql, sessions, expected, start=None, idle=3.0):
    """Have so many sessions repeat the statement, whose rows are what it claimed,
    until it has returned none for a while.  Returns the seconds from start (a
    time.time(), default: now) to the last row; all that is expected must come."""
    start = start or time.time()
    results = multiprocessing.Queue()
    processes = [multiprocessing.Process(target=_drain, args=(
        cluster.socket, database, sql, start, idle, results)) for _ in range(sessions)]
    for process in processes:
        process.start()
    done = [results.get(timeout=900) for _ in processes]
    for process in processes:
        process.join()
    claimed = sum(n for n, _ in done)
    if claimed != expected:
        raise RuntimeError(f"{claimed} were claimed, not {expected}")
    return max(last for _, last in done) - start
