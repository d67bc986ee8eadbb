"""Instructions per call, counted by callgrind: a change of a few per cent shows,
whatever else the machine does.

The server runs under valgrind; a backend's count is written when it ends.  What
a call costs is the difference between a session that made many and one that made
few, divided by the number of calls: what connecting and warming up costs drops out.
"""

import os
import shutil
import time

FEW, MANY = 100, 600


def available():
    return shutil.which("valgrind") is not None


class Counter:
    """A cluster that is run under callgrind while the block lasts."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.directory = os.path.join(cluster.work, "callgrind")

    def __enter__(self):
        os.makedirs(self.directory, exist_ok=True)
        self.cluster.stop(remove=False)
        self.cluster.start(wrapper=[
            "valgrind", "--quiet", "--vgdb=no", "--tool=callgrind", "--trace-children=yes",
            f"--callgrind-out-file={self.directory}/%p"], autovacuum="off")
        return self

    def __exit__(self, *error):
        self.cluster.stop(remove=False)
        shutil.rmtree(self.directory, ignore_errors=True)
        self.cluster.start()

    def session(self, database, call, times):
        """Instructions of a session that makes so many calls."""
        with self.cluster.connect(database, prepare_threshold=0) as connection:
            pid = connection.info.backend_pid
            for _ in range(times):
                call(connection)
        return self.total(pid)

    def total(self, pid):
        path = os.path.join(self.directory, str(pid))
        for _ in range(600):
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as profile:
                    for line in profile:
                        if line.startswith(("summary:", "totals:")):
                            return int(line.split()[1])
            time.sleep(0.1)
        raise RuntimeError("callgrind wrote no profile")

    def per_call(self, database, call, few=FEW, many=MANY):
        # The first session in a database builds what others find there.
        self.session(database, call, 1)
        return (self.session(database, call, many) - self.session(database, call, few)) \
            / (many - few)
