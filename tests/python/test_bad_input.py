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
    ("OPENED", "2020-01-03", ("1000", "11", "9", "10.5", "10.4", "1000")): "open_outside_range",
    ("SPIKED", "2020-01-03", ("10", "1100", "9", "10.5", "10.4", "1000")): "range_too_wide",
    ("GROWN", "2020-01-03", ("10", "11", "9", "10.5", "1e300", "1000")): "number_too_large",
    ("TWICE", "2020-01-03", tuple(GOOD)): "duplicate_row",
    ("TORN", "2020-01-03", ("10", "11", "9", "10.6", "10.4", "1000")): "conflicting_duplicate",
    ("TORN", "2020-01-03", ("10", "11", "9", "10.7", "10.4", "1000")): "conflicting_duplicate",
    ("EARLY", "2035-12-31", tuple(GOOD)): "in_the_future",
}
# files beside the bars: (columns, rows, refused as (reason, key))
BESIDE = {
    "yahoo/actions.csv": (
        "ticker,Date,Dividends,Stock Splits",
        ["FINE,2020-01-06,0.1,0", "FINE,2035-12-31,0,2", "fine,2020-01-07,0.1,0"],
        [("in_the_future", "FINE 2035-12-31")],
    ),
    "simfin/us-income-quarterly.csv": (
        "Ticker,Fiscal Year,Fiscal Period,Report Date,Publish Date,Restated Date,Shares (Basic)",
        [
            "FINE,2019,Q2,2019-06-30,2019-08-01,2019-05-01,5",
            "FINE,2019,Q3,2019-09-30,2035-12-31,,5",
            "FINE,2019,Q4,2019-12-31,2020-02-03,,-5",
            "ABSENT,2019,Q2,2019-06-30,2019-08-01,,5",
            "CLASS.B,2019,Q2,2019-06-30,2019-08-01,,5",
            "CLASS.B,2019,Q1,2019-03-31,2019-05-01,,5",
        ],
        [("in_the_future", "FINE 2019 Q3 2019-09-30"), ("negative_shares", "FINE 2019 Q4 2019-12-31")],
    ),
    "pystock/reports.csv": (
        "symbol,end_date,period_focus,collected_date",
        ["FINE,2019-06-30,Q2,2019-08-01", "FINE,2019-09-30,Q3,2035-12-31"],
        [("in_the_future", "FINE 2019-09-30")],
    ),
    "sharadar/ACTIONS.csv": (
        "date,action,ticker,value,contraticker",
        ["2020-01-06,dividend,FINE,0.1,", "2035-12-31,split,FINE,2,"],
        [("in_the_future", "FINE 2035-12-31 split")],
    ),
    "sharadar/SECTORS.csv": (
        "ticker,date,sector",
        ["FINE,2020-01-06,Energy", "FINE,2035-12-31,Energy"],
        [("in_the_future", "FINE 2035-12-31")],
    ),
    "sharadar/DAILY.csv": (
        "ticker,date,marketcap",
        ["FINE,2020-01-06,1", "FINE,2035-12-31,1"],
        [("in_the_future", "FINE 2035-12-31")],
    ),
    "short_interest/short_interest.csv": (
        "symbol,short_interest_date,first_snapshot_at,shares_sold_short",
        [
            "FINE,01/15/20,2020-01-27 09:00:00+00,5",
            "FINE,01/31/20,2035-12-31 09:00:00+00,5",
            "CLASS.B,01/15/20,2020-01-27 09:00:00+00,5",
            "ABSENT,01/15/20,2020-01-27 09:00:00+00,5",
        ],
        [("in_the_future", "FINE 2020-01-31")],
    ),
    # an announced end stays, and so does a spell that begins where another ends
    "sp500/membership.csv": (
        "ticker,start_date,end_date",
        [
            "FINE,2001-01-02,2010-05-03",
            "FINE,2010-05-03,2012-05-03",
            "FINE,2012-04-02,2014-05-05",
            "FINE,2019-01-02,2035-12-31",
            "BLANK,2035-12-31,",
            "CLASS.B,2001-01-02,",
            "ZER.O,2001-01-02,",
            "ZER-O,2005-01-03,2006-01-03",
        ],
        [
            ("in_the_future", "BLANK 2035-12-31"),
            ("overlapping_spell", "FINE 2012-04-02"),
            ("overlapping_spell", "ZER-O 2005-01-03"),
        ],
    ),
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
    lines += [[ticker, day, *GOOD] for ticker in ("FINE", "TWICE", "CLASS-B") for day in days]
    lines += [[ticker, day, *bar] for ticker, day, bar in BROKEN]
    market = write_bars(tmp_path / "market", lines)
    for file, (columns, rows, _) in BESIDE.items():
        (market / file).parent.mkdir(exist_ok=True)
        (market / file).write_text("\n".join([columns, *rows]) + "\n")
    models = ["+int_prices", "+int_quarantine", "+unpriced_tickers"]
    warehouse = builder.build(market, tmp_path / "built", models)
    refused = query(warehouse, "select reason, key, file from intermediate.int_quarantine order by all")
    expected = sorted(
        [
            (reason, f"{ticker or '(no ticker)'} {day}", "yahoo/prices.csv")
            for (ticker, day, _), reason in BROKEN.items()
        ]
        + [(reason, key, file) for file, (_, _, refused) in BESIDE.items() for reason, key in refused]
    )
    assert refused == expected
    assert query(warehouse, "select example from intermediate.int_quarantine where reason = 'unreadable_value'") == [
        ("Close='n/a' is not a number",)
    ]
    stale = query(
        warehouse,
        "select ticker from intermediate.int_prices where as_of_date = date '2020-01-03' and is_stale order by 1",
    )
    # a membership and a short position find their security in either spelling, an event and a statement do not
    assert query(warehouse, "from monitoring.unpriced_tickers order by file") == [
        ("short_interest/short_interest.csv", 3, 1, 1, 0, "ABSENT", None),
        ("simfin/us-income-quarterly.csv", 3, 2, 3, 1, "CLASS.B", "CLASS-B"),
        ("sp500/membership.csv", 5, 2, 2, 0, "ZER-O", None),
        ("yahoo/actions.csv", 2, 1, 1, 1, "fine", "FINE"),
    ]
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
