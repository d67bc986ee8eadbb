"""From the commit of a transition to its notification at a listener, at 2,000
transitions a second: both clocks are the same client's."""

import re
import selectors
import time

from quantile import quantile
from rows import Row
from wire import Session, notification
from work import FLIP, start_items

TITLE = "latency of notifications"

RATE = 2_000
SESSIONS = 16


def run(b, db, items, seconds):
    """Latencies in ms, and how many were sent."""
    selector = selectors.DefaultSelector()
    listener = Session(b.cluster.socket, "5432", "postgres", db)
    listener.query("LISTEN dfsmr")
    selector.register(listener, selectors.EVENT_READ, listener)
    idle = []
    for _ in range(SESSIONS):
        session = Session(b.cluster.socket, "5432", "postgres", db)
        session.prepare("go", "SELECT dfsmr.transition($1, 'go')")
        selector.register(session, selectors.EVENT_READ, session)
        idle.append(session)
    committed, heard, busy = {}, {}, {}
    started = time.perf_counter()
    n = 0
    until = started + seconds
    instance = re.compile(r'"instance" ?: ?"([^"]+)"')

    def take(timeout):
        for key, _ in selector.select(timeout):
            session = key.data
            messages = session.read_messages()
            at = time.perf_counter()
            for kind, payload in messages:
                if kind == "E":
                    raise RuntimeError(payload)
                if kind == "A":
                    found = instance.search(notification(payload)[1])
                    heard.setdefault(found.group(1), at)
                elif kind == "Z" and session in busy:
                    committed[busy.pop(session)] = at
                    idle.append(session)

    while time.perf_counter() < until:
        due = (time.perf_counter() - started) * RATE
        while n < due and idle and n < items:
            n += 1
            session = idle.pop()
            busy[session] = f"00000000-0000-4000-8000-{n:012d}"
            session.send("go", busy[session])
        take(max(0, started + n / RATE - time.perf_counter()) if idle else 0.1)
    deadline = time.perf_counter() + 10
    while (busy or len(heard) < n) and time.perf_counter() < deadline:
        take(0.1)
    if len(heard) < n:
        raise RuntimeError(f"{n - len(heard)} of {n} notifications did not come")
    return [(heard[i] - committed[i]) * 1000 for i in committed], n / seconds


def measure(b):
    seconds = b.scale(b.seconds, 1)
    items = RATE * seconds
    rates, medians, p99s = [], [], []
    for _ in range(b.rounds):
        db = b.database()
        b.define(db, FLIP)
        b.cluster.script(db, start_items("flip", items))
        b.settle(db)
        latencies, rate = run(b, db, items, seconds)
        rates.append(rate)
        medians.append(quantile(latencies, 0.5))
        p99s.append(quantile(latencies, 0.99))
        b.drop(db)
    case = f"commit → notification at a listener, {RATE:,}/s asked for"
    return [Row(f"{case}: got", "/s", {"dfsmr": rates}),
            Row(f"{case}, median", "ms", {"dfsmr": medians}, digits=2),
            Row(f"{case}, p99", "ms", {"dfsmr": p99s}, bar=20, most=True, digits=2)]
