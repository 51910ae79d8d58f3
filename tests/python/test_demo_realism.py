"""Statistics of realism against independent computations, and the recorded figures of a real market."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from kairos.demo import realism


@pytest.fixture(scope="module")
def drawn() -> tuple[pd.DataFrame, pd.Series]:
    """2,000 days of 60 names in 6 sectors: market 40%, sector 10%, own 50% of variance."""
    rng = np.random.default_rng(5)
    sector = np.arange(60) % 6
    market, sectors, own = (rng.standard_normal((2000, n)) for n in (1, 6, 60))
    values = 0.02 * (np.sqrt(0.4) * market + np.sqrt(0.1) * sectors[:, sector] + np.sqrt(0.5) * own)
    returns = pd.DataFrame(values, columns=[f"N{k:02d}" for k in range(60)])
    returns.iloc[:300, :5] = np.nan
    return returns, pd.Series([f"S{s}" for s in sector], index=returns.columns)


def test_shares_of_variance_find_what_was_drawn(drawn):
    found = realism.together(*drawn)
    # the mean of 60 names in 6 sectors carries a sixth of the sectors' variance and a sixtieth of their own
    assert found["market_share_of_variance"] == pytest.approx(0.4 + 0.1 / 6 + 0.5 / 60, abs=0.03)
    assert found["sector_share_of_variance"] == pytest.approx(0.1 * 5 / 6, abs=0.015)
    assert found["pairwise_correlation"] == pytest.approx(0.4 + 0.1 * 9 / 59, abs=0.04)


def test_tails_and_memory_agree_with_scipy_and_pandas(drawn):
    returns, _ = drawn
    found = realism.tails(returns) | realism.memory(returns)
    kurtosis = [stats.kurtosis(returns[name].dropna(), bias=False) for name in returns]
    assert found["excess_kurtosis"] == pytest.approx(np.median(kurtosis))
    assert found["autocorrelation_absolute_5"] == pytest.approx(
        np.median([returns[name].abs().autocorr(5) for name in returns])
    )
    pareto = pd.DataFrame(np.random.default_rng(1).pareto(3, (4000, 50)) + 1)
    assert realism.tails(pareto * np.where(np.random.default_rng(2).random(pareto.shape) < 0.5, 1, -1))[
        "tail_index"
    ] == pytest.approx(3, abs=0.3)


def test_a_statistic_outside_its_band_is_named():
    inside = {band.name: (band.low + band.high) / 2 for band in realism.BANDS}
    assert realism.breaches(inside) == []
    said = realism.breaches(inside | {"tail_index": 9.0})
    assert len(said) == 1
    assert said[0].startswith("tail_index is 9, outside 2.2 to 4")


def test_bands_are_the_pages(us_large):
    """The figures beside the bands are those of the real market, and the decision's table is that of the code."""
    measured = realism.measure(us_large)
    for band in realism.BANDS:
        if band.us_large is not None:
            assert measured[band.name] == pytest.approx(band.us_large, rel=2e-3, abs=1e-9), band.name
            assert band.low <= band.us_large <= band.high, band.name


def test_the_decision_shows_every_band():
    from kairos import machine

    page = (machine.root() / "docs/decisions/0010-what-looks-real.md").read_text()
    for band in realism.BANDS:
        assert f"| `{band.name}` | {band.low:g} to {band.high:g} |" in page
