"""What does a downstream see of an outage, with a breaker and without?

Work arrives at random and calls a downstream; what fails is retried out of a
timer with backoff and jitter.  For some minutes the downstream fails every
call.  When it is up it serves so many calls a second and refuses what is more.
"""

import random

from virtual import Server

STEP = 0.2              # seconds; what happens within one happens at its end
ARRIVALS = 10.0         # a second
CAPACITY = 30           # calls that the downstream serves in any second
WORKERS = 30
CALL = 0.2              # seconds that a call takes, whatever comes of it
OUTAGE = (300.0, 600.0)
UNTIL = 1200.0          # no more arrivals; then what is left comes to its end
GIVE_UP = 3600.0        # it does not

MACHINE = """
id: calls
%s
nodes:
  call: {start: true, timeout: 30s, transitions: {ok: done, error: wait}}
  wait:
    delay: {base: 2s, backoff: 2.0, max_delay: 60s, jitter: full}
    fire: again
    transitions: {again: call}
  done: {final: true}
"""
BREAKER = "breaker: {window: 60s, min_attempts: 20, max_retry_ratio: 0.5, probe_rate: 1/s}"


class Downstream:
    def __init__(self):
        self.served = []        # times of the calls of the last second

    def call(self, time):
        """Does it succeed?"""
        self.served = [t for t in self.served if t > time - 1.0]
        if OUTAGE[0] <= time < OUTAGE[1] or len(self.served) >= CAPACITY:
            return False
        self.served.append(time)
        return True


class Outage:
    def __init__(self, breaker):
        self.breaker = breaker

    def arrivals(self):
        """How many come within a step."""
        count, time = 0, self.rng.expovariate(ARRIVALS)
        while time < STEP:
            count += 1
            time += self.rng.expovariate(ARRIVALS)
        return count

    def finish_calls(self, time):
        """Report the calls that have come to their end."""
        due = [call for call in self.calls if call[0] <= time]
        self.calls = [call for call in self.calls if call[0] > time]
        for end, task, succeeded in due:
            self.server.complete(task, "ok" if succeeded else "error", "worker")
            if succeeded:
                self.second["succeeded"] += 1
                self.finished += 1
                if task[0] in self.old:
                    self.old.discard(task[0])
                    if not self.old:
                        self.caught_up = end

    def begin_calls(self, time):
        idle = WORKERS - len(self.calls)
        if idle <= 0:
            return
        for task in self.server.ready("worker", idle):
            self.second["calls"] += 1
            self.calls.append((time + CALL, task, self.downstream.call(time)))

    def sample(self, time):
        row = {"seconds": round(time), **self.second}
        waiting, held = self.server.query(
            """SELECT count(*) FILTER (WHERE kind = 'd'), count(*) FILTER (WHERE kind = 't')
               FROM dfsmr.instance""")[0]
        row["waiting"] = waiting
        row["ready_or_called"] = held
        row["breaker"] = self.state() if self.breaker else ""
        self.rows.append(row)
        self.second = {"calls": 0, "succeeded": 0}

    def state(self):
        return self.server.query("SELECT state FROM dfsmr.breakers WHERE machine = 'calls'")[0][0]

    def run(self, _tasks, seed):
        self.rng = random.Random(seed)
        self.server = Server()
        self.downstream = Downstream()
        self.calls = []
        self.rows = []
        self.second = {"calls": 0, "succeeded": 0}
        self.started = self.finished = 0
        self.old = set()        # not finished when the outage ended
        self.caught_up = None
        self.server.set_up(MACHINE % (BREAKER if self.breaker else ""))
        step = 0
        while True:
            step += 1
            time = step * STEP
            self.server.go_to(time)
            self.finish_calls(time)
            if time < UNTIL:
                count = self.arrivals()
                if count:
                    self.server.start("calls", count)
                    self.started += count
            elif self.finished == self.started or time > GIVE_UP:
                break
            self.begin_calls(time)
            if step == round(OUTAGE[1] / STEP):
                self.old = {row[0] for row in self.server.query(
                    "SELECT instance FROM dfsmr.instances WHERE state <> 'finished'")}
                self.behind = len(self.old)
            if step % round(1 / STEP) == 0:
                self.sample(time)
        return self.rows, self.summary(time)

    def rate(self, since, until):
        rows = [row["calls"] for row in self.rows if since < row["seconds"] <= until]
        return round(sum(rows) / len(rows), 1), max(rows)

    def summary(self, end):
        mean, most = self.rate(*OUTAGE)
        last, _ = self.rate(OUTAGE[1] - 60, OUTAGE[1])
        after, after_most = self.rate(OUTAGE[1], OUTAGE[1] + 120)
        return {
            "started": self.started,
            "unfinished": self.started - self.finished,
            "seconds": round(end),
            "calls_per_second_before": self.rate(0, OUTAGE[0])[0],
            "calls_per_second_in_outage": mean,
            "calls_per_second_in_outage_most": most,
            "calls_per_second_in_its_last_minute": last,
            "calls_per_second_in_2_minutes_after": after,
            "calls_per_second_in_2_minutes_after_most": after_most,
            "failed_calls_after_it": sum(row["calls"] - row["succeeded"] for row in self.rows
                                         if row["seconds"] > OUTAGE[1] + 2),
            "behind_at_its_end": self.behind,
            "seconds_until_caught_up": round(self.caught_up - OUTAGE[1], 1)
                                       if self.caught_up else "never",
        }


SCENARIOS = {
    "outage-without-breaker": Outage(False),
    "outage-with-breaker": Outage(True),
}
