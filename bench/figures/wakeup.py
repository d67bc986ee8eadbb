"""From the commit that makes work to a waiting worker that has it, one at a time
on an idle system: start() and ready(wait), against LISTEN/NOTIFY and a claim with
SKIP LOCKED.

Both clocks are the client's: from when the commit was acknowledged, and from when
the statement was sent, to when the worker has read its row."""

import selectors
import time

from quantile import quantile
from rows import Row
from wire import Session, row
from work import JOB

TITLE = "wake-up latency"

CLAIM = """UPDATE queue.job SET status = 'running', attempts = attempts + 1, claimed_at = now()
WHERE id IN (SELECT id FROM queue.job WHERE status = 'ready' AND run_at <= now()
             ORDER BY priority DESC, run_at, id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id"""


def sessions(b, db, count):
    return [Session(b.cluster.socket, "5432", "postgres", db) for _ in range(count)]


class Pair:
    """Two sessions, one that makes work and one that waits, read as things come."""

    def __init__(self, maker, worker):
        self.maker, self.worker = maker, worker
        self.selector = selectors.DefaultSelector()
        for session in (maker, worker):
            self.selector.register(session, selectors.EVENT_READ, session)

    def read(self):
        """The next messages: (time, session, messages)."""
        for key, _ in self.selector.select(10):
            yield time.perf_counter(), key.data, key.data.read_messages()


def ours(pair, times):
    """Latencies in ms: (since sent, since acknowledged)."""
    maker, worker = pair.maker, pair.worker
    maker.prepare("start", "SELECT dfsmr.start('job')")
    worker.prepare("ready", "SELECT instance, visit FROM dfsmr.ready('worker', 'job', wait => '5s')")
    worker.prepare("done", "SELECT dfsmr.transition($1, 'ok', visit => $2)")
    result = []
    for _ in range(times):
        worker.send("ready")
        time.sleep(0.01)
        sent = time.perf_counter()
        maker.send("start")
        acknowledged = received = None
        task = None
        ready = 0
        while ready < 2:
            for at, session, messages in pair.read():
                for kind, payload in messages:
                    if kind == "E":
                        raise RuntimeError(payload)
                    if kind == "D" and session is worker:
                        received = at
                        task = payload
                    elif kind == "Z":
                        ready += 1
                        if session is maker:
                            acknowledged = at
        if task is None:
            continue
        worker.execute("done", *row(task))
        result.append(((received - sent) * 1000, (received - acknowledged) * 1000))
    return result


def raw(pair, times):
    maker, worker = pair.maker, pair.worker
    maker.prepare("start", "WITH j AS (INSERT INTO queue.job DEFAULT VALUES RETURNING id) "
                           "SELECT pg_notify('work', '') FROM j")
    worker.query("LISTEN work")
    worker.prepare("claim", CLAIM)
    worker.prepare("done", "UPDATE queue.job SET status = 'done', finished_at = now() WHERE id = $1")
    result = []
    for _ in range(times):
        time.sleep(0.01)
        sent = time.perf_counter()
        maker.send("start")
        acknowledged = received = None
        task = None
        claiming = False
        while task is None or acknowledged is None or claiming:
            for at, session, messages in pair.read():
                for kind, payload in messages:
                    if kind == "E":
                        raise RuntimeError(payload)
                    if session is maker and kind == "Z":
                        acknowledged = at
                    elif session is worker and kind == "A":
                        worker.send("claim")
                        claiming = True
                    elif session is worker and kind == "D":
                        received = at
                        task = payload
                    elif session is worker and kind == "Z":
                        claiming = False
        worker.execute("done", *row(task))
        result.append(((received - sent) * 1000, (received - acknowledged) * 1000))
    return result


def measure(b):
    times = b.scale(1_000, 20)
    db = b.database("", b.file("reference/queue.sql"))
    b.define(db, JOB)
    b.settle(db)
    runs = b.interleave([("dfsmr", lambda: ours(Pair(*sessions(b, db, 2)), times)),
                         ("NOTIFY + SKIP LOCKED", lambda: raw(Pair(*sessions(b, db, 2)), times))])
    rows = []
    for part, since in ((1, "commit acknowledged"), (0, "statement sent")):
        for name, q in (("median", 0.5), ("p99", 0.99)):
            samples = {side: [quantile([pair[part] for pair in run], q) for run in of_side]
                       for side, of_side in runs.items()}
            rows.append(Row(f"{since} → a waiting worker has it, {name}", "ms", samples,
                            against="NOTIFY + SKIP LOCKED", bar=1.0, most=True, digits=2))
    return rows
