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


def test_the_start_of_workers_is_in_no_estimate(monkeypatch, capsys):
    """Of 30 s the first 20 were a start: ten for half of the work, and for the quarter less that a later piece took."""
    clock = iter([100.0, 130.0, 140.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(progress.time, "time", lambda: 5000.0)
    told = Progress("cv ridge", [2, 1, 1])
    told.step(0, "one", began_at=5020.0)
    told.step(1, "two", began_at=5030.0)
    assert [line.partition(", about ")[2] for line in capsys.readouterr().err.splitlines()] == [
        "10 s to go",
        "7 s to go",
    ]
