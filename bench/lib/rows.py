"""What a figure measures with, and the rows that it returns."""

import os
import statistics

from load import pgbench

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Skipped(Exception):
    """The figure cannot run here, for instance since a peer is missing."""


class Bench:
    """One figure's cluster, lengths and databases."""

    def __init__(self, figure, cluster, quick, rounds, seconds, minutes):
        self.figure = figure
        self.cluster = cluster
        self.quick = quick
        self.rounds = rounds
        self.seconds = seconds
        self.minutes_asked_for = minutes
        self.databases = []

    def scale(self, full, quick):
        """A size: the full one, or that of the quick mode."""
        return quick if self.quick else full

    def minutes(self, full):
        """For how many minutes a long figure runs, if nothing else was asked for."""
        return self.minutes_asked_for or self.scale(full, 2)

    def database(self, name="", *scripts, template=None, extension=True):
        """A new database of this figure, with the scripts run in it."""
        database = f"bench_{self.figure}" + (f"_{name}" if name else "")
        if template:
            self.cluster.create(database, template)
        else:
            self.cluster.create(database)
            if extension:
                self.cluster.script(database, "CREATE EXTENSION dfsmr;")
        if database not in self.databases:
            self.databases.append(database)
        for script in scripts:
            self.cluster.script(database, script)
        return database

    def drop(self, database):
        self.cluster.drop(database)
        self.databases.remove(database)

    def define(self, database, definition):
        self.cluster.query(database, "SET client_min_messages = error")
        with self.cluster.connect(database) as connection:
            connection.execute("SET client_min_messages = error")
            connection.execute("SELECT dfsmr.define(%s)", (definition,))

    def file(self, name):
        """The text of a file beneath bench/."""
        with open(os.path.join(ROOT, name), encoding="utf-8") as source:
            return source.read()

    def settle(self, database):
        """Let nothing that came before be paid for by what is measured."""
        self.cluster.script(database, "VACUUM (ANALYZE); CHECKPOINT;")

    def pgbench(self, database, script, clients, seconds=None, **options):
        """Calls of the script per second.  The quick mode counts calls, not time:
        on a machine that is busy with other tests a second may pass with none."""
        if self.quick:
            options.setdefault("transactions", 20)
        return pgbench(self.cluster, database, script, clients, seconds or self.seconds,
                       **options)

    def interleave(self, sides, rounds=None):
        """Run the sides in turn, A B A B …; the samples by side."""
        samples = {name: [] for name, _ in sides}
        for _ in range(rounds or self.rounds):
            for name, run in sides:
                samples[name].append(run())
        return samples

    def clean_up(self):
        for database in list(self.databases):
            self.drop(database)


def spread(values):
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


class Row:
    """One line of the table: samples of the sides, and how they compare.

    The ratio is the median of the ratios of the rounds: what is compared ran
    next to each other, so that a machine that slows down slows both.
    """

    def __init__(self, case, unit, samples, ours=None, against=None, bar=None, most=False,
                 note=None, digits=None):
        self.case = case
        self.unit = unit
        self.samples = samples
        self.ours = ours or next(iter(samples))
        self.against = against      # a side, or None: the bar is absolute
        self.bar = bar              # None: stated, not judged
        self.most = most            # at most the bar, instead of at least
        self.note = note
        self.digits = digits

    def figures(self):
        if self.against:
            pairs = zip(self.samples[self.ours], self.samples[self.against])
            return spread([a / b for a, b in pairs])
        return spread(self.samples[self.ours])

    def met(self):
        if self.bar is None:
            return None
        median = self.figures()["median"]
        return median <= self.bar if self.most else median >= self.bar

    def number(self, value):
        if self.digits is not None:
            return f"{value:,.{self.digits}f}"
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"

    def side(self, name):
        s = spread(self.samples[name])
        text = self.number(s["median"])
        if len(self.samples[name]) > 1:
            text += f" ({self.number(s['low'])}–{self.number(s['high'])})"
        return text

    def ratio(self):
        if not self.against:
            return ""
        f = self.figures()
        text = f"{f['median']:.2f}"
        if len(self.samples[self.ours]) > 1:
            text += f" ({f['low']:.2f}–{f['high']:.2f})"
        return text

    def verdict(self):
        return {None: "", True: "met", False: "missed"}[self.met()]

    def bar_text(self):
        if self.bar is None:
            return ""
        return ("≤ " if self.most else "≥ ") + (f"{self.bar:g}" if self.against
                                                 else f"{self.number(self.bar)} {self.unit}")

    def as_line(self):
        sides = ", ".join(f"{name} {self.side(name)}" for name in self.samples)
        line = f"{self.case}: {sides} {self.unit}"
        if self.against:
            line += f"; {self.ratio()} of {self.against}"
        if self.bar is not None:
            line += f"; bar {self.bar_text()}: {self.verdict()}"
        return line

    def as_json(self):
        return {"case": self.case, "unit": self.unit, "samples": self.samples,
                "ours": self.ours, "against": self.against, "bar": self.bar,
                "most": self.most, "met": self.met(), "note": self.note,
                "digits": self.digits, "figures": self.figures()}

    @staticmethod
    def from_json(j):
        return Row(j["case"], j["unit"], j["samples"], j["ours"], j["against"], j["bar"],
                   j["most"], j["note"], j["digits"])
