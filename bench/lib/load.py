"""Load: pgbench, and processes that run beside it."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def pgbench(cluster, database, script, clients, seconds=None, transactions=None,
            threads=None, variables=None, settings=None, options=(),
            protocol="prepared"):
    """Run pgbench; transactions per second without connecting.  Several
    statements of a script are one transaction of pgbench's, not of the
    server's; settings are the sessions'.  A client that was cut off by an error
    is an error."""
    with tempfile.NamedTemporaryFile("w", dir=cluster.work, suffix=".sql") as file:
        file.write(script)
        file.flush()
        command = [cluster.program("pgbench"), "-n", "-M", protocol, "-c", str(clients),
                   "-j", str(threads or min(clients, os.cpu_count() or 1)), "-f", file.name]
        command += ["-T", str(seconds)] if transactions is None else ["-t", str(transactions)]
        for name, value in (variables or {}).items():
            command += ["-D", f"{name}={value}"]
        pgoptions = " ".join(f"-c {name}={value}" for name, value in (settings or {}).items())
        out = cluster.run(*command, *options, database, env={"PGOPTIONS": pgoptions})
    if re.search(r"^pgbench: (error|fatal)|aborted in command", out, re.M):
        raise RuntimeError(f"pgbench:\n{out[:2000]}")
    found = re.search(r"^tps = ([0-9.]+) \((?:without|excluding)", out, re.M)
    if not found:
        raise RuntimeError(f"pgbench said:\n{out[:2000]}")
    return float(found.group(1))


@contextlib.contextmanager
def beside(cluster, *command):
    """A program that runs while the block does, once it has said a line."""
    process = subprocess.Popen(command, env=cluster.env, stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout.readline() == "":
            raise RuntimeError(f"{command[0]} did not start")
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


def listeners(cluster, database, channel, count, *marker):
    """So many sessions that LISTEN and read what comes; the program says a line when
    the marker has come."""
    return beside(cluster, sys.executable, os.path.join(HERE, "listen.py"), database,
                  channel, str(count), *marker)
