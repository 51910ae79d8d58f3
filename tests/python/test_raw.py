"""Vendor files become typed views; a file that cannot be used is refused with column, count, example and cure."""

from __future__ import annotations

import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kairos import raw
from kairos.errors import MarketError
from kairos.raw import TABLES, raw_statements

PRICES = "ticker,Date,Open,High,Low,Close,Adj Close,Volume\n"
SEP = "ticker,date,open,high,low,close,volume,closeadj,closeunadj,lastupdated\n"
BARS = PRICES + "A,2020-01-02,1,2,1,1.5,1.4,100\nA,2020-01-03,1,2,1,1.6,1.5,200\n"


def write(market: Path, file: str, text: str | bytes) -> Path:
    """A file of the market, with its folders."""
    path = market / file
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(text, bytes):
        path.write_bytes(text)
    else:
        path.write_text(text)
    return path


def write_parquet(market: Path, file: str, query: str) -> Path:
    """A Parquet file with the rows of a query."""
    path = market / file
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute(f"copy ({query}) to '{path}' (format parquet)")
    return path


@pytest.fixture
def market(tmp_path: Path) -> Path:
    """The smallest market: two bars of one ticker."""
    write(tmp_path, "yahoo/prices.csv", BARS)
    return tmp_path


def rows(market: Path, query: str) -> list[tuple]:
    """Run the statements of a market and then a query."""
    statements, _ = raw_statements(market)
    with duckdb.connect() as connection:
        for statement in statements:
            connection.execute(statement)
        return connection.execute(query).fetchall()


def refusal(market: Path) -> str:
    """The message with which a market is refused."""
    with pytest.raises(MarketError) as refused:
        raw_statements(market)
    return str(refused.value)


def notices(market: Path) -> str:
    """All notices in one text."""
    return "\n".join(raw_statements(market)[1])


# --- what is shown


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.view)
def test_every_table_is_a_view_of_its_declared_types_even_without_files(market, table):
    described = rows(market, f"describe select * from {table.view}")
    shown = {name: type_ for name, type_, *_ in described}
    declared = {column.name: column.type for column in table.columns}
    assert shown == declared | {"_dataset": "VARCHAR", "_file": "VARCHAR", "_row_error": "VARCHAR"}


def test_csv_is_typed_and_says_where_it_comes_from(market):
    found = rows(
        market, 'select ticker, "Date", "Adj Close", "Volume", _dataset, _file, _row_error from raw.yahoo__prices'
    )
    assert found[0] == ("A", datetime.date(2020, 1, 2), 1.4, 100.0, "yahoo/prices", "yahoo/prices.csv", None)


def test_several_files_of_a_table_are_one_table_each_with_its_own_dataset(market):
    write_parquet(
        market,
        "yahoo/prices_spy.parquet",
        """select 'SPY' as ticker, date '2020-01-02' as "Date", 1.0 as "Open", 2.0::float as "High", 1 as "Low",
        1.5 as "Close", 1.5 as "Adj Close", 7::bigint as "Volume" """,
    )
    found = rows(market, "select _dataset, count(*), sum(Volume) from raw.yahoo__prices group by 1 order by 1")
    assert found == [("yahoo/prices", 2, 300.0), ("yahoo/prices_spy", 1, 7.0)]


def test_files_of_the_same_columns_are_read_by_one_call(market):
    # a union of one select per file cost the planner the square of their number, in every query that read them
    for ticker in "BCDE":
        write(market, f"yahoo/prices_{ticker}.csv", BARS.replace("\nA,", f"\n{ticker},"))
    write(
        market, "yahoo/prices_F.csv", "ticker;Date;Open;High;Low;Close;Adj Close;Volume\nF;2020-01-02;1;2;1;1.5;1.4;9\n"
    )
    write(market, "yahoo/prices_G.csv", PRICES)
    view = next(statement for statement in raw_statements(market)[0] if "raw.yahoo__prices as" in statement)
    assert view.count("read_csv(") == 2
    assert rows(
        market, "select ticker, _dataset, _file, count(*) from raw.yahoo__prices group by all order by all"
    ) == [
        ("A", "yahoo/prices", "yahoo/prices.csv", 2),
        *((ticker, f"yahoo/prices_{ticker}", f"yahoo/prices_{ticker}.csv", 2) for ticker in "BCDE"),
        ("F", "yahoo/prices_F", "yahoo/prices_F.csv", 1),
    ]
    assert "yahoo/prices_G.csv has the right columns and no rows." in notices(market)


