"""From results/*.json: the table in Markdown, and a picture of the ratios."""

import json
import os

from picture import ratios_picture
from rows import Row


def load(results, names):
    found = []
    for name in names:
        path = os.path.join(results, name + ".json")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as source:
                found.append(json.load(source))
    return found


def table(figures):
    lines = ["| figure | dfsmr | against | ratio | bar | |",
             "|---|---|---|---|---|---|"]
    notes = []
    for figure in figures:
        for row in map(Row.from_json, figure["rows"]):
            unit = row.unit if row.unit.startswith("/") else f" {row.unit}".rstrip()
            against = f"{row.against}: {row.side(row.against)}{unit}" if row.against else ""
            mark = ""
            if row.note:
                if row.note not in notes:
                    notes.append(row.note)
                mark = f" [{notes.index(row.note) + 1}]"
            lines.append(f"| {row.case}{mark} | {row.side(row.ours)}{unit} | {against} | "
                         f"{row.ratio()} | {row.bar_text()} | {row.verdict()} |")
    return "\n".join(lines) + "\n" + "".join(
        f"\n[{i}] {note}\n" for i, note in enumerate(notes, 1))


def provenance(figures):
    """A sentence per set of figures that were measured under the same conditions."""
    groups = {}
    for f in figures:
        m = f["machine"]
        key = (f["date"], m["processors"], m["processor"], m["memory"], m["filesystem"],
               m["fdatasync_per_second"], m["kernel"], m["postgresql"], f["rounds"],
               f["seconds"], f["quick"], m["revision"])
        groups.setdefault(key, []).append(f["figure"])
    lines = []
    for key, names in groups.items():
        (date, cpus, cpu, memory, fs, flushes, kernel, postgres, rounds, seconds, quick,
         revision) = key
        lines.append(
            f"{date}, revision {revision}: {cpus} processors ({cpu}), {memory}, {fs}, "
            f"{flushes} fdatasync/s, Linux {kernel}, PostgreSQL {postgres}; "
            f"{rounds} rounds of {seconds} s" + (" (quick mode: no more than a trial)" if quick else "")
            + (f": {', '.join(names)}" if len(groups) > 1 else "") + ".")
    settings = ", ".join(f"`{k} = {v}`" for k, v in figures[0]["settings"].items())
    return "\n\n".join(lines) + f"\n\nSettings that are not PostgreSQL's defaults, or matter: {settings}."


def write_report(results, names):
    figures = load(results, names)
    if not figures:
        return
    with open(os.path.join(results, "table.md"), "w", encoding="utf-8") as out:
        out.write("Medians of the rounds (lowest–highest); ratios are the median of the "
                  "rounds' own.\n\n")
        out.write(table(figures))
        out.write("\n" + provenance(figures) + "\n")
    rows = [Row.from_json(r) for f in figures for r in f["rows"] if r["against"]]
    with open(os.path.join(results, "ratios.svg"), "w", encoding="utf-8") as out:
        out.write(ratios_picture(rows))
