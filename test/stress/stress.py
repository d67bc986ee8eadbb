#!/usr/bin/python3
"""Random calls by many sessions over small sets; the oracle is the heap.

Sessions start, claim, complete, one by one and in batches, give back, let leases
run out, move, abort, pause; in transactions that commit, roll back, roll back to
a savepoint or are prepared, at all isolation levels; and are cancelled and
terminated meanwhile.  With --kills, backends, the scheduler and the launcher are
killed instead, as by kill -9, and each time the server starts anew.  When it goes
quiet, with the audit switched off:

  - every ready row is claimable, each within a second,
  - no waiter sleeps beside work,
  - the board and the heap agree: the audit, switched on, repairs nothing, nor
    does it while the calls go on,
  - every instance that was started is there, every acknowledged completion is
    in the changelog once, and no visit was completed twice,
  - who followed the changelog meanwhile has every change once.

Connects by the PG* variables, as a superuser, to a database that has the
extension.  To kill, it has to run on the server's machine, as its user.
"""

import argparse
import json
import os
import random
import signal
import sys
import threading
import time
import uuid

import psycopg
from psycopg import errors

options = argparse.ArgumentParser(description="Random calls by many sessions.")
options.add_argument("--seconds", type=float, default=10, help="how long (default: 10)")
options.add_argument("--sessions", type=int, default=12, help="how many (default: 12)")
options.add_argument("--seed", type=int, default=random.randrange(1 << 30))
options.add_argument("--kills", type=int, default=0,
                     help="go on until so many processes were killed")
options = options.parse_args()
SEED = options.seed

MACHINE = """
id: {name}
nodes:
  a:
    start: true
    timeout: 300ms
    transitions: {{ok: b, again: a, later: w, delayed: {{to: b, delay: 30ms}}, park: p}}
  b:
    timeout: 300ms
    priority: 5
    on_timeout: late
    transitions: {{done: done, back: a, late: a}}
  w:
    delay: {{base: 20ms, jitter: full}}
    fire: ok
    transitions: {{ok: a}}
  p:
    await: signal
    timeout: 50ms
    on_timeout: ok
    transitions: {{ok: b, drop: done}}
  done: {{final: true}}
"""
# Their nodes are more than the smallest board has sets for.
MACHINES = ["stress1", "stress2", "stress3"]
WAYS = {"a": ["ok", "again", "later", "delayed", "park"], "b": ["done", "back", "back"]}

stop = threading.Event()
lock = threading.Lock()
started = []                # instances whose start committed
acknowledged = []           # (instance, visit) of completions that committed
unexpected = []             # errors that nobody should see
nprepared = 0


def connect(name="stress"):
    # Also when the session was terminated, or the server killed, a moment ago.
    deadline = time.time() + 60
    while True:
        try:
            return psycopg.connect("", autocommit=True, application_name=name,
                                   prepare_threshold=None)
        except psycopg.OperationalError:
            if time.time() > deadline:
                raise
            time.sleep(0.05)