def test_files_of_the_same_columns_may_have_odd_names(tmp_path):
    odd = tmp_path / "it's a [market] *"
    names = ["prices", "prices 'é' [1]", "prices.of.2020", "prices*"]
    for name in names:
        write(odd, f"yahoo/{name}.csv", BARS)
    bar = "select 'A' as ticker, '2020-01-02' as Date, " + ", ".join(
        f'1 as "{x}"' for x in PRICES.strip().split(",")[2:]
    )
    for number in (1, 2):
        write_parquet(tmp_path, f"prices_{number}.parquet", f"{bar} union all {bar}")
        (tmp_path / f"prices_{number}.parquet").rename(odd / f"yahoo/prices_{number}.parquet")
    names += ["prices_1", "prices_2"]
    found = rows(odd, "select _dataset, _file, count(*) from raw.yahoo__prices group by all")
    assert {(dataset, file.rsplit(".", 1)[0], count) for dataset, file, count in found} == {
        (f"yahoo/{name}", f"yahoo/{name}", 2) for name in names
    }
    assert len(found) == len(names)


def test_one_bad_file_among_files_of_the_same_columns_is_named(market):
    for ticker in "BCD":
        write(market, f"yahoo/prices_{ticker}.csv", BARS.replace("\nA,", f"\n{ticker},"))
    write(market, "yahoo/prices_C.csv", PRICES + "C,2020-01-02,1,2,1,much,1.4,100\n")
    assert "yahoo/prices_C.csv: column 'Close' should be a number" in refusal(market)
    write(market, "yahoo/prices_C.csv", PRICES + "C,2020-01-02,1,2,1\n")
    assert refusal(market).startswith("yahoo/prices_C.csv cannot be read")


def test_columns_in_other_order_and_case_and_further_columns_do_not_matter(tmp_path):
    write(
        tmp_path,
        "yahoo/PRICES.csv",
        "Extra,VOLUME,adj close,close,low,high,open,date,Ticker\nx,9,1,1,1,1,1,2020-01-02,A\n",
    )
    assert rows(tmp_path, 'select ticker, "Volume" from raw.yahoo__prices') == [("A", 9.0)]


def test_a_byte_order_mark_and_carriage_returns_do_not_matter(tmp_path):
    write(tmp_path, "yahoo/prices.csv", b"\xef\xbb\xbf" + BARS.replace("\n", "\r\n").encode())
    assert rows(tmp_path, "select ticker, Volume from raw.yahoo__prices") == [("A", 100.0), ("A", 200.0)]


def test_directories_with_spaces_quotes_and_brackets_do_not_matter(tmp_path):
    odd = tmp_path / "it's a [market] *"
    write(odd, "yahoo/prices.csv", BARS)
    assert rows(odd, "select count(*) from raw.yahoo__prices") == [(2,)]


def test_semicolon_files_with_commas_in_names_are_read(market):
    write(
        market,
        "simfin/us-balance-quarterly.csv",
        "Ticker;SimFinId;Currency;Fiscal Year;Fiscal Period;Report Date;Publish Date;"
        "Cash, Cash Equivalents & Short Term Investments;Total Assets\n"
        "A;1;USD;2020;Q1;2020-03-31;2020-05-01;1000;\n",
    )
    found = rows(
        market,
        'select "Fiscal Year", "Report Date", "Cash, Cash Equivalents & Short Term Investments", "Total Assets", '
        '"Total Equity", _row_error from raw.simfin__us_balance_quarterly',
    )
    assert found == [(2020, datetime.date(2020, 3, 31), 1000.0, None, None, None)]


