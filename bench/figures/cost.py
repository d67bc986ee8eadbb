"""What does not depend on the machine: instructions of the server per call, bytes
of the write-ahead log per claim and completion, and bytes of the board."""

import random

from instructions import Counter, available
from rows import Row
from work import FLIP, JOB, fill_items, fill_queue, start_items, start_jobs

TITLE = "instructions per call, WAL, memory"

UPDATE_AND_LOG = """
    WITH moved AS (
        UPDATE reference.item
        SET node = CASE node WHEN 'a' THEN 'b' ELSE 'a' END, visit = visit + 1, entered_at = now()
        WHERE id = %s RETURNING id, node, visit)
    INSERT INTO reference.log (at, item, node, visit)
    SELECT now(), id, node, visit FROM moved RETURNING item, node, visit"""

CLAIM = """
    UPDATE queue.job SET status = 'running', attempts = attempts + 1,
        claimed_by = 'worker', claimed_at = now()
    WHERE id IN (SELECT id FROM queue.job WHERE status = 'ready' AND run_at <= now()
                 ORDER BY priority DESC, run_at, id LIMIT %s FOR UPDATE SKIP LOCKED)
    RETURNING id, payload"""

FINISH = "UPDATE queue.job SET status = 'done', finished_at = now() WHERE id = ANY (%s)"


def item(n):
    return f"00000000-0000-4000-8000-{n:012d}"


def claim_and_complete(c):
    task = c.execute("SELECT instance, visit, attempt FROM dfsmr.ready('worker', 'job')").fetchone()
    c.execute("SELECT * FROM dfsmr.transition(%s, 'ok', visit => %s, client => 'worker', attempt => %s)",
              task)


def textbook_claim(c):
    job = c.execute(CLAIM, (1,)).fetchone()
    c.execute(FINISH, ([job[0]],))


def whole_life(c):
    c.execute("SELECT dfsmr.start('job')")
    claim_and_complete(c)


def textbook_life(c):
    c.execute("INSERT INTO queue.job (priority) VALUES (0)")
    textbook_claim(c)


BATCH = 100


class Batches:
    """Calls that complete what the last one claimed, and claim the next."""

    def __init__(self):
        self.claimed = []

    def __call__(self, c):
        instances, visits, attempts = map(list, zip(*self.claimed)) if self.claimed else ([], [], [])
        self.claimed = c.execute(
            """SELECT instance, visit, attempt
               FROM dfsmr.transition_and_ready('worker', %s::uuid[], %s::text[], visits => %s::int[],
                                               attempts => %s::int[], machine => 'job', max => %s)
               WHERE item IS NULL""",
            (instances, ["ok"] * len(instances), visits, attempts, BATCH)).fetchall()


def textbook_batch(c):
    jobs = c.execute(CLAIM, (BATCH,)).fetchall()
    c.execute(FINISH, ([job[0] for job in jobs],))


def instructions(b, db, items):
    draw = random.Random(1)

    def any_item():
        return (item(draw.randint(1, items)),)

    few, many = b.scale((100, 600), (20, 40))
    with Counter(b.cluster) as counter:
        def count(call, few=few, many=many, tasks=1):
            return [counter.per_call(db, call, few, many) / tasks]

        ours = {
            "transition": count(lambda c: c.execute("SELECT * FROM dfsmr.transition(%s, 'go')",
                                                    any_item())),
            "claim": count(claim_and_complete),
            "batch": count(Batches(), *b.scale((5, 25), (1, 2)), BATCH),
            "nothing": count(lambda c: c.execute("SELECT * FROM dfsmr.ready('worker', 'idle')")),
            "start": count(lambda c: c.execute("SELECT dfsmr.start('job')")),
        }
        theirs = {
            "transition": count(lambda c: c.execute(UPDATE_AND_LOG, any_item())),
            "claim": count(textbook_claim),
            "batch": count(textbook_batch, *b.scale((5, 25), (1, 2)), BATCH),
            "nothing": count(lambda c: c.execute("SELECT 1")),
        }
    rows = []
    for key, case, against in (
            ("transition", "transition()", "UPDATE + INSERT"),
            ("claim", "claim + complete in two calls", "SKIP LOCKED"),
            ("batch", "claim + complete of a task in batches of 100, one call", "SKIP LOCKED"),
            ("nothing", "ready() with nothing to do", "SELECT 1")):
        rows.append(Row(f"instructions: {case}", "per call",
                        {"dfsmr": ours[key], against: theirs[key]}, against=against, most=True,
                        digits=0))
    rows.append(Row("instructions: start()", "per call", {"dfsmr": ours["start"]}, digits=0))
    return rows


