"""Do timeouts that learn stay where they belong?

Tasks arrive at random, workers claim them one by one.  A service time is drawn
from a heavy-tailed distribution.  Some workers die and never report; some hang
and report half an hour later, whoever has done the work meanwhile.  Each
worker that outlives its lease goes on and reports late, as workers do.
"""

import math
import random
from collections import deque
from statistics import NormalDist

from virtual import Events, Server

WORKERS = 100
DIES = 0.01             # of the deliveries: the worker never reports
HANGS = 0.002           # of the deliveries: it reports
HANG = 1800.0           # ... so many seconds later than it should have
RESTART = 60.0          # until another worker takes the place of a dead one
LOAD = 0.7              # of what the workers can do
PERCENT = 95.0
WINDOW = 7000           # completions that the sketch remembers, about
SAMPLE = 1000           # completions from one line of the results to the next

MACHINE = """
id: tasks
nodes:
  work: {start: true, timeout: p95, transitions: {ok: done}}
  done: {final: true}
"""


class Lognormal:
    """Median 30 s, sigma 1: a 20th takes more than 5 times the median."""
    median, sigma = 30.0, 1.0
    mean = median * math.exp(sigma ** 2 / 2)

    def draw(self, rng):
        return rng.lognormvariate(math.log(self.median), self.sigma)

    def quantile(self, p):
        return self.median * math.exp(self.sigma * NormalDist().inv_cdf(p))


class Pareto:
    """Shape 1.5 from 15 s on: the variance is infinite."""
    shape, least = 1.5, 15.0
    mean = least * shape / (shape - 1)

    def draw(self, rng):
        return self.least * rng.paretovariate(self.shape)

    def quantile(self, p):
        return self.least * (1 - p) ** (-1 / self.shape)


def spread(name, values):
    """Their ends and mean, by name; nothing of none."""
    if not values:
        return {}
    return {f"{name}_least": round(min(values), 3),
            f"{name}_mean": round(sum(values) / len(values), 3),
            f"{name}_most": round(max(values), 3)}


