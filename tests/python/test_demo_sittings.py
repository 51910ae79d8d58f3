"""The tables of the exam from series that are known, and series that survive the way through a file."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from kairos import machine
from kairos.demo import parameters, sittings
from kairos.demo.exam import REFERENCE, TRUTH, Series
from kairos.proof.build import Builder
from kairos.statistics import newey_west_error

DATES = np.arange("2021-12-20", "2022-01-09", dtype="datetime64[D]")


def sitting(level: float) -> sittings.Sitting:
    """Ten dates in each of two years; the first has no mark. Under every leak the learner gains 0.01."""
    truth = 0.08 + 0.01 * np.cos(np.arange(20))
    learner = level * truth
    learner[0] = np.nan
    honest = {h: Series(h, DATES, {TRUTH: truth, REFERENCE: learner, "alpha": truth / 4}) for h in (5, 20)}
    return sittings.Sitting(honest, {leak: Series(5, DATES, {REFERENCE: learner + 0.01}) for leak in sittings.LEAKS})


def test_a_series_survives_its_file():
    found = sitting(0.5).honest[5]
    again = sittings.from_json(sittings.as_json(found))
    assert again.horizon == 5
    np.testing.assert_array_equal(again.dates, found.dates)
    for who, ics in found.ics.items():
        np.testing.assert_array_equal(again.ics[who], ics)


def test_pooled_markets_are_independent():
    """The error of a mean of two independent means is half the root of the sum of their squared errors."""
    x, y = np.random.default_rng(1).standard_normal((2, 50))
    mean, low, high = sittings.pooled([np.append(x, np.nan), y], 4)
    error = np.hypot(newey_west_error(x, 4), newey_west_error(y, 4)) / 2
    assert (mean, low, high) == pytest.approx(
        ((x.mean() + y.mean()) / 2, *((x.mean() + y.mean()) / 2 + 1.96 * error * k for k in (-1, 1)))
    )


def test_an_interval_over_markets_is_students():
    assert sittings.over_markets([1.0, 2.0, 3.0]) == pytest.approx((2.0, 2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5))


def test_tables_hold_every_score_leak_and_year():
    two = {7: sitting(0.5), 1: sitting(0.7)}
    marks = sittings.marks_table(two)
    assert marks.count("| reference learner |") == 4
    assert "| 0.50 (0.50 to 0.50) |" in marks
    assert "| 0.70 (0.70 to 0.70) |" in marks
    rises = sittings.leaks_table(two).splitlines()
    assert rises[0] == "| let in | all seeds (95%) | seed 7 | seed 1 | 2021 | 2022 |"
    assert [line.split(" | ")[0].removeprefix("| ") for line in rises[2:]] == list(sittings.LEAKS)
    assert all(line.count("0.0100 (0.0100 to 0.0100)") == 5 for line in rises[2:])
    nulls = sittings.nulls_table(list(two.values()))
    assert TRUTH not in nulls
    assert nulls.count("| alpha |") == 2


def test_what_is_built_under_a_leak_has_been_built_before(builder: Builder):
    """A selection that takes a model along whose parents the honest build left out would fail half an hour later."""
    honest = set(builder.selected(sittings.HONEST))
    for _, select in sittings.LEAKS.values():
        again = set(builder.selected(select))
        assert again
        assert again <= honest, again - honest


@pytest.fixture(scope="module")
def page() -> str:
    return (machine.root() / "docs/exam.md").read_text()


@pytest.fixture(scope="module")
def present() -> dict[str, float]:
    return sittings.fingerprint()


def test_the_recorded_figures_are_of_the_present_simulator(page, present):
    """Whoever changes a parameter, or how the market is made of them, sits the exam again."""
    recorded = json.loads(re.search(r"^`({.*})`$", page, re.MULTILINE).group(1))
    assert sittings.is_same(recorded, present), (
        "python -m kairos.demo.sittings FOLDER, and its tables into docs/exam.md"
    )


def test_a_fingerprint_tells_simulators_apart(present, monkeypatch):
    premium = parameters.PREMIA["n"]
    with monkeypatch.context() as patch:
        patch.setitem(parameters.PREMIA, "n", parameters.Premium(premium.base * 1.01))
        assert sittings.digest_of_parameters() != present["parameters"]
    assert sittings.digest_of_parameters() == present["parameters"]
    assert not sittings.is_same(present, present | {"parameters": ""})
    assert sittings.is_same(present, present | {"truth rows": present["truth rows"] * (1 + 1e-6)})
    assert not sittings.is_same(present, present | {"truth rows": present["truth rows"] + 1})


def test_the_recorded_figures_are_in_their_bands(page):
    """Truth and reference learner on each seed, every leak over all seeds, null markets in the middle of nothing."""
    number = r"(-?[0-9.]+)"
    marks = {
        (who, horizon): [(float(ic), float(share)) for ic, share in found]
        for who in (TRUTH, REFERENCE)
        for horizon in (5, 20)
        if (found := re.findall(rf"\| {who} \| {horizon} \| [\d,]+ \| {number} .*?\| {number} \(", page))
    }
    assert [len(found) for found in marks.values()] == [len(sittings.SEEDS)] * 4
    assert all(0.05 < ic < 0.08 for ic, _ in marks[TRUTH, 5])
    assert all(0.08 < ic < 0.12 for ic, _ in marks[TRUTH, 20])
    assert all(0.5 < share < 0.8 for _, share in marks[REFERENCE, 5])
    rises = {leak: re.search(rf"\| {leak} \| {number} \({number} to", page) for leak in sittings.LEAKS}
    assert all(float(found.group(2)) > 0 for found in rises.values()), rises
    nothing = re.findall(rf"\| {REFERENCE} \| \d+ \| {number} \({number} to {number}\) \|\n", page)
    assert len(nothing) == 2
    assert all(float(low) < 0 < float(high) for _, low, high in nothing)