def wal_bytes(b, db, call, times):
    """Bytes of log per call, without full-page images, which say more about the
    last checkpoint than about the call."""
    with b.cluster.connect(db) as c:
        before = c.execute("SELECT pg_current_wal_insert_lsn()").fetchone()[0]
        for _ in range(times):
            call(c)
        return [float(c.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), %s)",
                                (before,)).fetchone()[0]) / times]


def wal(b, db):
    times = b.scale(2000, 20)
    b.cluster.restart(full_page_writes="off", autovacuum="off")
    try:
        rows = [Row("log: claim + complete in two calls, final node, with history", "bytes",
                    {"dfsmr": wal_bytes(b, db, claim_and_complete, times),
                     "SKIP LOCKED": wal_bytes(b, db, textbook_claim, times)},
                    against="SKIP LOCKED", most=True, digits=0)]
        rows.append(Row("log: the life of an instance: start, claim, complete, with history", "bytes",
                        {"dfsmr": wal_bytes(b, db, whole_life, times),
                         "SKIP LOCKED": wal_bytes(b, db, textbook_life, times)},
                        against="SKIP LOCKED", most=True, digits=0))
        batches = times // BATCH + 1
        rows.append(Row("log: claim + complete of a task in batches of 100, one call", "bytes",
                        {"dfsmr": [n / BATCH for n in wal_bytes(b, db, Batches(), batches)],
                         "SKIP LOCKED": [n / BATCH for n in wal_bytes(b, db, textbook_batch, batches)]},
                        against="SKIP LOCKED", bar=0.8, most=True, digits=0))
    finally:
        b.cluster.restart()
    return rows


def memory(b):
    """What one entry more takes of shared memory."""
    def allocated(setting, size):
        b.cluster.restart(**{"dfsmr.max_databases": 1, "dfsmr.max_sets": 4, setting: size})
        return b.cluster.value("postgres", """SELECT sum(allocated_size) FROM pg_shmem_allocations
                                              WHERE name IS NOT NULL""")

    rows = []
    # A ready set for first attempts and one for retries for each node; two of timers.
    for what, setting, entries in (("an entry of a ready set", "dfsmr.set_size", 2 * 4),
                                   ("a lease", "dfsmr.max_leases", 1),
                                   ("a timer", "dfsmr.timer_set_size", 2)):
        few, many = 1 << 14, 1 << 17
        size = (allocated(setting, many) - allocated(setting, few)) / (many - few) / entries
        rows.append(Row(f"memory: {what}", "bytes", {"dfsmr": [float(size)]}, bar=200, most=True,
                        digits=0))
    b.cluster.restart()
    return rows


def measure(b):
    items = b.scale(20_000, 2_000)
    supply = b.scale(20_000, 2_000)
    db = b.database("", b.file("reference/log.sql"), b.file("reference/queue.sql"),
                    fill_items("reference.item", items), fill_queue(supply))
    b.define(db, FLIP)
    b.define(db, JOB)
    b.define(db, JOB.replace("id: job", "id: idle"))
    b.cluster.script(db, start_items("flip", items) + start_jobs(supply))
    b.settle(db)
    rows = wal(b, db) + memory(b)
    if available():
        rows = instructions(b, db, items) + rows
    return rows
