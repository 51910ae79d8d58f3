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


def block_bootstrap_means(series: np.ndarray, block: int, draws: int, seed: int) -> np.ndarray:
    """Means (draws,) of series drawn anew in blocks of neighbours (Politis and Romano 1992, the circular form).

    Args:
        series: (n,) in order of time, without NaN; its end is followed by its beginning.
        block: positions in a block, 1 to n; the last block of a draw is cut so that n values are drawn.
        draws: how many series are drawn.
        seed: of the blocks' starts. The same seed draws the same positions of any series of the same length.
    """
    n = len(series)
    blocks = -(-n // block)
    starts = np.random.default_rng(seed).integers(0, n, size=(draws, blocks))
    lengths = np.full(blocks, block)
    lengths[-1] = n - block * (blocks - 1)
    sums = np.concatenate([[0.0], np.cumsum(np.concatenate([series, series]))])
    return (sums[starts + lengths] - sums[starts]).sum(axis=1) / n


def bootstrap_interval(series: np.ndarray, overlap: int, draws: int = 1000, seed: int = 7) -> tuple[float, float]:
    """The 2.5% and 97.5% quantiles of block_bootstrap_means().

    overlap: positions whose values are correlated by construction. A block is twice as long less one, or the cube root
    of the series' length where that is more, and never longer than the series.
    """
    block = min(len(series), max(2 * overlap - 1, round(len(series) ** (1 / 3))))
    low, high = np.quantile(block_bootstrap_means(series, block, draws, seed), [0.025, 0.975])
    return float(low), float(high)
