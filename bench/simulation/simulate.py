"""simulate.py DIRECTORY: run the scenarios and write what came out: a CSV for
each, summary.json, and the pictures.  See run."""

import csv
import json
import os
import sys
import time

import outage
import pictures
import timeouts

SCENARIOS = {**timeouts.SCENARIOS, **outage.SCENARIOS}


def main():
    if sys.argv[1] == "list":
        print("\n".join(SCENARIOS))
        return
    directory = sys.argv[1]
    wanted = os.environ.get("SCENARIOS", "").split() or list(SCENARIOS)
    tasks = int(os.environ.get("TASKS") or 100000)
    seed = int(os.environ.get("SEED") or 1)
    os.makedirs(directory, exist_ok=True)
    summary_file = os.path.join(directory, "summary.json")
    summary = {}
    if os.path.exists(summary_file):
        with open(summary_file, encoding="utf-8") as file:
            summary = json.load(file)

    for name in wanted:
        began = time.monotonic()
        rows, result = SCENARIOS[name].run(tasks, seed)
        result["seed"] = seed
        result["real_seconds"] = round(time.monotonic() - began)
        with open(os.path.join(directory, name + ".csv"), "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        summary[name] = result
        with open(summary_file, "w", encoding="utf-8") as file:
            json.dump(summary, file, indent=1, sort_keys=True)
            file.write("\n")
        print(name)
        for key, value in result.items():
            print(f"  {key:42} {value}")
    pictures.draw(directory)


main()
