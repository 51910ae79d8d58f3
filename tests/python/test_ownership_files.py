"""Files about insiders, short positions and holdings: layouts that are read, and what of them is known at a cut."""

from __future__ import annotations

import datetime
from pathlib import Path

import duckdb
import pytest

from kairos.proof import attack_market
from kairos.raw import raw_statements
from kairos.sessions import closes

CUT = datetime.date(2023, 3, 15)
BARS = "ticker,Date,Open,High,Low,Close,Adj Close,Volume\nA,2023-03-14,1,2,1,1.5,1.4,100\nA,2023-03-16,1,2,1,1,1,9\n"


def write(market: Path, file: str, *lines: str) -> None:
    """A file of the market, with its folders."""
    (market / file).parent.mkdir(parents=True, exist_ok=True)
    (market / file).write_text("\n".join(lines) + "\n")


@pytest.fixture
def market(tmp_path: Path) -> Path:
    """Bars of one ticker on both sides of the cut."""
    write(tmp_path / "market", "yahoo/prices.csv", BARS)
    return tmp_path / "market"


def shown(market: Path, query: str) -> list[tuple]:
    """Run the statements of a market and then a query."""
    statements, _ = raw_statements(market)
    with duckdb.connect() as connection:
        for statement in statements:
            connection.execute(statement)
        return connection.execute(query).fetchall()


def test_both_layouts_of_the_forms_are_one_table(market):
    write(
        market,
        "sec_form4/first.csv",
        "ticker,owner_name,owner_title,is_director,is_officer,transaction_date,shares,price_per_share,"
        "acquired_disposed,transaction_code,filing_date",
        "A,Roe Jane,CFO,True,False,2023-01-03 00:00:00,5,2.5,D,S,2023-01-04",
    )
    write(
        market,
        "sec_form4/second.csv",
        "ticker,filing_date,transaction_date,insider_name,title,code,shares,price,value,shares_after,accession",
        "A,2023-01-06,2023-01-05,ROE JANE,CFO,P,7,3,21,12,0001-23-000001",
    )
    found = shown(
        market,
        "select owner_name, owner_title, transaction_date::varchar, transaction_code, price_per_share, "
        "acquired_disposed, is_director, accession from raw.sec_form4__transactions order by filing_date",
    )
    assert found == [
        ("Roe Jane", "CFO", "2023-01-03", "S", 2.5, "D", "True", None),
        ("ROE JANE", "CFO", "2023-01-05", "P", 3.0, None, None, "0001-23-000001"),
    ]


def test_a_form_without_a_code_under_any_name_is_refused(market):
    write(market, "sec_form4/f.csv", "ticker,owner_name,transaction_date,filing_date,shares,price", "A,B,,,,")
    with pytest.raises(Exception, match="lacks 'transaction_code'"):
        raw_statements(market)


def kept(market: Path, file: str, column: str) -> list[str]:
    """Values of a column in the attacked copy of a file, in order."""
    attack_market(market, market.parent / "copy", CUT)
    query = f"select {column} from read_csv('{market.parent}/copy/{file}', all_varchar = true)"
    return [value for (value,) in duckdb.sql(query).fetchall()]


@pytest.mark.parametrize(("rule", "last"), [("end_of_day", "2023-03-14"), ("start_of_day", "2023-03-15")])
@pytest.mark.parametrize(
    ("file", "column"),
    [
        ("sec_form4/f", "filing_date"),
        ("finnhub/insider_transactions", "filingDate"),
        ("sharadar/SF2", "filingdate"),
        ("pystock/reports", "collected_date"),
    ],
)
def test_forms_filed_on_the_cut_go_with_it(market, file, column, rule, last, monkeypatch):
    monkeypatch.setenv("KAIROS__DATE_ONLY_KNOWN", rule)
    write(market, f"{file}.csv", f"name,{column}", "x,2023-03-14", "x,2023-03-15", "x,2023-03-16", "x,no date")
    assert max(kept(market, f"{file}.csv", column)[:-1]) == last


def test_short_positions_go_until_nine_sessions_have_passed(market):
    calendar = list(closes())
    place = calendar.index(CUT)
    tenth, ninth = calendar[place - 10], calendar[place - 9]
    # a Saturday counts from the Friday before it
    days = [str(day) for day in (tenth, ninth, CUT)]
    write(market, "finra/short_interest.csv", "symbolCode,settlementDate", *(f"A,{day}" for day in days))
    assert kept(market, "finra/short_interest.csv", "settlementDate") == [str(tenth)]


def test_holdings_go_until_46_days_have_passed(market):
    known = str(CUT - datetime.timedelta(days=47))
    late = str(CUT - datetime.timedelta(days=46))
    write(market, "sharadar/SF3A.csv", "ticker,calendardate", f"A,{known}", f"A,{late}")
    assert kept(market, "sharadar/SF3A.csv", "calendardate") == [known]


def test_snapshots_stay_up_to_the_moment_of_the_close(market):
    close = closes()[CUT]
    before, after = (f"{close + datetime.timedelta(seconds=s):%Y-%m-%dT%H:%M:%S}+00:00" for s in (0, 1))
    write(
        market,
        "short_interest/short_interest.csv",
        "symbol,first_snapshot_at,last_snapshot_at",
        f"A,{before},{after}",
        f"B,{before},{before}",
        f"C,{after},{after}",
    )
    assert kept(market, "short_interest/short_interest.csv", "last_snapshot_at") == [None, before]


def test_a_snapshot_with_a_date_alone_is_known_at_its_end(market):
    day_before = CUT - datetime.timedelta(days=1)
    write(
        market,
        "short_interest/short_interest.csv",
        "symbol,first_snapshot_at",
        f"A,{day_before}",
        f"A,{CUT} ",
        f"B,{CUT}",
    )
    assert kept(market, "short_interest/short_interest.csv", "first_snapshot_at") == [f"{day_before}"]


def test_archives_keep_first_copies_of_days_that_had_ended(market):
    write(
        market,
        "pystock/prices.csv",
        "symbol,date,adj_close,collected_date",
        "A,2023-03-14,1,2023-03-14",
        "A,2023-03-14,2,2023-03-15",  # what the archive of the cut says of the day before
        "A,2023-03-15,3,2023-03-15",
        "A,2023-03-15,4,2023-03-16",  # what the archive after the cut says of the cut
        "A,2023-03-16,5,2023-03-16",
        "B,2023-03-15,6,2023-03-16",  # the cut's bar, of which the first copy came late
        "B,2023-03-15,7,2023-03-17",
        "B,2023-03-16,8,2023-03-16",
    )
    assert kept(market, "pystock/prices.csv", "adj_close") == ["1", "2", "3", "6"]