@pytest.mark.parametrize(
    "stored",
    [
        "'2014-06-09 00:00:00-04:00'",
        "'2014-06-09'",
        "date '2014-06-09'",
        "timestamp '2014-06-09 00:00:00'",
        "timestamptz '2014-06-09 04:00:00+00'",
        "timestamptz '2014-06-09 10:59:59+00'",
        "'2014-6-9 16:30:00'",
        "'2014-6-9T00:00:00'",
        "'2014/06/09'",
        "'2014-06-09Z'",
        "'2014-06-09+00:00'",
        "'2014-06-09T04:00:00Z'",
        "'2014-06-09 16:30:00-04:00'",
        "'2014-06-09 00:00:00+02:00'",
    ],
)
def test_dates_in_every_usual_form_are_dates(market, stored):
    write_parquet(
        market, "yahoo/actions.parquet", f"""select 'A' as ticker, {stored} as "Date", 7.0 as "Stock Splits" """
    )
    assert rows(market, 'select "Date", _row_error from raw.yahoo__actions') == [(datetime.date(2014, 6, 9), None)]


@pytest.mark.parametrize(
    "text",
    [
        "20-12-21",
        "01/06/2020",
        "01/06/20",
        "2020-01-0799",
        "0020-12-21",
        "1820-12-21",
        "2020-13-01",
        "20201221",
        "soon",
    ],
)
def test_what_is_no_date_of_our_time_is_an_error_of_the_row(market, text):
    write(market, "yahoo/actions.csv", f"ticker,Date,Stock Splits\nA,{text},7\nA,2020-12-21,7\nA,2020-1-7,7\n")
    found = rows(market, 'select "Date", _row_error from raw.yahoo__actions order by 1 desc nulls first')
    days = [datetime.date(2020, 12, 21), datetime.date(2020, 1, 7)]
    assert found == [(None, f"Date='{text}' is not a date"), *((day, None) for day in days)]


@pytest.mark.parametrize("kind", ["timestamptz ", ""], ids=["moments", "text"])
@pytest.mark.parametrize(
    "midnight",
    ["22:00:00+00", "22:00Z", "22:00:00-00:00", "11:00:00+00"],
    ids=["Berlin", "Berlin without seconds", "Berlin, minus nothing", "Auckland"],
)
def test_a_moment_that_may_be_the_next_days_midnight_is_an_error_of_the_row(market, kind, midnight):
    """22:00 UTC is Berlin's midnight of the next day, and would let a filing in a day early."""
    listed = ", ".join(f"{kind}'{moment}'" for moment in (f"2020-06-08 {midnight}", "2020-06-09 04:00:00+00"))
    write_parquet(
        market,
        "yahoo/actions.parquet",
        f"""select 'A' as ticker, unnest([{listed}]) as "Date", 7.0 as "Stock Splits" """,
    )
    found = rows(market, 'select "Date", _row_error from raw.yahoo__actions order by 1 nulls first')
    assert found[0][0] is None and found[0][1].startswith("Date='2020-06-0") and "is not a date" in found[0][1]
    assert ("from 11:00 UTC on it may be the next day's midnight" in found[0][1]) == bool(kind)
    assert found[1] == (datetime.date(2020, 6, 9), None)


def test_a_date_that_a_row_need_not_have_may_be_any(tmp_path):
    """Filers mistype when an option ends, which nothing reads; the trade beside it stands."""
    table = next(t for t in TABLES if t.view == "raw.sharadar__sf2")
    given = {c.name: "2020-01-02" if c.type == "DATE" else "1" for c in table.columns} | {
        "expirationdate": "0204-06-30"
    }
    write(tmp_path, "sharadar/SEP.csv", SEP + "A,2020-01-02,1,2,1,1.5,100,1.4,3.0,2020-01-03\n")
    write(tmp_path, "sharadar/SF2.csv", ",".join(given) + "\n" + ",".join(given.values()) + "\n")
    assert rows(tmp_path, "select expirationdate, _row_error from raw.sharadar__sf2") == [
        (datetime.date(204, 6, 30), None)
    ]


def test_a_column_without_any_value_has_its_declared_type(market):
    write_parquet(
        market, "sp500/membership.parquet", "select 'A' as ticker, '2000-06-05' as start_date, null as end_date"
    )
    found = rows(market, "select typeof(end_date), end_date, _row_error from raw.sp500__membership")
    assert found == [("DATE", None, None)]


def test_cells_of_blanks_are_null_and_no_error(market):
    write(
        market, "sharadar/sep.csv", SEP + "A,2020-01-02,1,2,1,1.5,100,1.4,  ,2020-01-03\nB,2020-01-02,1,2,1,2,9,2,,\n"
    )
    write(market, "simfin/us-companies.csv", "Ticker;SimFinId;Company Name;IndustryId\nA; ;  ;\nB;7; Beta ;\n")
    bars = rows(market, "select ticker, closeunadj, _row_error from raw.sharadar__sep order by ticker")
    assert bars == [("A", None, None), ("B", None, None)]
    names = rows(market, 'select "Ticker", "SimFinId", "Company Name", _row_error from raw.simfin__us_companies')
    assert names == [("A", None, None, None), ("B", 7, "Beta", None)]


def test_a_column_is_found_under_each_of_its_names_and_its_own_counts_first(market):
    first = "ticker,owner_name,transaction_date,filing_date,transaction_code,shares,price_per_share,owner_title\n"
    second = "ticker,insider_name,transaction_date,filing_date,CODE,shares,price,title\n"
    both = "code,ticker,owner_name,transaction_date,filing_date,transaction_code,shares,price_per_share\n"
    write(market, "sec_form4/a.csv", first + "A,Ann,2020-01-02,2020-01-03,P,5,1.5,CEO\n")
    write(market, "sec_form4/b.csv", second + "A,Ben,2020-01-02,2020-01-03,S,6,2.5,CFO\n")
    write(market, "sec_form4/c.csv", both + "X,A,Cat,2020-01-02,2020-01-03,P,7,3.5\n")
    found = rows(
        market,
        "select owner_name, transaction_code, price_per_share, owner_title from raw.sec_form4__transactions order by 1",
    )
    assert found == [("Ann", "P", 1.5, "CEO"), ("Ben", "S", 2.5, "CFO"), ("Cat", "P", 3.5, None)]
    write(market, "sec_form4/b.csv", second.replace("price", "paid") + "A,Ben,2020-01-02,2020-01-03,S,6,2.5,CFO\n")
    assert "sec_form4/b.csv lacks 'price_per_share'" in refusal(market)


def test_text_among_numbers_is_null_with_an_error_of_the_row(market):
    write(market, "yahoo/prices.csv", BARS + "B,2020-01-02,n/a,2,1,oops,1,5\nB,soon,1,2,1,1,1,\n")
    found = rows(market, "select Open, _row_error from raw.yahoo__prices where ticker = 'B' order by Open nulls first")
    assert found == [
        (None, "Open='n/a' is not a number; Close='oops' is not a number"),
        (1.0, "Date='soon' is not a date"),
    ]


def test_numbers_too_large_for_a_whole_number_are_errors_of_the_row(market):
    write_parquet(
        market,
        "simfin/industries.parquet",
        """select unnest([1e30, 5]) as "IndustryId", 'S' as "Sector", 'I' as "Industry" """,
    )
    found = rows(market, 'select "IndustryId", _row_error from raw.simfin__industries order by 1')
    assert found == [(5, None), (None, "IndustryId='1e+30' is not a whole number")]


# --- what is said without stopping


def test_unknown_vendors_and_files_are_named_and_ignored(market):
    write(market, "acme/prices.csv", "whatever")
    write(market, "yahoo/options.csv", "whatever")
    write(market, "yahoo/prices.txt", "whatever")
    write(market, "notes.csv", "whatever")
    write(market, ".hidden/x.csv", "whatever")
    said = notices(market)
    assert f"acme/ is not a vendor this project reads ({', '.join(raw.VENDORS)}); ignored." in said
    assert "yahoo/options.csv is ignored; tables of yahoo: prices*.csv, actions*.csv (or .parquet)." in said
    assert "yahoo/prices.txt is ignored" in said
    assert "notes.csv is ignored; files of a market itself: basis.csv, market.csv, spin_offs.csv (or .parquet)." in said
    assert "hidden" not in said


def test_a_file_without_rows_is_an_empty_table_with_a_notice(market):
    write(market, "yahoo/actions.csv", "ticker,Date,Dividends,Stock Splits\n")
    assert "yahoo/actions.csv has the right columns and no rows." in notices(market)
    assert rows(market, "select count(*) from raw.yahoo__actions") == [(0,)]


def test_the_same_table_as_csv_and_parquet_is_said(market):
    write_parquet(market, "yahoo/prices.parquet", f"select * from read_csv('{market}/yahoo/prices.csv')")
    assert "yahoo/: prices.csv and prices.parquet are both read" in notices(market)


def test_a_file_whose_name_only_begins_as_one_of_the_markets_own_is_ignored(market):
    write(market, "basis.csv", "dataset,basis_date\nyahoo/prices,2020-01-03\n")
    write(market, "basis_old.csv", "dataset,basis_date\nyahoo/prices,2019-01-03\n")
    assert "basis_old.csv is ignored" in notices(market)
    assert rows(market, "select basis_date from raw.market__basis") == [(datetime.date(2020, 1, 3),)]


def test_basis_of_a_file_that_is_not_there_and_unknown_keys_are_said(market):
    write(market, "basis.csv", "dataset,basis_date\nyahoo/prices,2020-01-03\nsimfin/us-income,2020-01-03\n")
    write(market, "market.csv", "key,value\nkeeps_delisted,TRUE\ncolour,blue\n")
    said = notices(market)
    assert "basis.csv names 'simfin/us-income', and this market has no such file; ignored." in said
    assert "yahoo/prices'" not in said
    assert "market.csv: key 'colour' is not known (keeps_delisted, survivorship_biased); ignored." in said


# --- what stops


def test_a_missing_directory_says_how_to_set_one(tmp_path):
    said = refusal(tmp_path / "nowhere")
    assert f"The market's directory {tmp_path / 'nowhere'} does not exist." in said
    assert "Set KAIROS_MARKET" in said
    assert "kairos demo" in said
    assert "prices.csv is a file. Set KAIROS_MARKET" in refusal(write(tmp_path, "prices.csv", BARS))


def test_an_empty_directory_says_what_a_market_needs(tmp_path):
    said = refusal(tmp_path)
    assert "has no file yahoo/prices* or sharadar/SEP* or pystock/prices* (.parquet or .csv). Found: nothing." in said


def test_missing_prices_say_what_was_found(tmp_path):
    write(tmp_path, "yahoo/actions.csv", "ticker,Date,Stock Splits\nA,2020-01-02,2\n")
    assert "A market needs price bars" in refusal(tmp_path)
    assert "Found: 'yahoo/actions.csv'." in refusal(tmp_path)
    write(tmp_path, "yahoo/price_history.csv", BARS)
    write(tmp_path, "yahoo/prices.csv.gz", b"\x1f\x8b")
    write(tmp_path, "acme/.hidden", "")
    found = "'acme/', 'yahoo/actions.csv', 'yahoo/price_history.csv', 'yahoo/prices.csv.gz'."
    assert f"Found: {found}" in refusal(tmp_path)


def test_prices_without_rows_stop(tmp_path):
    write(tmp_path, "yahoo/prices.csv", PRICES)
    assert "needs price bars, and yahoo/prices.csv has no rows. Deliver at least one." in refusal(tmp_path)


def test_bars_of_one_vendor_are_enough(tmp_path):
    """Empty prices beside full ones are a notice; two empty files are one message."""
    write(tmp_path, "yahoo/prices.csv", PRICES)
    write(tmp_path, "sharadar/SEP.csv", SEP)
    both = "needs price bars, and yahoo/prices.csv and sharadar/SEP.csv have no rows. Deliver at least one."
    assert both in refusal(tmp_path)
    write(tmp_path, "sharadar/SEP.csv", SEP + "A,2020-01-02,1,2,1,1.5,100,1.4,3.0,2020-01-03\n")
    assert "yahoo/prices.csv has the right columns and no rows." in notices(tmp_path)
    assert rows(tmp_path, "select ticker, closeunadj from raw.sharadar__sep") == [("A", 3.0)]


def test_columns_of_a_vendor_that_nobody_reads_pass_without_a_word(tmp_path):
    """The fundamentals table has 111 columns, of which the warehouse uses a fourth."""
    write(tmp_path, "sharadar/SEP.csv", SEP + "A,2020-01-02,1,2,1,1.5,100,1.4,3.0,2020-01-03\n")
    table = next(t for t in TABLES if t.view == "raw.sharadar__sf1")
    names = [column.name for column in table.columns]
    given = {"ticker": "A", "dimension": "ARQ", "datekey": "2020-02-03", "reportperiod": "2019-12-31"}
    line = ",".join(given.get(name, "1") for name in names)
    write(tmp_path, "sharadar/SF1.csv", ",".join([*names, "ebitdamargin", "tbvps"]) + f"\n{line},0.5,x\n")
    assert "SF1" not in notices(tmp_path)
    assert rows(tmp_path, "select ticker, revenue, _row_error from raw.sharadar__sf1") == [("A", 1.0, None)]
    write(tmp_path, "sharadar/SF1.csv", ",".join(n for n in names if n not in ("revenue", "fxusd")) + "\n")
    assert "sharadar/SF1.csv lacks 'revenue', which sharadar's table sf1 must have." in refusal(tmp_path)


def test_a_basis_is_missed_only_where_a_file_needs_one(market, tmp_path):
    assert "This market has no basis.csv" in notices(market)
    write(tmp_path / "other", "sharadar/SEP.csv", SEP + "A,2020-01-02,1,2,1,1.5,100,1.4,3.0,2020-01-03\n")
    assert "basis.csv" not in notices(tmp_path / "other")


def test_what_a_simulator_knew_is_neither_read_nor_mentioned(market):
    write_parquet(market, "truth.parquet", "select 'A' as ticker, 0.1 as expected_fwd_ret_5d")
    assert "truth" not in notices(market)
    assert rows(market, "select file from raw.market__files") == [("yahoo/prices.csv",)]


def test_a_spin_off_of_no_vendor_is_refused(market):
    head, row = "ticker,date,factor,dataset\n", "A,2020-01-02,1.25,{}\n"
    write(market, "spin_offs.csv", head + row.format("simfin"))
    assert rows(market, "select dataset from raw.market__spin_offs") == [("simfin",)]
    write(market, "spin_offs.csv", head + row.format("simfin/us-income-quarterly"))
    said = refusal(market)
    assert "spin_offs.csv: 'simfin/us-income-quarterly' (1 row(s)) is no vendor" in said and "such as simfin" in said


def test_delivered_files_are_listed(market):
    """A table that is not delivered can be told from one without rows."""
    write(market, "yahoo/actions.csv", "ticker,Date,Dividends,Stock Splits\n")
    found = rows(market, "select vendor, table_name, dataset, file from raw.market__files order by file")
    assert found == [
        ("yahoo", "actions", "yahoo/actions", "yahoo/actions.csv"),
        ("yahoo", "prices", "yahoo/prices", "yahoo/prices.csv"),
    ]


def test_a_missing_column_is_named_with_the_ones_found(tmp_path):
    write(tmp_path, "yahoo/prices.csv", "ticker,Date,Open,High,Low,close\nA,2020-01-02,1,1,1,1\n")
    said = refusal(tmp_path)
    assert "yahoo/prices.csv lacks 'Adj Close', 'Volume'" in said
    assert "Its columns are 'ticker', 'Date', 'Open', 'High', 'Low', 'close'." in said
    assert "Rename or add what is missing." in said


@pytest.mark.parametrize("second", ["Close", "close", '" CLOSE "'])
def test_two_columns_of_one_name_are_refused(tmp_path, second):
    """One may be adjusted and the other as traded. Two that nobody reads are nobody's concern."""
    lines = [f"{line},{x}" for line, x in zip(BARS.splitlines(), (f"{second},x,x", "9,9,9", "9,9,9"), strict=True)]
    write(tmp_path, "yahoo/prices.csv", "\ufeff" + "\n".join(lines))
    assert "yahoo/prices.csv has 2 columns of one name ('Close', '" in refusal(tmp_path)
    write(tmp_path, "yahoo/prices.csv", "\n".join([lines[0].replace(f",{second},x", ",other,x"), *lines[1:]]))
    assert rows(tmp_path, 'select "Close" from raw.yahoo__prices') == [(1.5,), (1.6,)]


def test_two_columns_of_one_name_are_refused_in_parquet_too(tmp_path):
    (tmp_path / "yahoo").mkdir()
    columns = [*PRICES.strip().split(","), "close"]
    table = pa.table([["A"], ["2020-01-02"], *([[1.0]] * 7)], names=columns)
    pq.write_table(table, tmp_path / "yahoo/prices.parquet")
    assert "yahoo/prices.parquet has 2 columns of one name ('Close', 'close'" in refusal(tmp_path)
    inside = pa.array([{"close": [{"date": 2.0}], "High": {"low": 3.0}}])  # fields of a column are no columns
    pq.write_table(table.drop_columns("close").add_column(0, "seen", inside), tmp_path / "yahoo/prices.parquet")
    assert rows(tmp_path, 'select "Close" from raw.yahoo__prices') == [(1.0,)]
    pq.write_table(table.add_column(0, "seen", inside), tmp_path / "yahoo/prices.parquet")
    assert "yahoo/prices.parquet has 2 columns of one name ('Close', 'close'" in refusal(tmp_path)


def test_a_wholly_wrong_column_is_named_with_count_example_and_cure(market):
    write(market, "yahoo/prices.csv", PRICES + "A,02.01.2020,1,2,1,x,1,1\nA,03.01.2020,1,2,1,y,1,1\n")
    said = refusal(market)
    assert (
        "yahoo/prices.csv: column 'Date' should be a date and none of its 2 values is one (example: '02.01.2020', "
        "stored as VARCHAR). Write dates as YYYY-MM-DD, without a time."
    ) in said
    assert "column 'Close' should be a number and none of its 2 values is one (example: 'x'" in said


def test_a_column_of_another_stored_type_is_named(market):
    write_parquet(
        market,
        "cboe/VIX_History.parquet",
        """select date '2020-01-02' as "DATE", true as "CLOSE" """,
    )
    assert (
        "cboe/VIX_History.parquet: column 'CLOSE' should be a number and none of its 1 values is one (example: 'true', "
        "stored as BOOLEAN)."
    ) in refusal(market)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("yahoo/prices.parquet", b"PAR1 this is no parquet file"),
        ("yahoo/prices.parquet", b""),
        ("yahoo/prices_more.csv", b""),
        ("yahoo/prices_more.csv", (PRICES + "A,2020-01-02,1,2,1,1.5,1.4,100,1,2,3\n").encode()),
        ("yahoo/prices_more.csv", (PRICES + "A,2020-01-02,1,2\n").encode()),
        ("yahoo/prices_more.csv", PRICES.encode() + b"\xff\xfe\x00A,2020-01-02,1,2,1,1.5,1.4,100\n"),
    ],
    ids=["no parquet", "empty parquet", "empty csv", "too many fields", "too few fields", "not utf-8"],
)
def test_an_unreadable_file_is_named(market, file, content):
    write(market, file, content)
    said = refusal(market)
    assert file in said
    assert "cannot be read" in said or "is empty" in said
    assert "select" not in said  # the engine's query is none of the reader's
    assert said.isprintable()


@pytest.mark.parametrize(
    ("content", "seems"),
    [
        (BARS.replace(",", "\t").encode(), "its columns seem to be separated by tabs"),
        (BARS.replace(",", "|").encode(), "its columns seem to be separated by |"),
        (BARS.removeprefix(PRICES).encode(), "its first line seems to be a row, with no header above"),
        (b"\n" + BARS.encode(), "its first line is empty"),
        (BARS.encode("utf-16"), "it seems to be text in UTF-16"),
        (BARS.encode("utf-16-le"), "it seems to be text in UTF-16"),
        (b"PK\x03\x04\x14\x00\x06\x00\x08", "it seems to be an Excel workbook or an archive"),
        (b"PAR1\x15\x04\x15\x10,\x00\n", "it seems to be Parquet (name it .parquet)"),
        (b"\x1f\x8b\x08\x00,\x03", "it seems to be compressed"),
        (b"\x93\x01,\x02\x7f\r1,2\n", "it seems to be no text in UTF-8"),
    ],
    ids=[
        "tabs",
        "bars",
        "no header",
        "blank line",
        "utf-16",
        "utf-16 without mark",
        "xlsx",
        "parquet",
        "gzip",
        "binary",
    ],
)
def test_a_file_that_is_no_csv_is_called_what_it_seems_to_be(tmp_path, content, seems):
    write(tmp_path, "yahoo/prices.csv", content)
    assert refusal(tmp_path) == (
        f"yahoo/prices.csv has none of the columns of yahoo's table prices: {seems}. Write it as comma- or "
        "semicolon-separated text in UTF-8 whose first line names the columns ('ticker', 'Date', 'Open', 'High', "
        "'Low', 'Close', 'Adj Close', 'Volume')."
    )


def test_other_columns_are_named_and_what_cannot_be_printed_is_not_shown(tmp_path):
    write(tmp_path, "yahoo/prices.csv", "symbol,day,last\nA,2020-01-02,1\n")
    assert "lacks 'ticker', 'Date'" in refusal(tmp_path)
    assert "Its columns are 'symbol', 'day', 'last'. Rename or add what is missing." in refusal(tmp_path)
    write(tmp_path, "yahoo/prices.csv", b"ticker,Pr\xfcce\x07\nA,1\n")
    assert "Its columns are 'ticker', 'Pr?ce?'." in refusal(tmp_path)


def test_a_truncated_parquet_file_is_named(market):
    whole = write_parquet(
        market, "yahoo/prices_more.parquet", f"select * from read_csv('{market}/yahoo/prices.csv'), range(2000)"
    ).read_bytes()
    write(market, "yahoo/prices_more.parquet", whole[: len(whole) // 2])
    said = refusal(market)
    assert "yahoo/prices_more.parquet cannot be read:" in said
    assert "Write it again as Parquet." in said


def test_all_problems_stand_in_one_message(market):
    write(market, "cboe/VIX_History.csv", "DATE,OPEN\n2020-01-02,1\n")
    write(market, "sp500/membership.csv", "ticker,start_date\nA,never\n")
    said = refusal(market).splitlines()
    assert len(said) == 2
    assert "lacks 'CLOSE'" in said[0]
    assert "'start_date' should be a date" in said[1]


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("basis.csv", "dataset,basis_date\nyahoo/prices,2020-01-03\nyahoo/x,soon\n", "Date='soon'"),
        (
            "basis.csv",
            "dataset,basis_date\nyahoo/prices,2020-01-03\nyahoo/prices,2020-01-04\n",
            "'yahoo/prices', 2 rows",
        ),
        ("basis.csv", "dataset,basis_date\n,2020-01-03\n", "an empty cell"),
        ("market.csv", "key,value\nkeeps_delisted,perhaps\n", "keeps_delisted must be true or false, found 'perhaps'"),
        ("spin_offs.csv", "ticker,date,factor,dataset\nA,2020-01-02,0,simfin\n", "a factor must be above 0; 1 row(s)"),
    ],
)
def test_files_written_by_hand_must_be_right(market, file, content, said):
    write(market, file, content)
    message = refusal(market)
    assert message.startswith(file)
    assert said.lower() in message.lower().replace("basis_date=", "date=")


def test_keys_of_declared_tables_are_columns_of_theirs():
    for table in TABLES:
        assert set(table.key) <= {column.name for column in table.columns}, table.view


def test_vendors_are_the_folders():
    assert {"cboe", "finnhub", "finra", "sec_form4", "sharadar", "short_interest"} < set(raw.VENDORS)
    assert "market" not in raw.VENDORS
    assert list(raw.VENDORS) == sorted(raw.VENDORS)
