"""Quantiles of samples."""


def quantile(values, q):
    """The smallest value that at least q of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(q * 1000) * len(ordered) // 1000) - 1))]
