"""Errors of means against the quadratic form and against what many draws show."""

from __future__ import annotations

import numpy as np
import pytest

from kairos.statistics import block_bootstrap_means, bootstrap_interval, newey_west_error


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


def test_bootstrap_means_are_those_of_the_blocks_written_out():
    x = np.random.default_rng(6).standard_normal(23)
    got = block_bootstrap_means(x, 5, 40, seed=2)
    starts = np.random.default_rng(2).integers(0, 23, size=(40, 5))
    for mean, row in zip(got, starts, strict=True):
        drawn = [x[(start + k) % 23] for start in row for k in range(5)][:23]
        assert mean == pytest.approx(np.mean(drawn), rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("block", [1, 4, 12])
def test_bootstrap_means_vary_as_the_means_of_blocks_do(block):
    """Closed form: the variance of the mean of k blocks drawn from n circular ones is that of a block's mean over k."""
    x = np.random.default_rng(7).standard_normal(48).cumsum()
    blocks = np.array([np.roll(x, -start)[:block].mean() for start in range(48)])
    means = block_bootstrap_means(x, block, 40_000, seed=3)
    assert means.mean() == pytest.approx(x.mean(), abs=4 * means.std() / 200)
    assert means.var() == pytest.approx(blocks.var() / (48 / block), rel=0.05)


def test_intervals_of_overlapping_sums_hold_the_mean_about_as_often_as_they_say():
    """Sums of five draws, 400 of them: 95% intervals hold the true mean 0 in most of 300 series, those of single dates
    in far fewer."""
    draws = np.random.default_rng(8).standard_normal((300, 404))
    sums = np.stack([np.convolve(row, np.ones(5), "valid") for row in draws])
    held = [low <= 0 <= high for low, high in (bootstrap_interval(row, 5) for row in sums)]
    naive = [
        low <= 0 <= high
        for low, high in (np.quantile(block_bootstrap_means(r, 1, 1000, 7), [0.025, 0.975]) for r in sums)
    ]
    assert 0.88 < np.mean(held) < 0.99
    assert np.mean(naive) < 0.75


@pytest.mark.parametrize(("names", "overlap", "block"), [(400, 1, 7), (400, 4, 7), (400, 5, 9), (10, 20, 10)])
def test_an_interval_is_of_blocks_twice_as_long_as_the_overlap_or_the_cube_root(names, overlap, block):
    x = np.random.default_rng(9).standard_normal(names).cumsum()
    expected = np.quantile(block_bootstrap_means(x, block, 1000, 7), [0.025, 0.975])
    assert bootstrap_interval(x, overlap) == tuple(expected)


def test_an_interval_of_one_value_is_that_value():
    assert bootstrap_interval(np.array([0.25]), 20) == (0.25, 0.25)
