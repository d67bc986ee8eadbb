"""Measure the figures that are asked for, one after the other.

Each figure is a module of bench/figures with

    TITLE       one line
    measure(b)  measures, and returns a list of rows (rows.py)

and runs in databases of its own.  A figure that fails is reported and does
not stop the others.  Results are written as they come: results/FIGURE.json.
With --report DIRECTORY it writes table.md and the pictures of what was measured so
far.  The quick mode says in the manner of
TAP which figures ran: it is a test of the benchmark, and its numbers mean nothing.
"""

import importlib
import json
import os
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
FIGURES = os.path.join(os.path.dirname(HERE), "figures")
sys.path[:0] = [HERE, FIGURES]

from cluster import Cluster  # noqa: E402
from environment import describe_machine  # noqa: E402
from report import write_report  # noqa: E402
from rows import Bench, Skipped  # noqa: E402

# In order of value, which is the order of the table.
ORDER = """transition claim enforce ready bulk wave timers wakeup notify listeners waiters
deep pinned sustained hour cost batch""".split()


def known_figures():
    found = {f[:-3] for f in os.listdir(FIGURES) if f.endswith(".py")}
    return [f for f in ORDER if f in found] + sorted(found - set(ORDER))


def number(name, default):
    value = os.environ.get(name, "")
    return int(value) if value else default


def measure_figure(name, cluster, machine, results, quick):
    """Measure one figure and write its results: "done", "skipped" or "failed"."""
    module = importlib.import_module(name)
    bench = Bench(name, cluster, quick, number("ROUNDS", 1 if quick else 5),
                  number("SECONDS_PER_RUN", 10), number("MINUTES", None))
    print(f"# {name}: {module.TITLE}", flush=True)
    started = time.time()
    try:
        rows = module.measure(bench)
    except Skipped as reason:
        print(f"#   skipped: {reason}", flush=True)
        return "skipped"
    except Exception:
        traceback.print_exc()
        return "failed"
    finally:
        bench.clean_up()
    with open(os.path.join(results, name + ".json"), "w", encoding="utf-8") as out:
        json.dump({"figure": name, "title": module.TITLE, "machine": machine,
                   "date": time.strftime("%Y-%m-%d", time.gmtime()),
                   "quick": quick, "rounds": bench.rounds, "seconds": bench.seconds,
                   "settings": cluster.settings,
                   "rows": [row.as_json() for row in rows]}, out, indent=1)
        out.write("\n")
    for row in rows:
        print("#   " + row.as_line(), flush=True)
    print(f"#   ({time.time() - started:.0f} s)", flush=True)
    return "done"


def main():
    names = known_figures()
    if sys.argv[1:] == ["--list"]:
        for name in names:
            print(f"{name:<12} {importlib.import_module(name).TITLE}")
        return 0
    if sys.argv[1:2] == ["--report"]:
        write_report(sys.argv[2], names)
        return 0
    wanted = os.environ.get("FIGURES", "").split() or names
    unknown = set(wanted) - set(names)
    if unknown:
        print("unknown figures:", *sorted(unknown), "\nknown are:", *names, file=sys.stderr)
        return 2

    quick = bool(os.environ.get("QUICK"))
    work = os.environ["WORK"]
    results = os.path.join(work, "results")
    os.makedirs(results, exist_ok=True)
    failed = []
    cluster = Cluster(work, os.environ.get("BENCH_DIR") or work)
    cluster.start()
    try:
        machine = describe_machine(cluster)
        for n, name in enumerate([n for n in names if n in wanted], 1):
            verdict = measure_figure(name, cluster, machine, results, quick)
            if verdict == "failed":
                failed.append(name)
            if quick:
                print(f"{'not ok' if verdict == 'failed' else 'ok'} {n} - {name}"
                      + (" # skip" if verdict == "skipped" else ""), flush=True)
    finally:
        cluster.stop()
    if failed:
        print("failed:", *failed, file=sys.stderr)
    return 1 if failed else 0


sys.exit(main())
