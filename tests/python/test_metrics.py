"""Backtest figures against empyrical, pandas and scipy."""

from __future__ import annotations

import math

import empyrical
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from kairos.backtest import metrics

DATES = pd.bdate_range("2019-01-03", periods=700)


def series(seed: int, n: int = 700) -> np.ndarray:
    returns = np.random.default_rng(seed).standard_t(4, n) * 0.01 + 0.0003
    returns[0] = 0.0
    return returns


@pytest.mark.parametrize("seed", range(8))
def test_figures_equal_empyrical(seed):
    returns = series(seed)
    dated = pd.Series(returns, DATES)
    for ours, theirs in [
        (metrics.annual_return, empyrical.annual_return),
        (metrics.annual_vol, empyrical.annual_volatility),
        (metrics.sharpe, empyrical.sharpe_ratio),
        (metrics.max_drawdown, empyrical.max_drawdown),
        (metrics.calmar, empyrical.calmar_ratio),
    ]:
        assert ours(returns) == pytest.approx(theirs(dated), rel=1e-10), ours.__name__


@pytest.mark.parametrize("seed", range(4))
def test_win_rate_counts_weeks_from_friday_to_friday(seed):
    dates = DATES[np.random.default_rng(seed).random(700) > 0.05]
    returns = series(seed, len(dates))
    curve = pd.Series(np.cumprod(1 + returns), dates)
    closes = curve.resample("W-FRI").last().dropna()
    starts = closes.shift(1).fillna(1.0)
    weeks = (closes > starts)[closes.index > dates[0] + pd.Timedelta(0)]
    # a first session that ends its week opens no week
    if dates[0].day_of_week == 4:
        weeks = weeks.iloc[1:]
    assert metrics.win_rate(dates.to_numpy(), returns) == pytest.approx(weeks.mean(), abs=1e-12)


def test_probabilistic_sharpe_is_the_formula_of_the_paper():
    returns = series(9)
    ratio = returns.mean() / returns.std(ddof=1)
    skew, kurtosis = stats.skew(returns), stats.kurtosis(returns, fisher=False)
    for benchmark in (0.0, 1.0):
        top = (ratio - benchmark / math.sqrt(252)) * math.sqrt(len(returns) - 1)
        expected = stats.norm.cdf(top / math.sqrt(1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2))
        assert metrics.probabilistic_sharpe(returns, benchmark) == pytest.approx(expected, rel=1e-12)


def test_what_cannot_be_said_is_nan():
    flat = np.zeros(10)
    assert math.isnan(metrics.sharpe(flat)) and math.isnan(metrics.calmar(flat))
    assert math.isnan(metrics.probabilistic_sharpe(flat)) and math.isnan(metrics.annual_vol(flat[:1]))
    assert math.isnan(metrics.win_rate(DATES[:1].to_numpy(), flat[:1])) and math.isnan(metrics.annual_return(flat[:0]))
    assert metrics.max_drawdown(flat) == 0.0
    # shorts that were squeezed: more is lost than there was, and nothing grows from there
    assert metrics.annual_return(np.array([0.1, -1.5, -1.5])) == metrics.annual_return(np.array([0.1, -1.0])) == -1.0
    assert metrics.max_drawdown(np.array([-0.5, 0.2])) == -0.5
