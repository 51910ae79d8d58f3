"""Macro as_of_rows on random panels against the as-of join of pandas, and seen to stop where a promise is broken.

The model under test is int_fundamentals_as_of: equity of the newest step is served on every row, NULL before the first.
Panels have gaps, late listings, securities without steps, several steps between two rows, steps at the very moment of a
decision, before the calendar and after the last row.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest

from bench import compiled

SESSIONS = pd.bdate_range("2016-01-04", periods=120)
CLOSE = pd.Timedelta(hours=21)


def panel(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(rows of int_prices in order, steps by security and moment) of a few securities."""
    rows, steps = [], []
    for security_id in sorted(rng.choice(10_000, rng.integers(1, 6), replace=False)):
        first, last = sorted(rng.choice(len(SESSIONS), 2, replace=False))
        at = np.arange(first, last + 1)
        if rng.random() < 0.7:
            at = np.sort(rng.choice(at, rng.integers(1, len(at) + 1), replace=False))
        starts = np.concatenate([[True], np.diff(at) > 1])
        place = np.arange(len(at)) - np.maximum.accumulate(np.where(starts, np.arange(len(at)), 0)) + 1
        rows.append(pd.DataFrame({"security_id": security_id, "session_index": at, "row_in_run": place}))
        moments = SESSIONS[rng.integers(0, len(SESSIONS), rng.integers(0, 12))] + pd.to_timedelta(
            rng.choice([-24.0, 0.0, 21.0, 21.0 + 1 / 3600, 23.999, 40.0], 1)[0], unit="h"
        )
        if rng.random() < 0.3:
            moments = moments.union(pd.DatetimeIndex(["1950-06-01"]))
        steps.append(pd.DataFrame({"security_id": security_id, "effective_at": moments.unique().sort_values()}))
    prices = pd.concat(rows, ignore_index=True)
    prices["as_of_date"] = SESSIONS[prices["session_index"]]
    prices["decided_at"] = prices["as_of_date"] + CLOSE
    filed = pd.concat(steps, ignore_index=True)
    filed["equity"] = np.arange(len(filed), dtype=float)
    return prices, filed


def warehouse(prices: pd.DataFrame, steps: pd.DataFrame) -> duckdb.DuckDBPyConnection:
    """What int_fundamentals_as_of reads, and the model itself; every step's balance sheet is young."""
    con = duckdb.connect()
    con.execute("create schema intermediate")
    con.register("prices", prices)
    con.register("steps", steps.astype({"effective_at": "datetime64[us]"}))
    con.register("calendar", pd.DataFrame({"session_date": SESSIONS}))
    con.execute(
        """create table intermediate.int_sessions as
        select session_date::date as session_date, (row_number() over () - 1)::integer as session_index,
            session_date::date + interval 21 hour as closes_at,
            lag(session_date::date) over () as previous_session_date
        from calendar"""
    )
    con.execute(
        """create table intermediate.int_prices as
        select security_id, session_index::integer as session_index, row_in_run::integer as row_in_run,
            as_of_date::date as as_of_date, decided_at::timestamp as decided_at, decided_at::timestamp as known_at,
            1.0::double as close, 1.0::double as close_unadjusted
        from prices"""
    )
    names = ["income_known_at", "balance_known_at", "cashflow_known_at", "shares_known_at"]
    values = [f"timestamp '{SESSIONS[0]}' as {name}" for name in names]
    values += [f"0.0::double as {name}" for name in ("revenue_ttm", "net_income_ttm", "free_cash_flow_ttm")]
    values += [f"1.0::double as {name}" for name in ("roa", "roe", "operating_margin", "shares", "shares_basic")]
    con.execute(
        f"""create table intermediate.int_fundamental_steps as
        select security_id, effective_at, effective_at as usable_at, effective_at as known_at, equity,
            false as is_shares_suspect, {", ".join(values)}
        from steps"""
    )
    compiled.build(con, ["int_price_runs", "int_fundamentals_as_of"])
    return con


def served(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """What the model gives, in the order in which it gives it."""
    return con.sql("select security_id, as_of_date, known_at, equity from intermediate.int_fundamentals_as_of").df()


@pytest.mark.parametrize("seed", range(40))
def test_rows_are_those_of_an_as_of_join(seed):
    prices, steps = panel(np.random.default_rng(seed))
    with warehouse(prices, steps) as con:
        found = served(con)
    oracle = pd.merge_asof(
        prices.sort_values("decided_at", kind="stable").astype({"decided_at": "datetime64[us]"}),
        steps.sort_values("effective_at").astype({"effective_at": "datetime64[us]"}),
        left_on="decided_at",
        right_on="effective_at",
        by="security_id",
    ).sort_values(["security_id", "session_index"], ignore_index=True)
    assert found["security_id"].tolist() == oracle["security_id"].tolist()
    assert (found["as_of_date"] == oracle["as_of_date"]).all()
    assert found["known_at"].tolist() == oracle["decided_at"].tolist()
    np.testing.assert_array_equal(found["equity"].to_numpy(), oracle["equity"].to_numpy())


def test_random_panels_hold_what_they_are_meant_to_hold():
    """A row with an event, one without, and an event known at the moment of a decision."""
    panels = [panel(np.random.default_rng(seed)) for seed in range(40)]
    exact = sum(
        len(prices.merge(steps, left_on=["security_id", "decided_at"], right_on=["security_id", "effective_at"]))
        for prices, steps in panels
    )
    assert exact > 5
    assert any((prices["row_in_run"] == 1).sum() > prices["security_id"].nunique() for prices, _ in panels)


@pytest.mark.parametrize(
    "change",
    [
        "update intermediate.int_prices set decided_at = decided_at - interval 30 day where row_in_run > 1",
        "update intermediate.int_prices set security_id = security_id + 1 where row_in_run = 2",
    ],
    ids=["decisions before the close", "another security inside a run"],
)
def test_stops_where_a_row_would_be_served_what_is_not_its_own(change):
    at = np.arange(60)
    prices = pd.DataFrame({"security_id": 7, "session_index": at, "row_in_run": at + 1})
    prices["as_of_date"] = SESSIONS[at]
    prices["decided_at"] = prices["as_of_date"] + CLOSE
    moments = SESSIONS[[10, 20, 30, 40, 50]] + pd.Timedelta(hours=23)
    steps = pd.DataFrame({"security_id": 7, "effective_at": moments, "equity": np.arange(5.0)})
    with warehouse(prices, steps) as con:
        assert served(con)["equity"].max() == 4
        con.execute(change)
        with pytest.raises(duckdb.InvalidInputException, match="do not fit together"):
            served(con)
