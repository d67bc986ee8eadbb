"""An hour at full rate: fresh instances, and a hundred that loop, in one database at the
same time, published to one listener.  Finished work and old changes are kept for two minutes, so that the ring of
the changelog goes round many times; sizes of the tables after each minute.

A machine does not do the same in every minute of an hour.  So within each minute the
reference (one row updated and one inserted, in a copy that is made for it each time)
runs for some moments, too, and what we do of that is judged."""

from load import listeners
from pinned import FRESH, LOOP, against_control, last_against_first, minutes_of, size_rows
from sustained import short_retention
from work import FLIP, JOB, UPDATE_AND_LOG, fill_items, start_items, start_jobs_many

TITLE = "an hour at full rate, both loads at once"

CASE = "fresh and looping instances at once, published"


def measure(b):
    items = b.scale(100_000, 1_000)
    reference = b.database("reference", b.file("reference/log.sql"),
                           fill_items("reference.item", items), extension=False)
    b.settle(reference)
    db = b.database()
    b.define(db, JOB)
    b.define(db, FLIP)
    b.cluster.script(db, start_jobs_many(b.scale(1_000, 100)))
    b.cluster.script(db, start_items("flip", 100))
    b.settle(db)

    def control(seconds):
        copy = b.database("run", template=reference)
        try:
            return b.pgbench(copy, UPDATE_AND_LOG, 8, seconds, variables={"items": items})
        finally:
            b.drop(copy)

    with short_retention(b.cluster), listeners(b.cluster, db, "dfsmr", 1):
        rates, controls, grown = minutes_of(b, db, FRESH + LOOP, b.minutes(60), control,
                                            lengths=(17, 3))
    return [last_against_first(CASE, rates, None),
            against_control(CASE, rates, controls, "UPDATE + INSERT", 10, 0.9),
            *size_rows(CASE, grown)]