class Session(threading.Thread):
    def __init__(self, number):
        super().__init__()
        self.random = random.Random(SEED * 1000 + number)
        self.client = f"client{number}"
        self.connection = connect()
        self.cursor = self.connection.cursor()
        self.forget()

    def forget(self):
        self.pending = []       # completions of the open transaction
        self.pending_starts = []

    def pending_now(self):
        return list(self.pending), list(self.pending_starts)

    def call(self, sql, *args):
        self.cursor.execute(sql, args)
        return self.cursor.fetchall() if self.cursor.description else []

    # -- single calls

    def start_one(self):
        r = self.random
        key = f"k{r.randrange(30)}" if r.random() < 0.5 else None
        number = r.randrange(60)
        # An id that others use, too: of an instance that works, finishes, or is over.
        own_id = uuid.UUID(int=SEED << 64 | number) if r.random() < 0.3 else None
        machine = MACHINES[number % len(MACHINES)]
        (instance,), = self.call("SELECT dfsmr.start(%s, '{}', %s, key => %s, if_exists => %s, priority => %s,"
                                 " delay => %s)", machine, own_id, key,
                                 r.choice(["return", "skip"]), r.choice([None, None, 0, 7]),
                                 r.choice(["0", "0", "20ms"]))
        if instance is not None:
            self.pending_starts.append(instance)

    def start_some(self):
        r = self.random
        n = r.randrange(1, 12)
        keys = [f"k{r.randrange(30)}" if r.random() < 0.5 else None for _ in range(n)]
        rows = self.call("SELECT instance, sqlstate FROM dfsmr.start_many(%s, array_fill('{}'::jsonb, ARRAY[%s]),"
                         " keys => %s::text[], if_exists => %s)", r.choice(MACHINES), n, keys,
                         r.choice(["error", "return", "skip"]))
        for instance, sqlstate in rows:
            self.judge_item(sqlstate)
            if instance is not None:
                self.pending_starts.append(instance)

    def work(self):
        r = self.random
        tasks = self.call("SELECT instance, visit, attempt, node FROM dfsmr.ready(%s, %s, %s, %s, %s)",
                          self.client, r.choice(MACHINES + [None]), r.choice(["a", "b", None, None]),
                          r.choice([1, 1, 3, 10]), r.choice(["0", "0", "50ms", "200ms"]))
        for instance, visit, attempt, node in tasks:
            choice = r.random()
            if choice < 0.6:
                self.complete(instance, visit, attempt, node)
            elif choice < 0.75:
                self.call("SELECT * FROM dfsmr.relinquish(%s, %s, %s, %s)", instance, visit,
                          r.choice(["0", "0", "20ms"]), attempt)
            elif choice < 0.85:
                self.call("SELECT dfsmr.heartbeat(%s, %s, %s)", instance, visit, attempt)
            # else: let the lease run out

    def complete(self, instance, visit, attempt, node):
        self.call("SELECT * FROM dfsmr.transition(%s, %s, '{}', %s, %s, %s)", instance,
                  self.random.choice(WAYS[node]), visit, self.client, attempt)
        self.pending.append((str(instance), visit))

    def work_by_batches(self):
        """Rounds of a worker that claims and completes many at a time."""
        r = self.random
        machine, node, most = r.choice(MACHINES + [None]), r.choice(["a", "b", None, None]), r.choice([1, 5, 20])
        tasks = []
        for _ in range(r.randrange(2, 5)):
            # Not in the order of ids; some are left to time out, some said twice.
            said = [task for task in tasks if r.random() < 0.9]
            said += [task for task in said if r.random() < 0.1]
            r.shuffle(said)
            ways = [r.choice(WAYS[task[3]]) for task in said]
            arrays = ([str(task[0]) for task in said], ways, [task[1] for task in said],
                      [task[2] for task in said])
            if r.random() < 0.7:
                rows = self.call("SELECT item, sqlstate, outcome, instance, visit, attempt, node"
                                 " FROM dfsmr.transition_and_ready(%s, %s::uuid[], %s::text[], %s::int[], %s::int[],"
                                 " machine => %s, node => %s, max => %s, wait => %s)", self.client, *arrays,
                                 machine, node, most, r.choice(["0", "0", "50ms"]))
            else:
                rows = self.call("SELECT item, sqlstate, outcome, instance, visit, NULL, node"
                                 " FROM dfsmr.transition_many(%s::uuid[], %s::text[], %s::int[], %s::int[],"
                                 " client => %s)", *arrays, self.client)
            for item, sqlstate, outcome, *_ in rows[:len(said)]:
                self.judge_item(sqlstate)
                if outcome == "ok":
                    self.pending.append((str(said[item - 1][0]), said[item - 1][1]))
            tasks = [row[3:7] for row in rows[len(said):]]

    def judge_item(self, sqlstate):
        if sqlstate not in ("00000", "SM002", "SM003", "SM004", "SM007", "SM008"):
            with lock:
                unexpected.append(f"{sqlstate} of an item")

    def any_instance(self):
        rows = self.call("SELECT id, visit FROM dfsmr.instance WHERE kind <> 'f'"
                         " ORDER BY random() LIMIT 1")
        return rows[0] if rows else (None, None)

    def operate(self):
        r = self.random
        instance, visit = self.any_instance()
        if instance is None:
            return
        choice = r.random()
        if choice < 0.5:
            self.call("SELECT dfsmr.move(%s, %s, 'stress')", instance, r.choice(["a", "b", "w", "p"]))
        elif choice < 0.6:
            self.call("SELECT dfsmr.abort(%s, 'stress')", instance)
        elif choice < 0.7:
            self.call("SELECT * FROM dfsmr.signal(NULL, NULL, 'ok', instance => %s)", instance)
        elif choice < 0.8:
            self.call("SELECT dfsmr.heartbeat(%s, %s)", instance, visit)
        elif choice < 0.9:
            self.call("SELECT dfsmr.tick()")
        else:
            machine = r.choice(MACHINES)
            self.call("SELECT dfsmr.pause(%s, 'b')", machine)
            self.call("SELECT dfsmr.resume(%s, 'b')", machine)

    def something(self):
        choice = self.random.random()
        if choice < 0.15:
            self.start_one()
        elif choice < 0.25:
            self.start_some()
        elif choice < 0.55:
            self.work()
        elif choice < 0.8:
            self.work_by_batches()
        else:
            self.operate()

    # -- transactions

    def in_transaction(self):
        r = self.random
        level = r.choice(["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
        self.call(f"BEGIN ISOLATION LEVEL {level}")
        for _ in range(r.randrange(1, 5)):
            if r.random() < 0.4:
                kept = self.pending_now()
                self.call("SAVEPOINT s")
                try:
                    self.something()
                except psycopg.Error as error:
                    self.judge(error)
                    self.call("ROLLBACK TO s")
                    self.pending, self.pending_starts = kept
                else:
                    if r.random() < 0.5:
                        self.call("ROLLBACK TO s")
                        self.pending, self.pending_starts = kept
                    else:
                        self.call("RELEASE s")
            else:
                self.something()
        self.end_transaction()

    def end_transaction(self):
        global nprepared
        choice = self.random.random()
        if choice < 0.5:
            self.call("COMMIT")
            self.acknowledge()
        elif choice < 0.75:
            self.call("ROLLBACK")
        else:
            with lock:
                nprepared += 1
                name = f"stress{nprepared}"
            self.call(f"PREPARE TRANSACTION '{name}'")
            time.sleep(self.random.choice([0, 0.01, 0.1]))
            end = self.random.choice(["COMMIT", "ROLLBACK"])
            for _ in range(100):
                try:
                    self.call(f"{end} PREPARED '{name}'")
                    break
                except errors.UndefinedObject:
                    # A cancel came after it had ended, or before it was there.
                    end = "GONE"
                    break
                except psycopg.Error as error:
                    self.judge(error)
                    if self.connection.closed:
                        self.reconnect()
            if end == "COMMIT":
                self.acknowledge()
        self.forget()

    def acknowledge(self):
        with lock:
            acknowledged.extend(self.pending)
            started.extend(self.pending_starts)
        self.forget()

    # -- failures

    def judge(self, error):
        """Which errors are the sessions' own doing?"""
        expected = ("SM002", "SM003", "SM004", "SM007", "SM008", "SM010", "40P01", "57014",
                    "57P01", "57P02", "57P03", "40001", "25P02", "55P03", None)
        if error.sqlstate not in expected:
            with lock:
                unexpected.append(f"{error.sqlstate} {error}")

    def reconnect(self):
        try:
            self.connection.close()
        except psycopg.Error:
            pass
        self.connection = connect()
        self.cursor = self.connection.cursor()

    def run(self):
        while not stop.is_set():
            self.forget()
            try:
                if self.random.random() < 0.5:
                    self.something()
                    self.acknowledge()
                else:
                    self.in_transaction()
            except psycopg.Error as error:
                self.judge(error)
                if self.connection.closed:
                    self.reconnect()
                else:
                    try:
                        self.connection.rollback()
                        self.call("ROLLBACK")
                    except psycopg.Error:
                        self.reconnect()
        self.connection.close()


class Trouble(threading.Thread):
    """Cancels and terminates sessions."""

    def run(self):
        r = random.Random(SEED)
        connection = connect("trouble")
        while not stop.is_set():
            time.sleep(r.random() * 0.1)
            what = "pg_cancel_backend" if r.random() < 0.8 else "pg_terminate_backend"
            connection.execute(f"SELECT {what}(pid) FROM pg_stat_activity"
                               " WHERE application_name = 'stress' AND state <> 'idle'"
                               " ORDER BY random() LIMIT 1")
        connection.close()


class Killer(threading.Thread):
    """Kills processes, in the middle of what they do, and the server with them."""

    VICTIMS = ["backend_type = 'client backend' AND state <> 'idle'"] * 3 + [
        "backend_type = 'dfsmr scheduler'", "backend_type = 'dfsmr launcher'"]

    def __init__(self):
        super().__init__()
        self.killed = 0

    def victim(self, connection, which):
        row = connection.execute("SELECT pid FROM pg_stat_activity WHERE " + which +
                                 " AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1").fetchone()
        return row[0] if row else None

    def run(self):
        r = random.Random(SEED)
        while self.killed < options.kills:
            connection = connect("killer")
            try:
                time.sleep(0.2 + r.random() * 0.6)
                pid = self.victim(connection, r.choice(self.VICTIMS))
                if pid is None:
                    continue
                os.kill(pid, signal.SIGKILL)
                self.killed += 1
                # The server has noticed when it ends this session too.
                connection.execute("SELECT pg_sleep(60)")
            except psycopg.Error:
                pass
            finally:
                connection.close()


class Follower(threading.Thread):
    """Follows the changelog; a lost connection goes on from its cursor."""

    def __init__(self):
        super().__init__()
        self.cursor = None
        self.seen = []
        self.finish = threading.Event()

    def read(self, connection):
        rows = connection.execute("SELECT seq, cursor FROM dfsmr.changes_since(%s, 200)",
                                  (self.cursor,)).fetchall()
        self.seen.extend(seq for seq, _ in rows)
        if rows:
            self.cursor = rows[-1][1]
        return len(rows)

    def run(self):
        connection = connect("follower")
        while True:
            last = self.finish.is_set()
            try:
                if self.read(connection) == 0:
                    if last:
                        break
                    time.sleep(0.01)
            except psycopg.Error as error:
                if not connection.closed:
                    with lock:
                        unexpected.append(f"the follower: {error.sqlstate} {error}")
                    break
                connection.close()
                connection = connect("follower")
        connection.close()


# ------------------------------------------------------------------- judging

failures = []


def check(good, what, detail=""):
    print(("ok" if good else "not ok") + f" - {what}" + (f": {detail}" if detail and not good else ""))
    if not good:
        failures.append(what)


def ready_rows(connection):
    """Rows that the heap says are ready, and no lease holds."""
    return connection.execute(
        "SELECT i.id FROM dfsmr.instance i WHERE i.kind = 't' AND i.ready_at <= dfsmr.board_time()"
        " AND NOT EXISTS (SELECT FROM dfsmr.board_leases() l WHERE l.instance = i.id)").fetchall()


def end_prepared(connection):
    for (gid,) in connection.execute("SELECT gid FROM pg_prepared_xacts"
                                     " WHERE database = current_database()").fetchall():
        connection.execute(f"ROLLBACK PREPARED '{gid}'")


def quiet(connection):
    """Timers and leases come to rest: everything that moves by itself has."""
    deadline = time.time() + 30
    while time.time() < deadline:
        moving, = connection.execute(
            "SELECT count(*) FROM dfsmr.instance i WHERE kind IN ('d', 'p')"
            " OR ready_at > dfsmr.board_time()"
            " OR EXISTS (SELECT FROM dfsmr.board_leases() l WHERE l.instance = i.id)").fetchone()
        if moving == 0:
            return True
        time.sleep(0.05)
    for row in connection.execute(
            "SELECT i.id, i.node, i.kind, i.visit, i.ready_at, l.* FROM dfsmr.instance i"
            " LEFT JOIN dfsmr.board_leases() l ON l.instance = i.id"
            " WHERE kind IN ('d', 'p') OR ready_at > dfsmr.board_time() OR l.instance IS NOT NULL"):
        print("# moving:", *row)
    return False


def check_claimable(connection):
    """Claim all that the heap says is ready: no claim has to wait for a second."""
    before = len(ready_rows(connection))
    deadline = time.time() + 1
    claimed = 0
    left = []
    connection.execute("BEGIN")
    while True:
        # A small lease table hands out few at a time: complete what it gave.
        got = connection.execute("SELECT instance, node, visit FROM dfsmr.ready('judge', max => 1000)").fetchall()
        claimed += len(got)
        for instance, node, visit in got:
            connection.execute("SELECT dfsmr.move(%s, 'done', 'judged')", (instance,))
        connection.execute("COMMIT")
        left = ready_rows(connection)
        if got:
            deadline = time.time() + 1
        if not left or time.time() > deadline:
            break
        connection.execute("BEGIN")
    check(not left, f"all {before} ready rows were claimable", f"{len(left)} were not, {claimed} were")


def check_no_sleeper(connection):
    """Waiters that came before the work get it at once."""
    got = []

    def wait():
        other = psycopg.connect("", autocommit=True)
        got.extend(other.execute("SELECT instance FROM dfsmr.ready('waiter', wait => '5s')").fetchall())
        other.close()

    threads = [threading.Thread(target=wait) for _ in range(4)]
    for thread in threads:
        thread.start()
    deadline = time.time() + 10
    while time.time() < deadline:
        n, = connection.execute("SELECT used FROM dfsmr.status WHERE item = 'waiters'").fetchone()
        if n == 4:
            break
        time.sleep(0.01)
    began = time.time()
    connection.execute("SELECT dfsmr.start('stress1') FROM generate_series(1, 4)")
    for thread in threads:
        thread.join()
    took = time.time() - began
    check(len(set(got)) == 4 and took < 1, "four waiters woke for four tasks",
          f"{len(set(got))} tasks after {took:.2f} s")


def set_audit(connection, interval):
    connection.execute(f"ALTER SYSTEM SET dfsmr.audit_interval = {interval}")
    connection.execute("SELECT pg_reload_conf()")


def check_audit(connection):
    set_audit(connection, 1)
    load(1, [])
    check(quiet(connection), "it came to rest again")
    connection.execute("SELECT dfsmr.ready('judge', max => 1)")
    audits, = connection.execute("SELECT used FROM dfsmr.status WHERE item = 'audits'").fetchone()
    deadline = time.time() + 20
    while time.time() < deadline:
        now, = connection.execute("SELECT used FROM dfsmr.status WHERE item = 'audits'").fetchone()
        if now > audits + 60:
            break
        time.sleep(0.05)
    check(now > audits + 60, "the audit went round", f"{now - audits} slices")
    repairs, = connection.execute("SELECT used FROM dfsmr.status"
                                  " WHERE item = 'repairs by the audit'").fetchone()
    check(repairs == 0, "the audit had nothing to repair", f"{repairs} repairs")
    set_audit(connection, 0)
    # What was claimed here times out, which is a change.
    check(quiet(connection), "it came to rest for good")


def check_changelog(connection, followed):
    missing, = connection.execute("SELECT count(*) FROM unnest(%s::uuid[]) id"
                                  " WHERE NOT EXISTS (SELECT FROM dfsmr.instances i WHERE i.instance = id.id)",
                                  (started,)).fetchone()
    check(missing == 0, f"{len(started)} instances that were started are there", f"{missing} are not")
    double = connection.execute("SELECT instance, array_agg(state) FROM dfsmr.instances"
                                " GROUP BY instance HAVING count(*) > 1").fetchall()
    check(not double, "each of them once", f"{double[:3]}")
    twice = connection.execute(
        "SELECT instance, visit, count(*) FROM dfsmr.change"
        " WHERE kind IN ('start', 'transition', 'timer', 'signal', 'move', 'abort')"
        "    OR (kind = 'timeout' AND transition <> 'dfsmr.timeout')"
        " GROUP BY 1, 2 HAVING count(*) > 1").fetchall()
    check(not twice, "no visit was entered twice", f"{twice[:3]}")
    gaps = connection.execute(
        "SELECT i.instance FROM dfsmr.instances i JOIN (SELECT instance, max(visit) AS visit,"
        " count(DISTINCT visit) AS n FROM dfsmr.change WHERE instance IS NOT NULL GROUP BY 1) c"
        " USING (instance) WHERE c.visit <> i.visit OR c.n <> i.visit").fetchall()
    check(not gaps, "the changelog has every visit", f"{len(gaps)} instances differ")
    broken = connection.execute(
        "SELECT instance FROM (SELECT instance, count(*) AS n FROM dfsmr.change"
        " WHERE instance IS NOT NULL GROUP BY 1) c"
        " WHERE n <> (SELECT count(*) FROM dfsmr.history(c.instance))").fetchall()
    check(not broken, "every instance has its whole history", f"{len(broken)} have not: {broken[:3]}")
    logged = {(str(i), v) for i, v in connection.execute(
        "SELECT instance, visit - 1 FROM dfsmr.change WHERE kind = 'transition'").fetchall()}
    lost = [a for a in acknowledged if a not in logged]
    check(not lost, f"{len(acknowledged)} acknowledged completions are in the changelog",
          f"{len(lost)} are not: {lost[:3]}")
    check(len(followed) == len(set(followed)), "no change was read twice",
          f"{len(followed) - len(set(followed))} were")
    unread = {seq for (seq,) in connection.execute("SELECT seq FROM dfsmr.change")} ^ set(followed)
    check(not unread, f"who followed has the {len(followed)} changes", f"{len(unread)} differ")


def load(seconds, trouble):
    """Run the sessions, and those that trouble them, for so long."""
    stop.clear()
    threads = [Session(i) for i in range(options.sessions)]
    for thread in threads + trouble:
        thread.start()
    if options.kills and trouble:
        for thread in trouble:
            thread.join()
    else:
        time.sleep(seconds)
    stop.set()
    for thread in threads + trouble:
        thread.join()


def main():
    connection = connect("judge")
    set_audit(connection, 0)
    for name in MACHINES:
        connection.execute("SELECT dfsmr.define(%s)", (MACHINE.format(name=name),))
    connection.close()
    print(f"# seed {SEED}, {options.sessions} sessions, "
          + (f"{options.kills} kills" if options.kills else f"{options.seconds} s"), flush=True)
    began = time.time()
    follower = Follower()
    follower.start()
    killer = Killer()
    load(options.seconds, [killer] if options.kills else [Trouble()])
    print(f"# {killer.killed} processes killed; {time.time() - began:.1f} s")

    connection = connect("judge")
    check(not unexpected, "no unexpected error", "; ".join(sorted(set(unexpected))[:5]))
    check(acknowledged, "work was done")
    end_prepared(connection)
    connection.execute("SELECT dfsmr.resume(m, 'b') FROM unnest(%s::text[]) m", (MACHINES,))
    check(quiet(connection), "it came to rest")
    check_claimable(connection)
    check_no_sleeper(connection)
    check_audit(connection)
    follower.finish.set()
    follower.join()
    check_changelog(connection, follower.seen)
    n, = connection.execute("SELECT count(*) FROM dfsmr.change").fetchone()
    print(f"# {n} changes, {len(acknowledged)} completions")
    for row in connection.execute("SELECT * FROM dfsmr.status WHERE used > 0 OR refills > 0"):
        print("#", json.dumps([str(c) for c in row if c is not None]))
    connection.close()
    sys.exit(1 if failures else 0)


main()
