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


def _go_round(session, steps, seconds, rounds):
    """How often, until that is over or nothing is left."""
    given = ("{}",) * steps[0].takes
    done = 0
    until = time.time() + (seconds or 0)
    while done < rounds if rounds else time.time() < until:
        for i, step in enumerate(steps):
            rows = session.execute_binary(str(i), *given[:step.takes])
            given = rows[0] if rows else ()
            if given[:1] == (None,):
                return done
        done += 1
    return done


def _run(socket, database, steps, seconds, rounds, ready, results):
    done, begun, fault = 0, 0, None
    try:
        session = Session(socket, "5432", "postgres", database)
        for i, step in enumerate(steps):
            session.prepare(str(i), step.sql)
        ready.wait(60)
        begun = time.time()
        done = _go_round(session, steps, seconds, rounds)
        session.close()
    except Exception as error:
        fault = repr(error)
        ready.abort()
    results.put((done, begun, time.time(), fault))


def relay(cluster, database, steps, sessions, seconds=None, rounds=None):
    """Have so many sessions, each a process of its own, go round the steps for so
    long, or until nothing is left; rounds per second, of all together.  Or so often,
    which must be possible."""
    ready = multiprocessing.Barrier(sessions)
    results = multiprocessing.Queue()
    processes = [multiprocessing.Process(target=_run, args=(
        cluster.socket, database, steps, seconds, rounds, ready, results))
        for _ in range(sessions)]
    for process in processes:
        process.start()
    done, begun, ended, faults = zip(*(results.get(timeout=900) for _ in processes))
    for process in processes:
        process.join()
    if any(faults) or (rounds and sum(done) < rounds * sessions):
        raise RuntimeError(f"relay: {[fault for fault in faults if fault] or 'nothing was left'}")
    return sum(done) / (max(ended) - min(begun))
