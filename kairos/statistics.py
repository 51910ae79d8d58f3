"""Errors of means of dated series."""

from __future__ import annotations

import numpy as np


def newey_west_error(series: np.ndarray, lag: int) -> float:
    """Standard error of the mean of a series whose values overlap (Newey and West 1987).

    Args:
        series: (n,) in order of time, without NaN.
        lag: positions up to which values may be correlated; labels of h sessions overlap up to h - 1. Cut to n - 1.

    Returns:
        Square root of the long-run variance over n, with Bartlett weights 1 - k / (lag + 1), in the series' unit.
    """
    x = series - series.mean()
    total = x @ x
    for k in range(1, min(lag, len(x) - 1) + 1):
        total += 2 * (1 - k / (lag + 1)) * (x[k:] @ x[:-k])
    return float(np.sqrt(max(total, 0.0)) / len(x))
