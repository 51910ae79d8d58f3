"""What a new user's files get wrong: the build stops with a message, or goes on and lists every row it refused."""

from __future__ import annotations

import csv
from pathlib import Path

import duckdb
import pytest

from kairos import sessions
from kairos.errors import KairosError

HEADER = ["ticker", "Date", "Open", "High", "Low", "Close", "Adj Close", "Volume"]
GOOD = ["10", "11", "9", "10.5", "10.4", "1000"]
BROKEN = {  # (ticker, date, bar): reason
    ("TEXT", "2020-01-03", ("10", "11", "9", "n/a", "10.4", "1000")): "unreadable_value",
    ("", "2020-01-03", tuple(GOOD)): "null_key",
    ("SUNDAY", "2020-01-05", tuple(GOOD)): "not_a_session",
    ("BLANK", "2020-01-03", ("10", "11", "9", "", "10.4", "1000")): "null_price_or_volume",
    ("ZERO", "2020-01-03", ("10", "11", "0", "10.5", "10.4", "1000")): "non_positive_price",
    ("ENDLESS", "2020-01-03", ("10", "inf", "9", "10.5", "10.4", "1000")): "infinite_price",
    ("OUTSIDE", "2020-01-03", ("10", "11", "9", "12", "10.4", "1000")): "close_outside_range",
    ("TWICE", "2020-01-03", tuple(GOOD)): "duplicate_row",
    ("TORN", "2020-01-03", ("10", "11", "9", "10.6", "10.4", "1000")): "conflicting_duplicate",
    ("TORN", "2020-01-03", ("10", "11", "9", "10.7", "10.4", "1000")): "conflicting_duplicate",
    ("EARLY", "2035-12-31", tuple(GOOD)): "in_the_future",
}


def write_bars(market: Path, lines: list[list[str]], header: list[str] = HEADER) -> Path:
    """yahoo/prices.csv of a market."""
    (market / "yahoo").mkdir(parents=True)
    with (market / "yahoo" / "prices.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *lines])
    return market


def query(warehouse: Path, sql: str) -> list[tuple]:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_broken_rows_are_refused_by_reason_and_the_rest_is_built(builder, tmp_path):
    with sessions.seed_path().open() as file:
        days = [row["session_date"] for row in csv.DictReader(file) if row["session_date"].startswith("2020-01")]
    tickers = sorted({ticker for ticker, _, _ in BROKEN if ticker and ticker != "TWICE"})
    lines = [[ticker, day, *GOOD] for ticker in tickers for day in days if day != "2020-01-03"]
    lines += [[ticker, day, *GOOD] for ticker in ("FINE", "TWICE") for day in days]
    lines += [[ticker, day, *bar] for ticker, day, bar in BROKEN]
    warehouse = builder.build(
        write_bars(tmp_path / "market", lines), tmp_path / "built", ["+int_prices", "+int_quarantine"]
    )
    refused = query(warehouse, "select reason, key, file from intermediate.int_quarantine order by all")
    expected = sorted(
        (reason, f"{ticker or '(no ticker)'} {day}", "yahoo/prices.csv") for (ticker, day, _), reason in BROKEN.items()
    )
    assert refused == expected
    assert query(warehouse, "select example from intermediate.int_quarantine where reason = 'unreadable_value'") == [
        ("Close='n/a' is not a number",)
    ]
    stale = query(
        warehouse,
        "select ticker from intermediate.int_prices where as_of_date = date '2020-01-03' and is_stale order by 1",
    )
    # of that day no good bar is left but those of FINE and TWICE
    assert [ticker for (ticker,) in stale] == tickers


@pytest.mark.parametrize(
    ("header", "lines", "said"),
    [
        (HEADER[:-2], [["A", "2020-01-03", *GOOD[:-2]]], "yahoo/prices.csv lacks 'Adj Close', 'Volume'"),
        (HEADER, [], "yahoo/prices.csv has no rows"),
        (HEADER, [["A", "03/01/2020", *GOOD]], "Write dates as YYYY-MM-DD"),
    ],
    ids=["missing column", "no rows", "other dates"],
)
def test_a_build_of_unusable_prices_stops_with_the_message(builder, tmp_path, header, lines, said):
    with pytest.raises(KairosError) as stopped:
        builder.build(write_bars(tmp_path / "market", lines, header), tmp_path / "built", ["int_bars"])
    assert said in str(stopped.value)


@pytest.mark.parametrize("make", [False, True], ids=["missing directory", "empty directory"])
def test_a_build_without_files_stops_with_the_message(builder, tmp_path, make):
    market = tmp_path / "market"
    if make:
        market.mkdir()
    with pytest.raises(KairosError) as stopped:
        builder.build(market, tmp_path / "built", ["int_bars"])
    assert ("needs price bars" if make else "Set KAIROS_MARKET") in str(stopped.value)
    assert str(market) in str(stopped.value)


def test_a_market_of_one_fund_builds_empty(builder, tmp_path):
    lines = [["SPY", "2020-01-03", *GOOD], ["SPY", "2020-01-06", *GOOD]]
    models = ["+int_returns", "+int_securities", "+int_market_series", "+int_quarantine"]
    warehouse = builder.build(write_bars(tmp_path / "market", lines), tmp_path / "built", models)
    assert query(warehouse, "select count(*) from intermediate.int_prices") == [(0,)]
    assert query(warehouse, "select count(*) from intermediate.int_bars") == [(2,)]
