"""The portfolio's SQL around the engine, model by model: what goes in, what is told of what came out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

import duckdb
import numpy as np
import pandas as pd
import pytest
import sql_model

DAYS = [dt.date(2020, 1, day) for day in (2, 3, 6, 7, 8, 9)]


def made(model: str, tables: dict[str, tuple[str, Iterable[Sequence]]], **variables) -> list[tuple]:
    """Rows of a model of the portfolio from tables given as (columns with types, rows)."""
    with duckdb.connect() as connection:
        for name, (columns, rows) in tables.items():
            connection.execute(f"create table {name} ({columns})")
            rows = list(rows)
            if rows:
                connection.executemany(f"insert into {name} values ({', '.join('?' * len(rows[0]))})", rows)
        sql_model.run(connection, f"portfolio/{model}", **variables)
        return connection.sql(f"from {model} order by all").fetchall()


def test_benchmarks_are_of_the_members_of_the_day_before_and_of_the_last_spy_there_is():
    """Against pandas: names that come and go, a return that is missing, a day without SPY, a day without members."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame([(day, name) for name in (1, 2, 3) for day in DAYS], columns=["day", "name"])
    rows["is_member"] = [0, 1, 1, 0, 0, 1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0]
    rows["r"] = rng.normal(size=len(rows))
    rows.loc[[0, 6, 8, 12], "r"] = np.nan  # the first rows, and one in between
    spy = {DAYS[0]: 100.0, DAYS[1]: 110.0, DAYS[3]: 121.0, DAYS[4]: 60.5, DAYS[5]: 60.5}
    keys = "as_of_date date, security_id bigint"
    values = [(row.day, row.name, None if np.isnan(row.r) else row.r) for row in rows.itertuples(index=False)]
    got = made(
        "pf_benchmarks",
        {
            "int_universe": (f"{keys}, is_member boolean", rows[["day", "name", "is_member"]].to_numpy().tolist()),
            "int_returns": (f"{keys}, r double", values),
            "int_market_series": (
                "as_of_date date, series varchar, value double",
                [
                    *((day, "SPY", value) for day, value in spy.items()),
                    *((day, name, 20.0) for day in DAYS for name in ("VIX", "XLK")),
                ],
            ),
        },
    )
    was_member = rows.groupby("name")["is_member"].shift(1) == 1
    expected = rows[was_member].groupby("day")["r"].mean().reindex(DAYS)
    assert [day for day, *_ in got] == DAYS
    assert [spy for _, spy, _ in got] == [None, *(pytest.approx(x) for x in (0.1, 0.0, 0.1, -0.5, 0.0))]
    np.testing.assert_allclose([np.nan if r is None else r for *_, r in got], expected, rtol=1e-12)
    assert np.isnan(expected.iloc[[0, 5]]).all() and expected.iloc[1:5].notna().all()


def test_the_tape_shows_prices_as_traded_and_trades_on_fresh_bars_with_volume_only():
    """As traded 20, unknown, stale, without volume, and without a volatility yet."""
    prices = [
        (DAYS[0], 1, 11.0, 9.0, 10.0, 20.0, False, 5.0, 1e6),
        (DAYS[0], 2, 11.0, 9.0, 10.0, None, False, 5.0, 1e6),
        (DAYS[0], 3, 11.0, 9.0, 10.0, 20.0, True, 5.0, 1e6),
        (DAYS[0], 4, 11.0, 9.0, 10.0, 20.0, False, 0.0, 1e6),
        (DAYS[0], 5, 11.0, 9.0, 10.0, 20.0, False, 5.0, None),
    ]
    got = made(
        "pf_tape",
        {
            "int_prices": (
                "as_of_date date, security_id bigint, close_total_return double, open double, close double,"
                " close_unadjusted double, is_stale boolean, volume_shares double, adv_20 double",
                prices,
            ),
            "feat_volatility": (
                "as_of_date date, security_id bigint, vol_21 double",
                [*((DAYS[0], name, 0.3) for name in (1, 2, 3, 4)), (DAYS[1], 5, 0.4)],
            ),
        },
    )
    assert got == [
        (DAYS[0], 1, 11.0, 9.0, 10.0, 20.0, True, 1e6, 0.3),
        (DAYS[0], 2, 11.0, 9.0, 10.0, 10.0, True, 1e6, 0.3),
        (DAYS[0], 3, 11.0, 9.0, 10.0, 20.0, False, 1e6, 0.3),
        (DAYS[0], 4, 11.0, 9.0, 10.0, 20.0, False, 1e6, 0.3),
        (DAYS[0], 5, 11.0, 9.0, 10.0, 20.0, True, None, None),
    ]


