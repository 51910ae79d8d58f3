"""Errors of means against the quadratic form and against what many draws show."""

from __future__ import annotations

import numpy as np
import pytest

from kairos.statistics import newey_west_error


@pytest.mark.parametrize("lag", [0, 4, 200])
def test_newey_west_is_the_quadratic_form(lag):
    """The error of a mean is sqrt(1' W x x' 1) / n with Bartlett weights, written out as a matrix."""
    x = np.random.default_rng(3).standard_normal(60).cumsum() * 0.1 + np.random.default_rng(4).standard_normal(60)
    distance = np.abs(np.subtract.outer(np.arange(60), np.arange(60)))
    weights = np.clip(1 - distance / (lag + 1), 0, None)
    centred = x - x.mean()
    expected = np.sqrt(max(centred @ weights @ centred, 0)) / 60
    assert newey_west_error(x, lag) == pytest.approx(expected, rel=1e-12)


def test_newey_west_covers_the_mean_of_overlapping_sums():
    """Sums of five draws, 400 of them: the error without lags is far too small, with them it is about right."""
    draws = np.random.default_rng(5).standard_normal((600, 404))
    sums = np.stack([np.convolve(row, np.ones(5), "valid") for row in draws])
    spread = sums.mean(axis=1).std()
    told = np.mean([newey_west_error(row, 8) for row in sums])
    naive = np.mean([newey_west_error(row, 0) for row in sums])
    assert naive < 0.55 * spread
    assert 0.8 * spread < told < 1.05 * spread
