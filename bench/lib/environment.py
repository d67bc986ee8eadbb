"""What the numbers were measured on."""

import os
import platform
import subprocess


def processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            for line in info:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.machine()


def memory():
    with open("/proc/meminfo", encoding="utf-8") as info:
        return f"{int(info.readline().split()[1]) / 1048576:.0f} GB"


def filesystem(path):
    done = subprocess.run(["df", "--output=fstype", path], capture_output=True, text=True,
                          check=False)
    return done.stdout.split("\n")[1].strip() if done.returncode == 0 else "unknown"


def flushes_a_second(cluster):
    """How often the disk takes a flushed write of the log: the limit of all
    that commits one by one, and what differs most between machines."""
    out = cluster.run(cluster.program("pg_test_fsync"), "-s", "1",
                      "-f", os.path.join(cluster.data, "fsync.tmp"))
    for line in out.splitlines():
        if line.strip().startswith("fdatasync"):
            return round(float(line.split()[1]))
    return None


def describe_machine(cluster):
    return {
        "processors": os.cpu_count(),
        "processor": processor(),
        "memory": memory(),
        "kernel": platform.release().split("-")[0],
        "filesystem": filesystem(cluster.data),
        "fdatasync_per_second": flushes_a_second(cluster),
        "postgresql": cluster.value("postgres", "SHOW server_version"),
        "revision": os.environ.get("REVISION", "unknown"),
    }