def test_scores_to_rank_by_are_out_of_sample_and_finite():
    key = "as_of_date date, security_id bigint"
    predictions = [
        (DAYS[0], 1, "a", 0.1, True),
        (DAYS[0], 2, "a", 0.2, False),
        (DAYS[0], 3, "a", float("nan"), True),
        (DAYS[0], 4, "a", float("inf"), True),
        (DAYS[0], 5, "a", None, True),
    ]
    got = made(
        "pf_alpha_scores",
        {
            "ml_predictions": (f"{key}, alpha_name varchar, score double, is_out_of_sample boolean", predictions),
            "ml_alphas": (f"{key}, e double, b double", [(DAYS[0], 1, 0.5, None), (DAYS[1], 1, None, 0.7)]),
            "pf_scores": (
                f"{key}, bundle_name varchar, mf_score double",
                [(DAYS[0], 1, "v8", 1.5), (DAYS[0], 2, "v8", None)],
            ),
        },
        ensembles=["e"],
        blends=["b"],
    )
    assert got == [
        ("a", DAYS[0], 1, 0.1),
        ("alpha_v8", DAYS[0], 1, 1.5),
        ("b", DAYS[1], 1, 0.7),
        ("e", DAYS[0], 1, 0.5),
    ]


@pytest.mark.parametrize(
    ("said", "biased"),
    [([], None), ([("keeps_delisted", "true")], None), ([("survivorship_biased", "Yes")], True)]
    + [([("survivorship_biased", value)], value == "1") for value in ("1", "false")],
)
def test_a_bottom_line_counts_decisions_and_not_their_names(said, biased):
    """Three decisions were due: one found nobody, one two names, and one three that could not fill the book."""
    key = "as_of_date date, strategy varchar"
    targets = [(DAYS[1], "s", 1, False), (DAYS[1], "s", 2, False), *((DAYS[2], "s", name, True) for name in (1, 2, 3))]
    got = made(
        "pf_backtests",
        {
            "pf_backtest_summaries": ("strategy varchar, sharpe double", [("s", 1.5), ("t", 0.5)]),
            "pf_target_weights": (
                f"{key}, security_id bigint, is_infeasible boolean",
                [*targets, (DAYS[0], "t", 1, False)],
            ),
            "pf_rebalances": (key, [(day, name) for day in DAYS[:3] for name in ("s", "t")]),
            "market__market": ("key varchar, value varchar", said),
        },
    )
    assert got == [("s", 1.5, 3, 2, 1, biased), ("t", 0.5, 3, 1, 0, biased)]


def test_positions_end_with_the_fill_that_closes_them_or_are_open_on_the_last_day():
    """Security 1 is bought, cut and sold, security 2 is held to the end; cash is no position."""
    trades = [(DAYS[1], "s", 1, 0.5, 0.0), (DAYS[2], "s", 1, 0.2, 5.0), (DAYS[3], "s", 1, 0.0, 7.0)]
    holdings = [(day, "s", name, gain) for day in DAYS[1:5] for name, gain in ((2, 3.0), (0, None))]
    holdings += [(DAYS[5], "t", 3, -1.0), (DAYS[4], "t", 4, 9.0)]
    got = made(
        "pf_positions",
        {
            "pf_trades": (
                "fill_date date, strategy varchar, security_id bigint, weight_after double, gain_usd double",
                trades,
            ),
            "pf_holdings": ("as_of_date date, strategy varchar, security_id bigint, gain_usd double", holdings),
        },
    )
    assert got == [(DAYS[3], "s", 1, False, 7.0), (DAYS[4], "s", 2, True, 3.0), (DAYS[5], "t", 3, True, -1.0)]


def test_rows_of_a_walk_are_told_under_their_own_names():
    """A session with a holding, a fill of the order of the day before, and an order for the next."""
    columns = {
        "holdings": {
            "security_id": 1,
            "shares": 5.0,
            "price_usd": 20.0,
            "value_usd": 100.0,
            "weight": 0.4,
            "gain_usd": 1.0,
        },
        "trades": {
            "security_id": 1,
            "decided_date": DAYS[0],
            "side": "buy",
            "shares": 2.0,
            "price_usd": 20.0,
            "value_usd": 40.0,
            "weight_before": 0.1,
            "weight_after": 0.4,
            "commission_usd": 0.01,
            "spread_usd": 0.02,
            "impact_usd": 0.03,
            "reason": "raise",
            "gain_usd": 1.0,
        },
        "orders": {
            "security_id": 1,
            "side": "sell",
            "shares": 3.0,
            "reference_price_usd": 20.0,
            "value_usd": 60.0,
            "weight_before": 0.4,
            "weight_target": 0.05,
            "weight_after": 0.2,
            "reason": "reduce",
        },
    }
    with duckdb.connect() as connection:
        connection.register("held", pd.DataFrame({name: [[rows]] for name, rows in columns.items()}))
        connection.execute(
            f"create table pf_backtest_walks as select date '{DAYS[1]}' as as_of_date, 's' as strategy,"
            " 250.0 as equity_usd, 150.0 as cash_usd, * from held"
        )
        told = {}
        for model in ("pf_holdings", "pf_trades", "pf_orders"):
            sql_model.run(connection, f"portfolio/{model}")
            told[model] = connection.sql(f"from {model}").df().to_dict("records")
    day = pd.Timestamp(DAYS[1])
    holding, cash = sorted(told["pf_holdings"], key=lambda row: -row["security_id"])
    assert holding == {"as_of_date": day, "strategy": "s"} | columns["holdings"]
    expected = {"shares": 150.0, "price_usd": 1.0, "value_usd": 150.0, "weight": 0.6, "security_id": 0}
    assert {name: cash[name] for name in expected} == expected and np.isnan(cash["gain_usd"])
    (fill,), (order,) = told["pf_trades"], told["pf_orders"]
    trade = columns["trades"] | {"decided_date": pd.Timestamp(DAYS[0])}
    assert fill == {"fill_date": day, "strategy": "s"} | trade
    assert order == {"decided_date": day, "strategy": "s"} | columns["orders"]


