#!/usr/bin/python3
"""A worker in Python, with psycopg 3:  worker.py MACHINE [NODE]

Connects as libpq's environment says (PGHOST, PGDATABASE, ...).  It keeps nothing
in its session, so it also works behind PgBouncer in transaction mode.  SIGTERM
and SIGINT stop it once it has finished what it does.
"""
import os
import signal
import socket
import sys
import threading
import time

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

CLIENT = f"{socket.gethostname()[:40]}-{os.getpid()}"

# The task is not ours any more: unknown instance, stale visit, finished, stale
# lease.  Somebody else has it, or nobody wants it done.
LOST = {"SM002", "SM004", "SM007", "SM010"}

# A task that is handed out at most once has no lease, and never expires: there
# we say every half minute that we are alive, for whoever looks at what is stuck.
READY = """
    SELECT instance, visit, attempt, params,
           extract(epoch FROM least(expires_at, claimed_at + interval '90 s')
                              - claimed_at)::float / 3 AS pause
    FROM dfsmr.ready(%s, %s, %s, wait => '5 s')
"""

stopping = threading.Event()


def work(task, lost):
    """Do the node's work; put yours here.

    Returns the transition to say, and what to remember in the instance's data.
    Long work looks at lost.is_set() now and then: it may stop, in vain as it is.
    """
    lost.wait(task["params"].get("seconds", 0))
    amount = task["params"].get("amount")
    if not isinstance(amount, int) or amount <= 0:
        return "error", {"reason": "no amount"}
    return "large" if amount > 1000 else "ok", {"checked_by": "python"}


class Database:
    """A connection that comes back."""

    def __init__(self):
        self.connection = None

    def call(self, sql, *args):
        """Run one statement, and again if the connection was lost under it.

        That is safe: a transition that this worker says twice gets the answer
        that was recorded the first time.  A worker that was told to stop does
        not wait for a database that is away; its lease will run out.
        """
        while True:
            try:
                if self.connection is None:
                    # autocommit: no transaction stays open while we work.
                    # prepare_threshold: prepared statements belong to a server
                    # connection, which behind a pooler is another every time.
                    self.connection = psycopg.connect(
                        "", autocommit=True, prepare_threshold=None, row_factory=dict_row)
                return self.connection.execute(sql, args).fetchall()
            except psycopg.OperationalError as error:
                if stopping.is_set():
                    raise
                print(f"database: {error}", file=sys.stderr)
                if self.connection is not None:
                    self.connection.close()
                    self.connection = None
                time.sleep(1)


def beat(database, task, lost, done):
    """Say that we are alive, three times per lease, until the work is done."""
    while not done.wait(task["pause"]):
        try:
            database.call("SELECT dfsmr.heartbeat(%s, %s, %s)",
                          task["instance"], task["visit"], task["attempt"])
        except psycopg.Error as error:
            if error.diag.sqlstate not in LOST:
                raise
            lost.set()
            return


def handle(database, task):
    lost, done = threading.Event(), threading.Event()
    heart = threading.Thread(target=beat, args=(database, task, lost, done))
    heart.start()
    try:
        transition, data = work(task, lost)
    finally:
        done.set()
        heart.join()

    # First completion wins: a lease that ran out is not the end if nobody else
    # has finished the visit.  So we say it in any case, and the server judges.
    try:
        moved, = database.call(
            "SELECT node FROM dfsmr.transition(%s, %s, visit => %s, client => %s,"
            " attempt => %s, data => %s)",
            task["instance"], transition, task["visit"], CLIENT, task["attempt"], Jsonb(data))
        print(f"{task['instance']}: {transition}, now in {moved['node']}", flush=True)
    except psycopg.Error as error:
        if error.diag.sqlstate not in LOST:
            raise
        print(f"{task['instance']}: {error.diag.message_primary}", file=sys.stderr)


def main():
    machine, node = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stopping.set())

    database = Database()
    while not stopping.is_set():
        # Sleeps in the server until there is work, at most the five seconds.
        for task in database.call(READY, CLIENT, machine, node):
            handle(database, task)


if __name__ == "__main__":
    main()
