"""Ten minutes at full rate with nothing pinned: the last minute against the first,
and how large the tables are on the way.  Finished work and old changes are kept for
two minutes, so that the ring of the changelog goes round several times."""

from pinned import rows_of

TITLE = "ten minutes at full rate, the last against the first"


def measure(b):
    retention = "ALTER SYSTEM {} dfsmr.change_retention {}; SELECT pg_reload_conf();"
    b.cluster.script("postgres", retention.format("SET", "= '2min'"))
    try:
        return rows_of(b, False, (0.9, 0.9))
    finally:
        b.cluster.script("postgres", retention.format("RESET", ""))