def test_candidates_are_members_with_a_score_enough_volume_and_some_volatility():
    """A name for each way not to be eligible, ties, a sector nobody knows, a second strategy with other columns."""
    names = {  # score, adv_20, adv_60, vol_21, vol_63, is member, sector
        1: (0.9, 100.0, 1.0, 0.2, 0.3, True, "Energy"),  # just enough volume
        2: (0.9, 99.0, 1.0, 0.2, 0.3, True, "Energy"),
        3: (0.9, 500.0, 1.0, 0.0, 0.3, True, "Energy"),
        4: (0.9, 500.0, 1.0, None, 0.3, True, "Energy"),
        5: (0.9, 500.0, 1.0, 0.2, 0.3, False, "Energy"),
        6: (0.7, 500.0, 1.0, 0.4, 0.3, True, None),
        7: (0.9, 500.0, 60.0, 0.2, 0.3, True, "Energy"),
        8: (0.1, 500.0, 1.0, 0.2, 0.3, True, "Energy"),
        9: (None, 500.0, 1.0, 0.2, 0.3, True, "Energy"),
    }
    strategies = [("s", "a", 3, 100.0, "vol_21", "adv_20"), ("t", "a", 3, 50.0, "vol_63", "adv_60")]
    key = "as_of_date date, security_id bigint"
    day, other = DAYS[:2]
    got = made(
        "pf_candidates",
        {
            "strategies": (
                "strategy varchar, alpha_name varchar, top_n integer, min_adv_usd double, vol_column varchar,"
                " adv_column varchar",
                strategies,
            ),
            "pf_rebalances": (
                "as_of_date date, strategy varchar, decided_at timestamp",
                [(day, name, dt.datetime(2020, 1, 2, 21)) for name in ("s", "t")],
            ),
            "pf_alpha_scores": (
                f"alpha_name varchar, {key}, score double",
                [("a", d, n, told[0]) for d in (day, other) for n, told in names.items() if told[0] is not None],
            ),
            "int_universe": (
                f"{key}, is_member boolean, sector varchar",
                [(d, n, *told[5:]) for d in (day, other) for n, told in names.items()],
            ),
            "features": (
                f"{key}, adv_20 double, adv_60 double, vol_21 double, vol_63 double, roe double",
                [(d, n, *told[1:5], 0.1) for d in (day, other) for n, told in names.items()],
            ),
        },
    )
    rows = [(row[0], row[1], row[2], *row[4:]) for row in got]
    assert rows == [
        (day, "s", 1, 0.9, 1, "Energy", 0.2, 4, 3),
        (day, "s", 6, 0.7, 3, "Unknown", 0.4, 4, 1),
        (day, "s", 7, 0.9, 2, "Energy", 0.2, 4, 3),
        (day, "t", 7, 0.9, 1, "Energy", 0.3, 1, 1),
    ]


def test_decisions_begin_with_the_first_score_and_end_with_the_market():
    """On every second session, the even ones or the odd ones; a strategy that is switched off decides nothing."""
    sessions = [(day, i, dt.datetime(day.year, day.month, day.day, 21)) for i, day in enumerate(DAYS, start=10)]
    strategies = [
        ("even", "a", 2, 0, True),
        ("odd", "b", 2, 1, True),
        ("off", "a", 2, 0, False),
        ("new", "c", 1, 0, True),
    ]
    key = "as_of_date date, security_id bigint"
    got = made(
        "pf_rebalances",
        {
            "strategies": (
                "strategy varchar, alpha_name varchar, rebalance_every integer, rebalance_offset integer,"
                " is_active boolean",
                strategies,
            ),
            "int_sessions": (
                "session_date date, session_index integer, closes_at timestamp, next_session_date date",
                [(*row, following) for row, following in zip(sessions, [*DAYS[1:], None], strict=True)],
            ),
            "int_prices": (key, [(day, 1) for day in DAYS[:5]]),
            "pf_alpha_scores": (
                f"alpha_name varchar, {key}",
                [("a", DAYS[2], 1), ("a", DAYS[3], 1), ("b", DAYS[0], 1)],
            ),
        },
    )
    closes = {day: close for day, _, close in sessions}
    assert got == [
        (DAYS[i], strategy, closes[DAYS[i]], DAYS[i + 1], 10 + i)
        for i, strategy in ((1, "odd"), (2, "even"), (3, "odd"), (4, "even"))
    ]
