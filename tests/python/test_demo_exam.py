"""The marks of the exam against closed forms, and its ranks against pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from kairos.demo.exam import by_date, mark, percentile_ranks, table


def test_percentile_ranks_are_those_of_pandas_within_dates():
    rng = np.random.default_rng(5)
    dates = np.repeat(np.arange(4), [30, 25, 10, 40])
    values = np.round(rng.standard_normal(len(dates)), 1)
    values[::7] = np.nan
    found = percentile_ranks(values, by_date(dates))
    grouped = pd.Series(values).groupby(dates)
    expected = (grouped.rank() - 1) / (grouped.transform("count") - 1)
    expected[dates == 2] = np.nan  # too few names
    np.testing.assert_allclose(found, expected.to_numpy(), rtol=0, atol=1e-15)


def test_a_mark_is_taken_on_common_dates_and_knows_its_share():
    rng = np.random.default_rng(6)
    truth = 0.08 + 0.05 * rng.standard_normal(400)
    half = truth / 2
    half[:50] = np.nan
    found = mark("half", 1, half, truth)
    assert found.dates == 350
    assert found.rank_ic == pytest.approx(truth[50:].mean() / 2)
    assert (found.share, found.share_low, found.share_high) == pytest.approx((0.5, 0.5, 0.5))
    noisy = mark("noisy", 1, half + 0.05 * rng.standard_normal(400), truth)
    assert noisy.share_low < 0.5 < noisy.share_high
    assert "| noisy | 1 | 350 |" in table([noisy])
