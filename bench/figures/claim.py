"""Claim and complete one by one, with history, against a textbook SKIP LOCKED
queue without.  Every run begins with the same supply, in a copy of a database
that was made for it: what earlier runs left behind is nobody's burden."""

from rows import Row
from work import (CLAIM_AND_COMPLETE, JOB, NOTHING_CLAIMED, TEXTBOOK_CLAIM, complete_and_claim,
                  fill_queue, start_jobs_many)

TITLE = "claim + complete, one by one"


def measure(b):
    # Enough for the fastest: what is left over is no side's burden.
    supply = b.scale(30_000 * b.seconds, 30_000)
    ours = b.database("ours")
    b.define(ours, JOB)
    b.cluster.script(ours, start_jobs_many(supply))
    b.settle(ours)
    theirs = b.database("theirs", b.file("reference/queue.sql"), fill_queue(supply),
                        extension=False)
    b.settle(theirs)

    def run(template, script, clients, **options):
        copy = b.database("run", template=template)
        try:
            return b.pgbench(copy, script, clients, **options)
        finally:
            b.drop(copy)

    rows = []
    for clients in b.scale((8, 32), (8,)):
        samples = b.interleave([
            ("two calls", lambda: run(ours, CLAIM_AND_COMPLETE, clients)),
            ("one call", lambda: run(ours, complete_and_claim(1), clients,
                                     variables=NOTHING_CLAIMED)),
            ("SKIP LOCKED", lambda: run(theirs, TEXTBOOK_CLAIM, clients))])
        for calls, bar in (("two calls", 1.5), ("one call", 1.8)):
            rows.append(Row(f"claim + complete in {calls}, {clients} sessions", "/s",
                            {"dfsmr": samples[calls], "SKIP LOCKED": samples["SKIP LOCKED"]},
                            against="SKIP LOCKED", bar=bar))
    return rows
