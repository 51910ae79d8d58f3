"""What a series of daily returns amounts to. Every function takes simple returns, shape (sessions,), without NaN.

The first session of a backtest has the return 0 and counts as one of its sessions, as it does in empyrical.
"""

from __future__ import annotations

import math

import numpy as np

from kairos.backtest.costs import SESSIONS_PER_YEAR


def _mean(values: np.ndarray) -> float:
    return math.fsum(values.tolist()) / len(values)


def annual_return(returns: np.ndarray) -> float:
    """Geometric: what grows to the same end over the same number of sessions; NaN without any.

    -1 once all is lost: a short position can lose more than there is.
    """
    if not len(returns):
        return math.nan
    if np.min(returns) <= -1.0:
        return -1.0
    return float(np.prod(1.0 + returns)) ** (SESSIONS_PER_YEAR / len(returns)) - 1.0


def annual_vol(returns: np.ndarray) -> float:
    """Sample standard deviation times sqrt(252); NaN with fewer than two returns."""
    if len(returns) < 2:
        return math.nan
    mean = _mean(returns)
    return math.sqrt(math.fsum(((returns - mean) ** 2).tolist()) / (len(returns) - 1) * SESSIONS_PER_YEAR)


def sharpe(returns: np.ndarray) -> float:
    """Mean over sample standard deviation, times sqrt(252), risk-free rate 0; NaN without variation."""
    vol = annual_vol(returns)
    return _mean(returns) * SESSIONS_PER_YEAR / vol if vol > 0 else math.nan


def max_drawdown(returns: np.ndarray) -> float:
    """The deepest fall from a peak, start included; negative, or 0 when there is none."""
    if not len(returns):
        return math.nan
    curve = np.concatenate([[1.0], np.cumprod(1.0 + returns)])
    return float(np.min(curve / np.maximum.accumulate(curve) - 1.0))


def calmar(returns: np.ndarray) -> float:
    """Annual return over |max drawdown|; NaN without a drawdown."""
    fall = max_drawdown(returns)
    return annual_return(returns) / -fall if fall < 0 else math.nan


def win_rate(dates: np.ndarray, returns: np.ndarray) -> float:
    """Share of profitable weeks, from the last session of one week to that of the next (Friday to Friday).

    Args:
        dates: sessions, datetime64[D], ascending. The first is where the curve starts and belongs to no week.
    """
    if len(returns) < 2:
        return math.nan
    # 1970-01-01 is a Thursday: weeks that begin on Monday
    week = (dates[1:].astype("datetime64[D]").astype(int) + 3) // 7
    starts = np.flatnonzero(np.diff(week, prepend=week[0] - 1))
    return float(np.mean(np.multiply.reduceat(1.0 + returns[1:], starts) > 1.0))


def probabilistic_sharpe(returns: np.ndarray, benchmark_sharpe: float = 0.0) -> float:
    """Probability that the true Sharpe ratio exceeds a benchmark (Bailey and Lopez de Prado 2012).

    NaN without variation.

    Args:
        benchmark_sharpe: annual, as sharpe() gives it.
    """
    n = len(returns)
    if n < 3:
        return math.nan
    mean = _mean(returns)
    deviation = returns - mean
    second = math.fsum((deviation**2).tolist()) / n
    if not second > 0:
        return math.nan
    skew = math.fsum((deviation**3).tolist()) / n / second**1.5
    kurtosis = math.fsum((deviation**4).tolist()) / n / second**2
    ratio = mean / math.sqrt(second * n / (n - 1))
    wanted = benchmark_sharpe / math.sqrt(SESSIONS_PER_YEAR)
    spread = 1.0 - skew * ratio + (kurtosis - 1.0) / 4.0 * ratio**2
    return 0.5 * (1.0 + math.erf((ratio - wanted) * math.sqrt((n - 1) / spread) / math.sqrt(2.0)))
