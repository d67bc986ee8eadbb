"""enforce() on a user's own table: an UPDATE along an edge, against the same
without a trigger, and with a trigger in PL/pgSQL that makes the same check."""

from rows import Row
from work import FLIP

TITLE = "enforce() on a user's table"

UPDATE = r"""
\set n random(1, :items)
UPDATE {table} SET status = CASE status WHEN 'a' THEN 'b' ELSE 'a' END WHERE id = :n;
"""


def measure(b):
    items = b.scale(100_000, 5_000)
    db = b.database()
    b.define(db, FLIP)
    b.cluster.script(db, b.file("reference/enforced.sql"))
    for table in ("plain", "checked", "enforced"):
        b.cluster.script(db, f"INSERT INTO {table} SELECT n, 'a', n FROM generate_series(1, {items}) AS n;")
    b.settle(db)

    def side(table, settings):
        return lambda: b.pgbench(db, UPDATE.format(table=table), 8, settings=settings,
                                 variables={"items": items})

    rows = []
    # A commit that waits for the disk hides what a trigger costs: once without.
    for settings in b.scale(({}, {"synchronous_commit": "off"}), ({},)):
        samples = b.interleave([("dfsmr", side("enforced", settings)),
                                ("no trigger", side("plain", settings)),
                                ("PL/pgSQL", side("checked", settings))])
        case = "UPDATE with enforce(), 8 sessions" + \
            (", synchronous_commit off" if settings else "")
        for against, bar in (("no trigger", 0.97), ("PL/pgSQL", 1.1)):
            rows.append(Row(case, "/s", {k: samples[k] for k in ("dfsmr", against)},
                            against=against, bar=None if settings else bar))
    return rows
