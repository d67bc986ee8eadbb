"""Ten minutes at full rate with nothing pinned: the last minute against the first,
and how large the tables are on the way.  Finished work and old changes are kept for
two minutes, so that the ring of the changelog goes round several times."""

import contextlib

from pinned import rows_of

TITLE = "ten minutes at full rate, the last against the first"


@contextlib.contextmanager
def short_retention(cluster):
    """Changes and finished work are kept for two minutes meanwhile."""
    retention = "ALTER SYSTEM {} dfsmr.change_retention {}; SELECT pg_reload_conf();"
    cluster.script("postgres", retention.format("SET", "= '2min'"))
    try:
        yield
    finally:
        cluster.script("postgres", retention.format("RESET", ""))


def measure(b):
    with short_retention(b.cluster):
        return rows_of(b, False, (0.9, 0.9))
