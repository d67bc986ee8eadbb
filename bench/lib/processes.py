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
    ticks = sum(int(n) for n in _stat(postmaster)[11:15])
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = _stat(pid)
        except OSError:
            continue
        if fields[1] == postmaster:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / TICK


def cpu_of(pid):
    """Processor time of one process until now."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICK
