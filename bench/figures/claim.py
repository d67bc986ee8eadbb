"""Claim and complete one by one, with history, against a textbook SKIP LOCKED
queue without.  Every run begins with the same supply, in a copy of a database
that was made for it: what earlier runs left behind is nobody's burden."""

from rows import Row
from work import (CLAIM_AND_COMPLETE, JOB, TEXTBOOK_CLAIM, fill_queue, start_jobs)

TITLE = "claim + complete, one by one"


def measure(b):
    supply = b.scale(8_000 * b.seconds, 8_000)
    ours = b.database("ours")
    b.define(ours, JOB)
    b.cluster.script(ours, start_jobs(supply))
    b.settle(ours)
    theirs = b.database("theirs", b.file("reference/queue.sql"), fill_queue(supply),
                        extension=False)
    b.settle(theirs)

    def run(template, script, clients):
        copy = b.database("run", template=template)
        try:
            return b.pgbench(copy, script, clients)
        finally:
            b.drop(copy)

    rows = []
    for clients in b.scale((8, 32), (8,)):
        samples = b.interleave([
            ("dfsmr", lambda: run(ours, CLAIM_AND_COMPLETE, clients)),
            ("SKIP LOCKED", lambda: run(theirs, TEXTBOOK_CLAIM, clients))])
        rows.append(Row(f"claim + complete in two calls, {clients} sessions", "/s", samples,
                        against="SKIP LOCKED", bar=1.5))
    return rows
