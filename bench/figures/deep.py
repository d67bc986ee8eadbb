"""Claims with very many ready, with very many leases out, with very many delayed:
against the same without."""

from rows import Row
from work import JOB

TITLE = "claims with 10 million ready, 100,000 leases, 10 million delayed"

# What was claimed is given back before the next run.
GIVE_ALL_BACK = """
SELECT count(*) FROM dfsmr.board_leases() AS l, dfsmr.relinquish(l.instance, l.visit)
WHERE l.client = 'worker'"""

# Start one, claim one, complete it: the supply stays as deep as it is.
ROUND = r"""
SELECT dfsmr.start('job');
SELECT instance, visit, attempt FROM dfsmr.ready('worker', 'job') \gset
SELECT * FROM dfsmr.transition(:instance, 'ok', visit => :visit, client => 'worker', attempt => :attempt);
"""

CLAIM = r"""
SELECT instance, visit FROM dfsmr.ready('worker', 'job') \gset
"""
GIVE_BACK = "SELECT count(*) FROM dfsmr.ready('holder', 'job', max => 10000);"


def start_many(b, db, count, delay=None):
    while count > 0:
        chunk = min(count, 100_000)
        count -= chunk
        delays = f", delays => ARRAY(SELECT interval '{delay}' FROM generate_series(1, {chunk}))" \
            if delay else ""
        b.cluster.query(db, f"""SELECT count(*) FROM dfsmr.start_many('job', ARRAY(
            SELECT '{{}}'::jsonb FROM generate_series(1, {chunk})){delays})""")


def measure(b):
    few, many = b.scale((10_000, 10_000_000), (500, 5_000))
    held = b.scale(100_000, 500)
    made = {}

    def prepared(name, ready, delayed=0, leases=0):
        db = b.database(name)
        b.define(db, JOB)
        start_many(b, db, ready + leases)
        if delayed:
            start_many(b, db, delayed, "30 days")
        b.settle(db)
        left = leases
        while left > 0:
            left -= b.cluster.value(db, GIVE_BACK if left >= 10000 else
                                    GIVE_BACK.replace("10000", str(left)))
        made[name] = db

    def claims(name):
        # A fixed number, so that the small supply lasts and all do the same.
        def run():
            rate = b.pgbench(made[name], CLAIM, 8, transactions=b.scale(1_000, 5))
            b.cluster.query(made[name], GIVE_ALL_BACK)
            b.settle(made[name])
            return rate
        return run

    def rounds(name):
        return lambda: b.pgbench(made[name], ROUND, 8)

    prepared("few", few)
    prepared("many", many)
    prepared("busy", few, delayed=many, leases=held)
    samples = b.interleave([(name, claims(name)) for name in ("few", "many", "busy")])
    whole = b.interleave([(name, rounds(name)) for name in ("few", "many", "busy")])
    base = f"{few:,} ready"
    rename = {"few": base, "many": f"{many:,} ready",
              "busy": f"{held:,} leases out, {many:,} delayed"}
    return [Row(f"{what}, {rename[case]}", "/s", {rename[case]: of[case], base: of["few"]},
                ours=rename[case], against=base, bar=bar)
            for what, of, bar in (("claims", samples, 0.95), ("start + claim + complete", whole, None))
            for case in ("many", "busy")]
