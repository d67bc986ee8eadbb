"""Sessions that pass on what they are given: what one statement returns are the next
one's parameters, in binary, as drivers send them that know the types (pgx, Npgsql,
asyncpg, tokio-postgres …).  pgbench can but pass on text."""

import multiprocessing
import time

from wire import Session


class Step:
    """A statement of a relay, which takes so many of the values that the one before it
    has returned; the first has {} to begin with.  When the row that it returns begins
    with NULL, there is nothing left to do."""

    def __init__(self, sql, takes=0):
        self.sql = sql
        self.takes = takes


def _run(socket, database, steps, start, seconds, rounds, results):
    session = Session(socket, "5432", "postgres", database)
    for i, step in enumerate(steps):
        session.prepare(str(i), step.sql)
    given = ("{}",) * steps[0].takes
    done = 0
    time.sleep(max(start - time.time(), 0))
    begun = time.time()
    while given[:1] != (None,) and (done < rounds if rounds else time.time() - begun < seconds):
        for i, step in enumerate(steps):
            rows = session.execute_binary(str(i), *given[:step.takes])
            given = rows[0] if rows else ()
            if given[:1] == (None,):
                break
        else:
            done += 1
    took = time.time() - begun
    session.close()
    results.put(done / took)


def relay(cluster, database, steps, sessions, seconds=None, rounds=None):
    """Have so many sessions, each a process of its own, go round the steps for so
    long, or so often, or until nothing is left; rounds per second, of all together."""
    start = time.time() + 0.3
    results = multiprocessing.Queue()
    processes = [multiprocessing.Process(target=_run, args=(
        cluster.socket, database, steps, start, seconds, rounds, results))
        for _ in range(sessions)]
    for process in processes:
        process.start()
    rates = [results.get(timeout=900) for _ in processes]
    for process in processes:
        process.join()
    return sum(rates)
