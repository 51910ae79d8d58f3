"""What marts add to the tables they show: tickers of the date, the best of a study's trials, shares, the old names."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

import duckdb
import pytest
import sql_model

DAYS = [dt.date(2020, 1, day) for day in (2, 3, 6, 7, 8, 9)]
TRADE = (
    "side varchar, shares double, price_usd double, value_usd double, weight_before double, weight_after double,"
    " commission_usd double, spread_usd double, impact_usd double, reason varchar"
)


def made(model: str, tables: dict[str, tuple[str, Iterable[Sequence]]], columns: str = "*") -> list[tuple]:
    """Columns of a mart in its order, from tables given as (columns with types, rows); columns not given are NULL."""
    with duckdb.connect() as connection:
        for name, (types, rows) in tables.items():
            connection.execute(f"create table {name} ({types})")
            for row in rows:
                marks = ", ".join(["?"] * len(row) + ["null"] * (types.count(",") + 1 - len(row)))
                connection.execute(f"insert into {name} values ({marks})", row)
        sql_model.run(connection, f"marts/{model}")
        return connection.sql(f"select {columns} from {model}").fetchall()


@pytest.mark.parametrize("model", ["fct_trades", "fct_holdings"])
def test_a_name_goes_by_its_ticker_of_the_day(model):
    """Of a fill that of its own date; from the day of a change on the new one; the file's own spelling is another."""
    spells = [(1, "OLD", DAYS[0], DAYS[3], "date"), (1, "NEW", DAYS[3], dt.date(9999, 12, 31), "date")]
    spells += [(1, "LAST", DAYS[0], dt.date(9999, 12, 31), "file")]
    days = (DAYS[0], DAYS[2], DAYS[3], DAYS[5])
    if model == "fct_trades":
        source, date = "pf_trades", "fill_date"
        rows = [(day, DAYS[max(DAYS.index(day) - 1, 0)], "s", 1, "buy") for day in days]
        table = "fill_date date, decided_date date, strategy varchar, security_id bigint, " + TRADE
    else:
        source, date = "pf_holdings", "as_of_date"
        rows = [(day, "s", 1, 5.0) for day in days]
        table = "as_of_date date, strategy varchar, security_id bigint, shares double, price_usd double,"
        table += " value_usd double, weight double"
    spell_types = "security_id bigint, ticker varchar, valid_from date, valid_to date, ticker_of varchar"
    got = made(model, {source: (table, rows), "int_ticker_spells": (spell_types, spells)}, f"{date}, ticker")
    assert got == list(zip(days, ("OLD", "OLD", "NEW", "NEW"), strict=True))


def test_cash_is_called_cash():
    table = "as_of_date date, strategy varchar, security_id bigint, shares double, price_usd double, value_usd double,"
    spells = "security_id bigint, ticker varchar, valid_from date, valid_to date, ticker_of varchar"
    given = {"pf_holdings": (table + " weight double", [(DAYS[0], "s", 0, 5.0)]), "int_ticker_spells": (spells, [])}
    assert made("fct_holdings", given, "security_id, ticker") == [(0, "CASH")]


def test_the_best_trial_of_a_study_is_the_complete_one_of_the_best_mean_the_first_of_equals():
    trials = [
        ("one", 0, 0.02, "complete"),
        ("one", 1, 0.05, "complete"),
        ("one", 2, 0.05, "complete"),
        ("one", 3, None, "failed"),
        ("two", 0, None, "failed"),
        ("three", 0, -0.01, "complete"),
    ]
    types = "study_id varchar, trial_number integer, alpha_name varchar, fold_id varchar, test_start_date date,"
    types += " family varchar, params varchar, inner_rank_ics double[], mean_rank_ic double, status varchar"
    rows = [(study, n, "a", "f", DAYS[0], "ridge", "{}", [0.5, 0.1], mean, status) for study, n, mean, status in trials]
    fits = [("one", "fit"), (None, "another"), ("unseen", "third")]
    given = {"ml_trials": (types, rows), "ml_fits": ("study_id varchar, fit_id varchar", fits)}
    columns = "study_id, trial_number, fit_id, is_best, first_rank_ic, inner_folds"
    assert made("fct_trials", given, columns) == [
        ("one", 0, "fit", False, 0.5, 2),
        ("one", 1, "fit", True, 0.5, 2),
        ("one", 2, "fit", False, 0.5, 2),
        ("one", 3, "fit", False, 0.5, 2),
        ("three", 0, None, True, 0.5, 2),
        ("two", 0, None, False, 0.5, 2),
    ]


def test_coverage_is_shares_of_the_members():
    types = "as_of_date date, feature_name varchar, members bigint, filled bigint, stale bigint, known bigint,"
    types += " age_days_p50 bigint, age_days_p90 bigint, age_days_max bigint, on_snapshot bigint"
    given = {"feature_coverage": (types, [(DAYS[0], "roe", 8, 4, 2, 5, 30, 60, 90, 0)])}
    assert made("fct_feature_coverage", given, "filled_share, stale_share") == [(0.5, 0.25)]


def test_the_first_seeds_table_has_a_row_where_either_alpha_speaks():
    alphas = [(DAYS[0], 1, 0.1, 0.6), (DAYS[0], 2, 0.2, None), (DAYS[0], 3, None, 0.7), (DAYS[0], 4, None, None)]
    key = "as_of_date date, security_id bigint"
    given = {
        "ml_alphas": (f"{key}, ml_alpha_xgboost_5d_reg double, ml_alpha_xgboost_5d_clf double", alphas),
        "int_prices": (f"{key}, ticker varchar", [(DAYS[0], name, "ABCD"[name - 1]) for name in (1, 2, 3, 4)]),
    }
    assert made("feat_alpha_ml_xgb_v2", given, "ticker, date, alpha_ml_v2_reg, alpha_ml_v2_clf") == [
        ("A", DAYS[0], 0.1, 0.6),
        ("B", DAYS[0], 0.2, None),
        ("C", DAYS[0], None, 0.7),
    ]
