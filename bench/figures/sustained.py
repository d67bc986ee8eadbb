"""Ten minutes at full rate with nothing pinned: the last minute against the first."""

from pinned import rows_of

TITLE = "ten minutes at full rate, the last against the first"


def measure(b):
    return rows_of(b, b.scale(10, 2), False, (0.9, 0.9, None))
