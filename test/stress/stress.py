#!/usr/bin/python3
"""Random calls by many sessions over small sets; the oracle is the heap.

Sessions start, claim, complete, give back, let leases run out, move, abort,
pause; in transactions that commit, roll back, roll back to a savepoint or are
prepared, at all isolation levels; and are cancelled and terminated meanwhile.
When it goes quiet, with the audit switched off:

  - every ready row is claimable within a second,
  - no waiter sleeps beside work,
  - the board and the heap agree: the audit, switched on, repairs nothing,
  - every acknowledged completion is in the changelog once, and no visit was
    completed twice.

Connects by the PG* variables, as a superuser, to a database that has the
extension.  Usage: stress.py [SECONDS [SESSIONS [SEED]]]
"""

import json
import random
import sys
import threading
import time

import psycopg
from psycopg import errors

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 10
SESSIONS = int(sys.argv[2]) if len(sys.argv) > 2 else 12
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 30)

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
MACHINES = ["stress1", "stress2"]
WAYS = {"a": ["ok", "again", "later", "delayed", "park"], "b": ["done", "back", "back"]}

stop = threading.Event()
lock = threading.Lock()
acknowledged = []           # (instance, visit) of completions that committed
unexpected = []             # errors that nobody should see
nprepared = 0


def connect():
    # Also when this session was terminated a moment ago.
    for _ in range(100):
        try:
            return psycopg.connect("", autocommit=True, application_name="stress",
                                   prepare_threshold=None)
        except psycopg.OperationalError:
            time.sleep(0.05)
    raise RuntimeError("cannot connect")


class Session(threading.Thread):
    def __init__(self, number):
        super().__init__()
        self.random = random.Random(SEED * 1000 + number)
        self.client = f"client{number}"
        self.connection = connect()
        self.cursor = self.connection.cursor()
        self.pending = []       # completions of the open transaction

    def call(self, sql, *args):
        self.cursor.execute(sql, args)
        return self.cursor.fetchall() if self.cursor.description else []

    # -- single calls

    def start_one(self):
        r = self.random
        key = f"k{r.randrange(30)}" if r.random() < 0.5 else None
        self.call("SELECT dfsmr.start(%s, '{}', key => %s, if_exists => %s, priority => %s,"
                  " delay => %s)", r.choice(MACHINES), key,
                  r.choice(["return", "skip"]), r.choice([None, None, 0, 7]),
                  r.choice(["0", "0", "20ms"]))

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
        if choice < 0.25:
            self.start_one()
        elif choice < 0.8:
            self.work()
        else:
            self.operate()

    # -- transactions

    def in_transaction(self):
        r = self.random
        level = r.choice(["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
        self.call(f"BEGIN ISOLATION LEVEL {level}")
        for _ in range(r.randrange(1, 5)):
            if r.random() < 0.4:
                kept = list(self.pending)
                self.call("SAVEPOINT s")
                try:
                    self.something()
                except psycopg.Error as error:
                    self.judge(error)
                    self.call("ROLLBACK TO s")
                    self.pending = kept
                else:
                    if r.random() < 0.5:
                        self.call("ROLLBACK TO s")
                        self.pending = kept
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
        self.pending = []

    def acknowledge(self):
        with lock:
            acknowledged.extend(self.pending)
        self.pending = []

    # -- failures

    def judge(self, error):
        """Which errors are the sessions' own doing?"""
        expected = ("SM002", "SM003", "SM004", "SM007", "SM008", "SM010", "40P01", "57014",
                    "57P01", "40001", "25P02", "55P03", None)
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
            self.pending = []
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
        connection = psycopg.connect("", autocommit=True, application_name="trouble")
        while not stop.is_set():
            time.sleep(r.random() * 0.1)
            what = "pg_cancel_backend" if r.random() < 0.8 else "pg_terminate_backend"
            connection.execute(f"SELECT {what}(pid) FROM pg_stat_activity"
                               " WHERE application_name = 'stress' AND state <> 'idle'"
                               " ORDER BY random() LIMIT 1")
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
    """Claim all that the heap says is ready, within a second."""
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


def check_audit(connection):
    connection.execute("ALTER SYSTEM SET dfsmr.audit_interval = 1")
    connection.execute("SELECT pg_reload_conf()")
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
    connection.execute("ALTER SYSTEM RESET dfsmr.audit_interval")
    connection.execute("SELECT pg_reload_conf()")


def check_changelog(connection):
    twice = connection.execute(
        "SELECT instance, visit, count(*) FROM dfsmr.change"
        " WHERE kind IN ('start', 'transition', 'timer', 'signal', 'move', 'abort')"
        "    OR (kind = 'timeout' AND transition <> 'dfsmr.timeout')"
        " GROUP BY 1, 2 HAVING count(*) > 1").fetchall()
    check(not twice, "no visit was entered twice", f"{twice[:3]}")
    gaps = connection.execute(
        "SELECT i.id FROM dfsmr.instance i JOIN (SELECT instance, max(visit) AS visit,"
        " count(DISTINCT visit) AS n FROM dfsmr.change WHERE instance IS NOT NULL GROUP BY 1) c"
        " ON c.instance = i.id WHERE c.visit <> i.visit OR c.n <> i.visit").fetchall()
    check(not gaps, "the changelog has every visit", f"{len(gaps)} instances differ")
    logged = {(str(i), v) for i, v in connection.execute(
        "SELECT instance, visit - 1 FROM dfsmr.change WHERE kind = 'transition'").fetchall()}
    lost = [a for a in acknowledged if a not in logged]
    check(not lost, f"{len(acknowledged)} acknowledged completions are in the changelog",
          f"{len(lost)} are not: {lost[:3]}")


def main():
    connection = psycopg.connect("", autocommit=True, application_name="judge")
    connection.execute("ALTER SYSTEM SET dfsmr.audit_interval = 0")
    connection.execute("SELECT pg_reload_conf()")
    for name in MACHINES:
        connection.execute("SELECT dfsmr.define(%s)", (MACHINE.format(name=name),))
    print(f"# seed {SEED}, {SESSIONS} sessions, {SECONDS} s", flush=True)
    threads = [Session(i) for i in range(SESSIONS)] + [Trouble()]
    for thread in threads:
        thread.start()
    time.sleep(SECONDS)
    stop.set()
    for thread in threads:
        thread.join()

    check(not unexpected, "no unexpected error", "; ".join(sorted(set(unexpected))[:5]))
    check(acknowledged, "work was done")
    end_prepared(connection)
    connection.execute("SELECT dfsmr.resume(m, 'b') FROM unnest(%s::text[]) m", (MACHINES,))
    check(quiet(connection), "it came to rest")
    check_claimable(connection)
    check_no_sleeper(connection)
    check_audit(connection)
    check_changelog(connection)
    n, = connection.execute("SELECT count(*) FROM dfsmr.change").fetchone()
    print(f"# {n} changes, {len(acknowledged)} completions")
    for row in connection.execute("SELECT * FROM dfsmr.status WHERE used > 0 OR refills > 0"):
        print("#", json.dumps([str(c) for c in row if c is not None]))
    connection.close()
    sys.exit(1 if failures else 0)


main()
