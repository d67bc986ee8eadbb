"""The peers: each a side that makes its supply, then works it off, and says how
many jobs a second it did (or how long a wave took, see below).  One that is not there raises Skipped."""

import json
import os
import subprocess
import time
from collections import namedtuple

from rows import ROOT, Skipped

Side = namedtuple("Side", "name run")

MODULES = os.path.join(os.path.dirname(ROOT), "build", "peers")


def _node(b, script, database, count, lead):
    """Run one of peers/*.js: it fills, works, and prints {"jobs", "seconds"}."""
    done = subprocess.run(
        ["node", os.path.join(ROOT, "peers", script), str(count), "8", str(lead)], text=True,
        env={**b.cluster.env, "PGDATABASE": database,
             "NODE_PATH": os.path.join(MODULES, "node_modules")},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=900, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{script}:\n{done.stderr[-2000:]}")
    said = json.loads(done.stdout.strip().splitlines()[-1])
    if said["jobs"] != count:
        raise RuntimeError(f"{script} did {said['jobs']} of {count} jobs")
    return said["seconds"] if lead else said["jobs"] / said["seconds"]


def _need_module(name):
    package = os.path.join(MODULES, "node_modules", name, "package.json")
    if not os.path.exists(package):
        raise Skipped(f"{name} is not in build/peers")
    with open(package, encoding="utf-8") as file:
        return json.load(file)["version"]


def _in_node(b, script, name, count, lead):
    def run():
        database = b.database("peer", extension=False)
        try:
            return _node(b, script, database, count, lead)
        finally:
            b.drop(database)

    return Side(f"{name} {_need_module(name)}", run)


# With a lead the jobs are due within one second, so many seconds after they begin to
# be made; the side says how many seconds after that the last of them was claimed.

def graphile_worker(b, count, lead=0):
    return _in_node(b, "graphile-worker.js", "graphile-worker", count, lead)


def pg_boss(b, count, lead=0):
    return _in_node(b, "pg-boss.js", "pg-boss", count, lead)


PGQ_FILL = """
CREATE EXTENSION pgq;
SELECT pgq.create_queue('work');
SELECT pgq.set_queue_config('work', 'ticker_max_count', '1000');
SELECT pgq.register_consumer('work', 'worker');
SELECT pgq.ticker();
SELECT count(pgq.insert_event('work', 'job', '{}')) FROM generate_series(1, %d);
SELECT pgq.force_tick('work');
SELECT pgq.ticker();
"""


def pgq(b, count):
    """PgQ hands whole ticks to one consumer, in order and without a state per
    event: another kind of thing, stated for comparison."""
    # The server's list of extensions has only those of the staged directory.
    if not os.path.exists(os.path.join(b.cluster.sharedir, "extension", "pgq.control")):
        raise Skipped("PgQ is not installed")

    def run():
        database = b.database("peer", extension=False)
        b.cluster.script(database, PGQ_FILL % count)
        try:
            with b.cluster.connect(database) as c:
                started = time.perf_counter()
                taken = 0
                while taken < count:
                    batch = c.execute("SELECT pgq.next_batch('work', 'worker')").fetchone()[0]
                    if batch is None:
                        raise RuntimeError(f"{taken} of {count} events came")
                    taken += len(c.execute("SELECT ev_id FROM pgq.get_batch_events(%s)",
                                           (batch,)).fetchall())
                    c.execute("SELECT pgq.finish_batch(%s)", (batch,))
                return taken / (time.perf_counter() - started)
        finally:
            b.drop(database)

    return Side("PgQ", run)
