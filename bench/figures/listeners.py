"""Transitions with 100 sessions that listen, against a textbook state machine in
PL/pgSQL that notifies in its transaction."""

from load import listeners
from rows import Row
from work import FLIP, TEXTBOOK_TRANSITION, TRANSITION, fill_items, start_items

TITLE = "transition() with 100 listeners"


def measure(b):
    items = b.scale(100_000, 2_000)
    count = b.scale(100, 5)
    db = b.database("", b.file("reference/machine.sql"), fill_items("textbook.item", items))
    b.define(db, FLIP)
    b.cluster.script(db, start_items("flip", items))
    b.settle(db)

    def side(script, channel, clients):
        def run():
            with listeners(b.cluster, db, channel, count):
                return b.pgbench(db, script, clients, variables={"items": items})
        return run

    rows = []
    for clients in b.scale((8, 32), (8,)):
        samples = b.interleave([
            ("dfsmr", side(TRANSITION, "dfsmr", clients)),
            ("PL/pgSQL + NOTIFY", side(TEXTBOOK_TRANSITION, "textbook", clients))])
        rows.append(Row(f"transition() with {count} listeners, {clients} sessions", "/s", samples,
                        against="PL/pgSQL + NOTIFY", bar=2))
    return rows