class Timeouts:
    """One run.  by_task: the service time is the task's, the same for whoever
    does it; else it is drawn for each delivery.  slower: from the middle of the
    run on, everything takes so many times as long."""

    def __init__(self, distribution, by_task=False, slower=1.0):
        self.distribution = distribution
        self.by_task = by_task
        self.slower = slower

    def service_time(self, instance, time):
        if self.by_task:
            if instance not in self.sizes:
                self.sizes[instance] = self.distribution.draw(self.rng)
            drawn = self.sizes[instance]
        else:
            drawn = self.distribution.draw(self.rng)
        return drawn * (self.slower if time > self.middle else 1.0)

    def true_quantile(self, time):
        """Of the durations that are reported: those who hang are among them.
        Nobody knows it when slow tasks are reported by each who does them."""
        if self.by_task:
            return ""
        hanging = HANGS / (1 - DIES)
        return round(self.distribution.quantile(PERCENT / 100 / (1 - hanging)) *
                     (self.slower if time > self.middle else 1.0), 2)

    # ------------------------------------------------------------- what happens

    def claim(self, time):
        """Idle workers take what there is."""
        while self.idle:
            self.server.go_to(time)
            tasks = self.server.ready("worker", 1)
            if not tasks:
                return
            self.idle -= 1
            self.begin(time, tasks[0])

    def begin(self, time, task):
        instance, _, _, attempt, claimed, expires = task
        service = self.service_time(instance, time)
        self.deliveries += 1
        if attempt > 1:
            self.redeliveries += 1
        else:
            self.in_force = expires - claimed
        fate = self.rng.random()
        if fate < DIES:
            self.dead += 1
            self.events.at(time + service * self.rng.random() + RESTART, self.back)
        elif fate < DIES + HANGS:
            self.hung += 1
            self.events.at(time + service + HANG, self.report, task, True)
        else:
            self.events.at(time + service, self.report, task, False)
        # A moment later, so that it is over when we look.
        self.events.at(expires + 0.05, self.look)

    def back(self, time):
        self.idle += 1
        self.claim(time)

    def look(self, time):
        self.claim(time)

    def report(self, time, task, hung):
        self.server.go_to(time)
        refused = self.server.complete(task, "ok", "worker")
        self.durations.append(time - task[4])
        if refused is None:
            self.completed += 1
            if self.completed % SAMPLE == 0:
                self.sample(time)
        elif not hung:
            self.duplicates += 1
        self.idle += 1
        self.claim(time)

    # ------------------------------------------------------------------- results

    def sample(self, time):
        ordered = sorted(self.durations)
        empirical = ordered[math.ceil(PERCENT / 100 * len(ordered)) - 1]
        view = self.server.query("SELECT timeout FROM dfsmr.node_stats WHERE node = 'work'")
        self.rows.append({
            "hours": round(time / 3600, 3),
            "completed": self.completed,
            "timeout_in_force": round(self.in_force, 2),
            "node_stats_timeout": round(view[0][0].total_seconds(), 2),
            "true_p95": self.true_quantile(time),
            "recent_p95": round(empirical, 2),
            "duplicates_percent": round(100 * (self.duplicates - self.before[0]) / SAMPLE, 2),
            "redelivered_percent": round(100 * (self.redeliveries - self.before[1]) / SAMPLE, 2),
        })
        self.before = (self.duplicates, self.redeliveries)

    def run(self, tasks, seed):
        """Returns (rows of the CSV, summary)."""
        self.rng = random.Random(seed)
        self.server = Server()
        self.events = Events()
        self.idle = WORKERS
        self.sizes = {}
        self.durations = deque(maxlen=WINDOW)
        self.rows = []
        self.completed = self.deliveries = self.redeliveries = 0
        self.duplicates = self.dead = self.hung = 0
        self.before = (0, 0)
        self.in_force = None

        each = self.distribution.mean * (1 + self.slower) / 2 * 1.06 + HANGS * HANG + DIES * RESTART
        rate = LOAD * WORKERS / each
        # Time to start them all, before the first is due.
        time = 600.0
        arrivals = []
        for _ in range(tasks):
            time += self.rng.expovariate(rate)
            arrivals.append(time)
        self.middle = arrivals[tasks // 2]
        self.server.set_up(MACHINE)
        self.server.start_at("tasks", arrivals)
        for arrival in arrivals:
            self.events.at(arrival + 0.001, self.look)
        self.events.run()
        return self.rows, self.summary()

    def summary(self):
        unfinished = self.server.query(
            "SELECT count(*) FROM dfsmr.instances WHERE state <> 'finished'")[0][0]
        # When the window is full of what it is about.
        settled = [row for row in self.rows
                   if row["completed"] > 2 * WINDOW and
                   not self.middle / 3600 < row["hours"] < self.middle / 3600 * 1.3]
        ratios = [row["timeout_in_force"] / row["true_p95"] for row in settled
                  if row["true_p95"] != ""]
        recent = [row["timeout_in_force"] / row["recent_p95"] for row in settled]
        return {
            "completed": self.completed,
            "unfinished": unfinished,
            "hours": round(self.server.now / 3600, 1),
            "deliveries": self.deliveries,
            "died": self.dead,
            "hung": self.hung,
            "redelivered_percent": round(100 * self.redeliveries / self.completed, 2),
            "duplicates_percent": round(100 * self.duplicates / self.completed, 2),
            **spread("timeout_to_true_p95", ratios),
            **spread("timeout_to_recent_p95", recent),
        }


SCENARIOS = {
    "lognormal": Timeouts(Lognormal()),
    "pareto": Timeouts(Pareto()),
    "pareto-by-task": Timeouts(Pareto(), by_task=True),
    "slower": Timeouts(Lognormal(), slower=2.0),
}
