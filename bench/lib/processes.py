"""What the server's processes used up."""

import os

TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        return file.read().rsplit(")", 1)[1].split()


def cpu_seconds(cluster):
    """Processor time of the whole server until now: its processes, and those of
    them that have ended, which the postmaster has waited for."""
    with open(os.path.join(cluster.data, "postmaster.pid"), encoding="utf-8") as file:
        postmaster = file.readline().strip()
    while True:
        before = _stat(postmaster)[13:15]
        ticks = sum(_running(postmaster))
        after = _stat(postmaster)[11:15]
        # Else one has ended meanwhile, and is in neither or in both.
        if before == after[2:]:
            return (ticks + sum(map(int, after))) / TICK


def _running(postmaster):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = _stat(pid)
        except OSError:
            continue
        if fields[1] == postmaster:
            yield int(fields[11]) + int(fields[12])


def cpu_of(pid):
    """Processor time of one process until now."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICK
