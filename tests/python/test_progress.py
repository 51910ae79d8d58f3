"""Progress: how many of how many, of what, since when, and an estimate that goes by what pieces cost."""

from __future__ import annotations

from kairos import progress
from kairos.progress import Progress


def test_the_estimate_goes_by_costs_and_not_by_counts(monkeypatch, capsys):
    """Three of four cost units are done after 30 s: ten are to go, though it is one piece of two."""
    clock = iter([100.0, 130.0, 141.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    told = Progress("fit ridge", [3, 1])
    told.step(0, "an_alpha 2020-01-01")
    told.step(1, "an_alpha 2019-01-01")
    assert capsys.readouterr().err.splitlines() == [
        "fit ridge: fold 1 of 2, an_alpha 2020-01-01, 30.0 s, about 10 s to go",
        "fit ridge: fold 2 of 2, an_alpha 2019-01-01, 41.0 s, about 0 s to go",
    ]
