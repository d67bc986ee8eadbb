"""transition() one by one, against one statement that updates a row by key and
inserts a row of log; the changelog is on, published, and one session listens."""

from load import listeners
from rows import Row
from work import FLIP, TRANSITION, UPDATE_AND_LOG, fill_items, start_items

TITLE = "transition() one by one"


def measure(b):
    items = b.scale(100_000, 5_000)
    db = b.database("", b.file("reference/log.sql"), fill_items("reference.item", items))
    b.define(db, FLIP)
    b.cluster.script(db, start_items("flip", items))
    b.settle(db)
    rows = []
    with listeners(b.cluster, db, "dfsmr", 1):
        for clients in b.scale((1, 8, 32), (8,)):
            samples = b.interleave([
                ("dfsmr", lambda: b.pgbench(db, TRANSITION, clients, variables={"items": items})),
                ("UPDATE + INSERT", lambda: b.pgbench(db, UPDATE_AND_LOG, clients,
                                                      variables={"items": items}))])
            rows.append(Row(f"transition(), {clients} sessions", "/s", samples,
                            against="UPDATE + INSERT", bar=0.85))
    return rows
