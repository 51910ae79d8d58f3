"""The parts of the lookahead proof on hand-made files and warehouses: what is deleted, what is compared, what shows."""

from __future__ import annotations

import dataclasses
import datetime
import sys
from pathlib import Path

import duckdb
import pytest

from kairos import cli, proof, state
from kairos.errors import ProofError
from kairos.proof import Builder, ProofRow, attack_market, compare, read_models, report, to_table
from kairos.proof.attack import RULES
from kairos.proof.compare import ROW, Model
from kairos.raw import TABLES
from kairos.schemas import PROOFS

prove_module = sys.modules["kairos.proof.prove"]

CUT = datetime.date(2023, 3, 15)
DAY_BEFORE = CUT - datetime.timedelta(days=1)
SETTLED = datetime.date(2023, 3, 1)  # ten sessions before the cut; what settles nine before it is known after it
FACTS = Model("facts", "features", None, None, ("as_of_date", "security_id"))


# --- the attack ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def attacked(small_market, tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("attack")
    attack_market(small_market, folder / "attacked", CUT)
    return small_market, folder / "attacked"


def one(sql: str):
    return duckdb.sql(sql).fetchall()[0]


def test_every_table_of_a_market_has_a_rule():
    assert set(RULES) == {(table.vendor, table.name) for table in TABLES}


# file: (column of its date, last date that a row known by the cut's close can have)
DATED = {
    "sharadar/SEP": ("date", CUT),
    "sharadar/SFP": ("date", CUT),
    "sharadar/SF1": ("datekey", DAY_BEFORE),
    "sharadar/SF2": ("filingdate", DAY_BEFORE),
    "sharadar/SF3A": ("calendardate", CUT - datetime.timedelta(days=47)),
    "sharadar/SECTORS": ("date", DAY_BEFORE),
    "finra/short_interest": ("settlementDate", SETTLED),
    "cboe/VIX_History": ("DATE", DAY_BEFORE),
}


@pytest.mark.parametrize("file", DATED)
def test_rows_known_by_the_cut_are_untouched_and_later_ones_gone(attacked, file):
    """What is known after the close of its date goes with the cut; a bar of the cut stays."""
    market, copy = attacked
    column, last = DATED[file]
    kept = f"\"{column}\" <= date '{last}'" + (" and dimension like 'AR%'" if file == "sharadar/SF1" else "")
    expected = duckdb.sql(f"select * from '{market}/{file}.parquet' where {kept}").fetchall()
    total = one(f"select count(*) from '{market}/{file}.parquet'")[0]
    assert 0 < len(expected) < total
    assert str(duckdb.sql(f"from '{copy}/{file}.parquet'").fetchall()) == str(expected)


def test_newest_values_and_the_vendors_market_values_all_go(attacked):
    market, copy = attacked
    newest = "count(*) filter (where dimension like 'MR%')"
    assert one(f"select {newest} > 0 from '{market}/sharadar/SF1.parquet'") == (True,)
    assert one(f"select {newest} from '{copy}/sharadar/SF1.parquet'") == (0,)
    assert one(f"select count(*) > 0 from '{market}/sharadar/DAILY.parquet'") == (True,)
    assert one(f"select count(*) from '{copy}/sharadar/DAILY.parquet'") == (0,)


def test_later_events_go_and_splits_and_changes_of_tickers_stay(attacked):
    market, copy = attacked
    actions = "from '{}/sharadar/ACTIONS.parquet' where action {} in ('split', 'tickerchangefrom', 'tickerchangeto')"
    units = [duckdb.sql(actions.format(folder, "")).fetchall() for folder in attacked]
    assert str(units[0]) == str(units[1])
    later = f"count(*) filter (where date >= date '{CUT}')"
    for kind in ("split", "tickerchangefrom"):
        assert one(f"select {later} > 0 from '{market}/sharadar/ACTIONS.parquet' where action = '{kind}'") == (True,)
    for kind in ("dividend", "delisted", "bankruptcyliquidation"):
        assert one(f"select {later} > 0 from '{market}/sharadar/ACTIONS.parquet' where action = '{kind}'") == (True,)
    others = [actions.format(folder, "not") for folder in attacked]
    expected = one(f"select count(*) {others[0]} and date < date '{CUT}'")
    assert one(f"select count(*) {others[1]}") == expected
    assert one(f"select {later} {others[1]}") == (0,)
    for name in ("basis.csv", "market.csv"):
        assert (copy / name).read_bytes() == (market / name).read_bytes()


def test_the_list_of_securities_forgets_how_each_went_on(attacked):
    market, copy = attacked
    dead = "select count(*) > 0 from '{}/sharadar/TICKERS.parquet' where isdelisted = 'Y' or lastpricedate is not null"
    assert one(dead.format(market)) == (True,)
    assert one(dead.format(copy)) == (False,)
    names = "select permaticker, ticker, name, sector from '{}/sharadar/TICKERS.parquet'"
    assert duckdb.sql(names.format(market)).fetchall() == duckdb.sql(names.format(copy)).fetchall()


def test_the_truth_is_no_file_of_the_warehouse(attacked):
    market, copy = attacked
    files = {str(path.relative_to(market)) for path in market.rglob("*.*")}
    assert files - {str(path.relative_to(copy)) for path in copy.rglob("*.*")} == {"truth.parquet"}


def test_restated_rows_stay_by_their_publish_date_unless_the_policy_says_otherwise(tmp_path, monkeypatch):
    folder = tmp_path / "market/simfin"
    folder.mkdir(parents=True)
    file = "us-income-quarterly.csv"
    rows = ["A,2023-03-01,2023-03-01", "B,2023-03-01,2024-03-01", f"C,{CUT},{CUT}"]
    (folder / file).write_text("\n".join(["Ticker,Publish Date,Restated Date", *rows]) + "\n")
    for policy, kept in (("publish_date", ["A", "B"]), ("restated_date", ["A"])):
        monkeypatch.setenv("KAIROS__SIMFIN_VALUE_POLICY", policy)
        attack_market(tmp_path / "market", tmp_path / policy, CUT)
        assert duckdb.sql(f"select Ticker from '{tmp_path / policy / 'simfin' / file}'").fetchall() == [
            (ticker,) for ticker in kept
        ]


def test_later_dividends_of_a_table_of_both_go_and_splits_stay(tmp_path):
    folder = tmp_path / "market/yahoo"
    folder.mkdir(parents=True)
    rows = ["A,2023-03-15,0,0.5", "A,2023-03-16,2,0.5", "B,2023-03-16,0,0.5", "C,2023-03-17,0.25,0"]
    (folder / "actions.csv").write_text("\n".join(["ticker,Date,Stock Splits,Dividends", *rows]) + "\n")
    assert attack_market(tmp_path / "market", tmp_path / "copy", CUT) == {"yahoo/actions.csv": 2}
    written = (tmp_path / "copy/yahoo/actions.csv").read_text().splitlines()
    assert written[1:] == ["A,2023-03-15,0,0.5", "A,2023-03-16,2,0", "C,2023-03-17,0.25,0"]


def test_csv_files_are_cut_like_parquet_and_later_exits_are_undone(tmp_path):
    folder = tmp_path / "market" / "sp500"
    folder.mkdir(parents=True)
    rows = ["ticker,start_date,end_date", "A,2000-01-03,", "B,2000-01-03,2023-03-15", "C,2001-01-02,2023-03-16"]
    (folder / "membership.csv").write_text("\n".join([*rows, "D,2023-03-16,", "E,not a date,"]) + "\n")
    assert attack_market(tmp_path / "market", tmp_path / "copy", CUT) == {"sp500/membership.csv": 2}
    written = (tmp_path / "copy/sp500/membership.csv").read_text().splitlines()
    assert written == [*rows[:3], "C,2001-01-02,", "E,not a date,"]


def test_a_cut_after_everything_is_refused(attacked, tmp_path):
    with pytest.raises(ProofError, match="earlier cut"):
        attack_market(attacked[0], tmp_path, datetime.date(2030, 1, 2))


def differences_of(market: Path, copy: Path, file: str, known: str) -> tuple[list[tuple], list[tuple]]:
    """Rows of the market and of the copy side by side, by their place: those known by the cut, and the others."""
    rows = [duckdb.sql(f"from '{folder}/{file}'") for folder in (market, copy)]
    columns = rows[0].columns
    pairs = [*zip(*(relation.fetchall() for relation in rows), strict=True)]
    dates = [dict(zip(columns, one, strict=True))[known] for one, _ in pairs]
    return (
        [pair for pair, date in zip(pairs, dates, strict=True) if date <= CUT],
        [pair for pair, date in zip(pairs, dates, strict=True) if date > CUT],
    )


def test_scrambled_whole_numbers_may_be_larger_than_their_type(tmp_path):
    folder = tmp_path / "market/yahoo"
    folder.mkdir(parents=True)
    bars = """select 'A' || n as ticker, date '2023-03-16' as "Date", 8.0 as "Open", 8.0 as "High", 8.0 as "Low",
        8.0 as "Close", 8.0 as "Adj Close", 2000000000::integer as "Volume" from range(50) as t(n)"""
    duckdb.sql(f"copy ({bars}) to '{folder}/prices.parquet'")
    assert attack_market(tmp_path / "market", tmp_path / "copy", CUT, "scrambled") == {"yahoo/prices.parquet": 50}
    assert one(f"""select max("Volume") > 2147483647 from '{tmp_path}/copy/yahoo/prices.parquet'""") == (True,)


def test_scrambled_numbers_lie_between_half_and_twice_and_a_rows_prices_move_together(small_market, tmp_path):
    attack_market(small_market, tmp_path, CUT, "scrambled")
    before, after = differences_of(small_market, tmp_path, "sharadar/SEP.parquet", "date")
    assert before and all(repr(one) == repr(other) for one, other in before)
    factors = []
    for one, other in after:
        assert one[:2] == other[:2]
        of_prices = [o / p for p, o in zip(one[2:6], other[2:6], strict=True)]
        assert max(of_prices) - min(of_prices) < 1e-9
        factors.append((of_prices[0], other[6] / one[6] if one[6] else 1.0))
    prices = [price for price, _ in factors]
    assert 0.5 <= min(prices) < 0.51 and 1.98 < max(prices) <= 2
    assert sum(abs(p - v) > 0.01 for p, v in factors) > 0.9 * len(factors)
    again = tmp_path / "again"
    attack_market(small_market, again, CUT, "scrambled")
    assert (again / "sharadar/SEP.parquet").read_bytes() == (tmp_path / "sharadar/SEP.parquet").read_bytes()


def test_restated_rows_come_beside_the_old_ones_a_week_after_the_cut(small_market, tmp_path):
    touched = attack_market(small_market, tmp_path, CUT, "restated")
    assert set(touched) == {"sharadar/SF1.parquet", "sharadar/SF2.parquet"}
    keys = "ticker, dimension, reportperiod"
    there, copy = (f"'{folder}/sharadar/SF1.parquet'" for folder in (small_market, tmp_path))
    assert one(f"select count(*) from (from {there} except all from {copy})") == (0,)
    added = f"(from {copy} except all from {there})"
    count, first, last, kinds = one(f"select count(*), min(datekey), max(datekey), min(dimension[:2]) from {added}")
    assert (count, first, last) == (touched["sharadar/SF1.parquet"], *[CUT + datetime.timedelta(days=7)] * 2)
    assert kinds == "AR"
    known = f"(select * from {there} where datekey < date '{CUT}' and datekey >= date '{CUT}' - 400)"
    assert one(f"select count(*) from {added} semi join {known} using ({keys})") == (count,)
    assert one(f"select count(*) from {added} semi join {known} using ({keys}, revenue)")[0] < 0.05 * count


def test_later_splits_halve_the_files_prices_and_leave_what_was_traded_and_every_return(small_market, tmp_path):
    attack_market(small_market, tmp_path, CUT, "resplit")
    bars = f"""'{small_market}/sharadar/SEP.parquet' as w join '{tmp_path}/sharadar/SEP.parquet' as a
        on w.ticker = a.ticker and w.date = a.date"""
    splits = f"""(from '{tmp_path}/sharadar/ACTIONS.parquet' except all
        from '{small_market}/sharadar/ACTIONS.parquet') as s"""
    assert one(f"select list(distinct action), min(date) > date '{CUT}' from {splits}") == (["split"], True)
    assert one(f"select list_sort(list(distinct value)) from {splits}") == ([0.5, 2, 4],)
    tests = {
        "w.close = a.close * value and w.open = a.open * value and w.closeadj = a.closeadj * value": "true",
        "w.volume * value = a.volume": "true",
        "w.closeunadj = a.closeunadj": "w.date < s.date",
        "w.closeunadj = a.closeunadj * value": "w.date = s.date",
    }
    for holds, where in tests.items():
        found = f"select count(*) > 0, bool_and({holds}) from {bars} join {splits} on s.ticker = w.ticker where {where}"
        assert one(found) == (True, True), holds
    others = (
        f"select count(*) > 1000, bool_and(w.close = a.close) from {bars} anti join {splits} on s.ticker = w.ticker"
    )
    assert one(others) == (True, True)


def test_a_files_counts_and_dividends_go_to_the_basis_of_the_later_split(tmp_path):
    yahoo, simfin = tmp_path / "market/yahoo", tmp_path / "market/simfin"
    yahoo.mkdir(parents=True)
    simfin.mkdir()
    bars = ["D,2023-03-15,8,8,8,8,4,100", "D,2023-03-16,8,8,8,8,8,100", "B,2023-03-15,8,8,8,8,8,100"]
    (yahoo / "prices.csv").write_text("\n".join(["ticker,Date,Open,High,Low,Close,Adj Close,Volume", *bars]) + "\n")
    (yahoo / "actions.csv").write_text("ticker,Date,Stock Splits,Dividends\nD,2023-03-01,0,0.5\nB,2023-03-01,0,0.5\n")
    rows = ["D;2022-12-31;2023-02-01;1000;7", "B;2022-12-31;2023-02-01;1000;7"]
    head = "Ticker;Report Date;Publish Date;Shares (Basic);Revenue"
    (simfin / "us-income-quarterly.csv").write_text("\n".join([head, *rows]) + "\n")
    touched = attack_market(tmp_path / "market", tmp_path / "copy", CUT, "resplit")
    assert touched == {"yahoo/prices.csv": 2, "yahoo/actions.csv": 2, "simfin/us-income-quarterly.csv": 1}
    written = {path.name: path.read_text().splitlines()[1:] for path in (tmp_path / "copy").rglob("*.csv")}
    assert written["prices.csv"] == [
        "D,2023-03-15,4.0,4.0,4.0,4.0,2.0,200.0",
        "D,2023-03-16,4.0,4.0,4.0,4.0,4.0,200.0",
        bars[2],
    ]
    assert written["actions.csv"] == ["D,2023-03-01,0,0.25", "B,2023-03-01,0,0.5", "D,2023-03-16,2.0,0"]
    assert written["us-income-quarterly.csv"] == ["D,2022-12-31,2023-02-01,2000.0,7", "B,2022-12-31,2023-02-01,1000,7"]


def test_whole_numbers_of_a_file_may_become_halves(tmp_path):
    folder = tmp_path / "market/yahoo"
    folder.mkdir(parents=True)
    bars = """select ticker, date '2023-03-15' + day::integer as "Date", 8::float as "Open", 8::float as "High",
        8::float as "Low", 8::float as "Close", 8::float as "Adj Close", 7::bigint as "Volume"
        from (values ('B'), ('D')) as t(ticker), range(2) as days(day) order by all"""
    duckdb.sql(f"copy ({bars}) to '{folder}/prices.parquet'")
    (folder / "actions.csv").write_text("ticker,Date,Stock Splits,Dividends\nD,2023-03-01,0,0.5\n")
    attack_market(tmp_path / "market", tmp_path / "copy", CUT, "resplit")
    written = duckdb.sql(f"""select ticker, "Close", "Volume" from '{tmp_path}/copy/yahoo/prices.parquet'""").fetchall()
    assert written == [("B", 16.0, 3.5), ("B", 16.0, 3.5), ("D", 4.0, 14.0), ("D", 4.0, 14.0)]


def test_a_later_split_goes_by_the_symbol_and_not_beyond_a_files_basis(tmp_path):
    """MOG.A of one vendor is MOG-A of the other; the statements of the second stand on a basis before the split."""
    market = tmp_path / "market"
    bars = "ticker,Date,Open,High,Low,Close,Adj Close,Volume\nMOG-A,2023-03-16,8,8,8,8,8,100\n"
    files = {
        "yahoo/prices.csv": bars,
        "yahoo/actions.csv": "ticker,Date,Stock Splits,Dividends\n",
        "simfin/us-income-quarterly.csv": "Ticker,Shares (Basic)\nMOG.A,1000\nmog-a,1000\n",
        "simfin/us-balance-quarterly.csv": "Ticker,Shares (Basic)\nMOG.A,1000\n",
        "basis.csv": "dataset,basis_date\nyahoo/prices,2023-03-16\nsimfin/us-balance-quarterly,2023-03-15\n",
    }
    for file, text in files.items():
        (market / file).parent.mkdir(parents=True, exist_ok=True)
        (market / file).write_text(text)
    attack_market(market, tmp_path / "copy", CUT, "resplit")
    said = (tmp_path / "copy/yahoo/actions.csv").read_text().splitlines()[1].split(",")
    assert said[0] == "MOG-A" and float(said[2]) == 4
    counts = {
        file: duckdb.sql(f"select * from '{tmp_path}/copy/{file}'").fetchall() for file in files if "simfin" in file
    }
    assert [row[1] for row in counts["simfin/us-income-quarterly.csv"]] == [1000 * float(said[2])] * 2
    assert [row[1] for row in counts["simfin/us-balance-quarterly.csv"]] == [1000]
    (market / "basis.csv").write_text("dataset,basis_date\nyahoo/prices,2023-03-15\n")
    assert attack_market(market, tmp_path / "again", CUT, "resplit") == {}


def test_nothing_is_published_again_that_was_not_known_shortly_before_or_would_be_of_the_future(tmp_path):
    folder = tmp_path / "market/finnhub"
    folder.mkdir(parents=True)
    head = "symbol,name,transactionDate,transactionCode,change,transactionPrice,filingDate,id"
    (folder / "insider.csv").write_text(f"{head}\nA,Ann,2023-03-01,P,100,5,2023-03-03,x1\n")
    market, later = tmp_path / "market", datetime.date(2024, 5, 1)
    assert attack_market(market, tmp_path / "later", later, "restated") == {}
    today = datetime.date.today()
    (folder / "insider.csv").write_text(f"{head}\nA,Ann,2023-03-01,P,100,5,{today - datetime.timedelta(days=3)},x1\n")
    yesterday = today - datetime.timedelta(days=1)
    assert attack_market(market, tmp_path / "near", yesterday, "restated") == {"finnhub/insider.csv": 1}
    assert str(today) in (tmp_path / "near/finnhub/insider.csv").read_text()
    assert attack_market(market, tmp_path / "now", today, "restated") == {}


def test_each_attack_is_made_once_and_one_that_finds_nothing_is_said(tmp_path, monkeypatch, capsys):
    """And a proof of nothing is none."""
    made = []
    monkeypatch.setattr(
        prove_module,
        "attack_market",
        lambda market, copy, cut, attack: (
            copy.mkdir(parents=True),
            made.append(attack),
            {"a": 1} if attack == "deleted" else {},
        )[-1],
    )
    monkeypatch.setattr(prove_module, "compare", lambda *given: [ProofRow("facts", "x", given[-1], CUT, 1, 0, None)])

    class Built:
        def __init__(self):
            self.manifest = {"nodes": {}}

        def build(self, market, work, select=()):
            work.mkdir(parents=True)
            return work / "kairos.duckdb"

    (tmp_path / "yahoo").mkdir()
    days = (CUT, CUT + datetime.timedelta(days=1))
    bars = "".join(f"A,{day},1,2,1,1.5,1.4,100\n" for day in days)
    (tmp_path / "yahoo/prices.csv").write_text(f"ticker,Date,Open,High,Low,Close,Adj Close,Volume\n{bars}")
    rows = proof.prove(
        tmp_path, tmp_path / "work", [CUT, CUT], attacks=["deleted", "resplit", "deleted"], builder=Built()
    )
    assert (made, len(rows)) == (["deleted", "resplit"], 1)
    assert f"{CUT}, resplit: left out, for no name has" in capsys.readouterr().out
    with pytest.raises(ProofError, match="Nothing was compared"):
        proof.prove(tmp_path, tmp_path / "again", [CUT], attacks=["resplit"], builder=Built())


def test_a_market_of_the_future_has_no_cut(tmp_path):
    (tmp_path / "yahoo").mkdir()
    day = datetime.date.today() + datetime.timedelta(days=30)
    bars = f"ticker,Date,Open,High,Low,Close,Adj Close,Volume\nA,{day},1,2,1,1.5,1.4,100\n"
    (tmp_path / "yahoo/prices.csv").write_text(bars)
    with pytest.raises(ProofError, match="is dated today or before"):
        proof.prove(tmp_path, tmp_path / "work", [CUT])


def test_what_is_seen_again_of_other_vendors(tmp_path):
    folder = tmp_path / "market"
    files = {
        "finnhub/insider.csv": (
            "symbol,name,transactionDate,transactionCode,change,transactionPrice,filingDate,id",
            ["A,Ann,2023-03-01,P,100,5,2023-03-03,x1", "A,Ann,2023-03-14,P,100,5,2023-03-16,x2"],
        ),
        "short_interest/short_interest.csv": (
            "symbol,short_interest_date,shares_sold_short,first_snapshot_at,last_snapshot_at",
            ["A,02/28/23,100,2023-03-10T01:00:00+00:00,2023-03-20T01:00:00+00:00"],
        ),
        "pystock/prices.csv": (
            "symbol,date,open,high,low,close,volume,adj_close,collected_date",
            ["A,2023-03-14,1,1,1,1,9,1,2023-03-15"],
        ),
    }
    for file, (head, rows) in files.items():
        (folder / file).parent.mkdir(parents=True)
        (folder / file).write_text("\n".join([head, *rows]) + "\n")
    touched = attack_market(folder, tmp_path / "copy", CUT, "restated")
    assert touched == {"finnhub/insider.csv": 1, "short_interest/short_interest.csv": 1, "pystock/prices.csv": 1}
    for file, (_, rows) in files.items():
        written = (tmp_path / "copy" / file).read_text().splitlines()[1:]
        (added,) = set(written) - set(rows)
        assert set(rows) < set(written)
        assert "2023-03-22" in added and added.split(",")[:2] == rows[0].split(",")[:2]
    assert attack_market(folder, tmp_path / "split", CUT, "resplit") == {}


# --- the comparison --------------------------------------------------------------------------------------------------


def warehouse(folder: Path, *statements: str) -> Path:
    folder.mkdir()
    with duckdb.connect(str(folder / "kairos.duckdb")) as con:
        for schema in ("intermediate", "features", "ml"):
            con.execute(f"create schema {schema}")
        for statement in statements:
            con.execute(statement)
    return folder / "kairos.duckdb"


def facts(values: str) -> str:
    """A table of four days, the cut the third, for one security: column x of the given values, then one at random."""
    return f"""create table features.facts as select date '2023-03-12' + d::int as as_of_date, 7::bigint as security_id,
        x::double as x, random() as fwd_ret_5d, now() as built_at
        from (values (1, {values.split(";")[0]}), (2, {values.split(";")[1]}), (3, {values.split(";")[2]}),
            (4, random())) as t(d, x)"""


def differences(rows: list[ProofRow]) -> dict[str, int]:
    return {f"{row.model_name}.{row.column_name}": row.rows_different for row in rows if row.rows_different}


@pytest.mark.parametrize(
    ("here", "there", "different"),
    [
        ("1.5; null; 'nan'", "1.5; null; 'nan'", 0),
        ("1.5; null; 'nan'", "1.5; 'nan'; null", 2),
        ("0.1; 0.0; 1", "0.1; '-0.0'; 1", 1),
        ("0.1; 0.3; 1", "0.1; 0.1::double + 0.2::double; 1", 1),
    ],
)
def test_values_are_compared_to_the_bit_up_to_the_cut(tmp_path, here, there, different):
    whole, copy = warehouse(tmp_path / "a", facts(here)), warehouse(tmp_path / "b", facts(there))
    rows = compare(whole, copy, [FACTS], CUT)
    assert {row.column_name for row in rows} == {ROW, "x"}, "forward and volatile columns are no part of it"
    assert {row.rows_compared for row in rows} == {3}
    assert differences(rows) == ({"facts.x": different} if different else {})


def test_first_difference_names_key_and_both_values(tmp_path):
    whole, copy = warehouse(tmp_path / "a", facts("1;2;3")), warehouse(tmp_path / "b", facts("1;5;6"))
    row = next(row for row in compare(whole, copy, [FACTS], CUT) if row.column_name == "x")
    assert (row.rows_different, row.first_difference) == (2, "2023-03-14, 7: 2.0 | 5.0")
    assert "facts.x: 2 of 3 rows differ" in report([row])
    moment = datetime.datetime(2024, 1, 2, 3)
    assert to_table([row], moment, "abc").to_pylist() == [
        {
            "proved_at": moment,
            "code_version": "abc",
            "attack": "deleted",
            "cut_date": CUT,
            "model_name": "facts",
            "column_name": "x",
            "rows_compared": 3,
            "rows_different": 2,
            "first_difference": row.first_difference,
        }
    ]


def test_a_proof_is_kept_whatever_it_found(tmp_path, monkeypatch, capsys):
    found = ProofRow("facts", "x", "resplit", CUT, 3, 2, "2023-03-14, 7: 2.0 | 5.0")
    asked = []

    def prove(market, work, cuts, *, attacks, builder):
        asked.append((cuts, attacks, builder.state.name))
        return [found, dataclasses.replace(found, rows_different=0, first_difference=None, column_name=ROW)]

    monkeypatch.setattr(proof, "prove", prove)
    monkeypatch.setenv("KAIROS_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("KAIROS_MARKET", str(tmp_path))
    (tmp_path / "yahoo").mkdir()
    bars = "ticker,Date,Open,High,Low,Close,Adj Close,Volume\nA,2023-03-14,1,2,1,1.5,1.4,100\n"
    (tmp_path / "yahoo/prices.csv").write_text(bars)
    assert cli.main(["prove", "--cut", str(CUT), "--attack", "resplit"]) == 1
    assert asked == [([CUT], ["resplit"], "state_before")]
    assert "THE PROOF FAILS: 2 cells" in capsys.readouterr().out
    assert cli.main(["prove", "--cut", str(CUT), "--work", str(tmp_path / "yahoo/prices.csv/builds")]) == 1
    assert "Name another with --work" in capsys.readouterr().err
    kept = state.read(tmp_path / "state", "proof_results", PROOFS).to_pylist()
    assert [(row["column_name"], row["rows_different"]) for row in kept] == [("x", 2), (ROW, 0)]
    assert {row["code_version"] for row in kept} == {Builder().code_version}


def test_levels_are_compared_but_for_powers_of_two_where_names_were_split(tmp_path):
    whole = warehouse(tmp_path / "a", facts("1.5;2.25;3.75"))
    halved, other = warehouse(tmp_path / "b", facts("0.75;4.5;3.75")), warehouse(tmp_path / "c", facts("0.8;4.5;-3.75"))
    level = dataclasses.replace(FACTS, levels=("x",))
    assert differences(compare(whole, halved, [FACTS], CUT, "resplit")) == {"facts.x": 2}
    assert differences(compare(whole, halved, [level], CUT, "resplit")) == {}
    assert differences(compare(whole, halved, [level], CUT, "scrambled")) == {"facts.x": 2}
    assert differences(compare(whole, other, [level], CUT, "resplit")) == {"facts.x": 2}


def test_where_last_digits_move_features_alone_are_compared_and_by_their_size(tmp_path):
    first, far = facts("100;0.25;2"), facts("100.0000003;0.25;2.000001")
    whole, other = warehouse(tmp_path / "a", first), warehouse(tmp_path / "b", far)
    near = warehouse(tmp_path / "c", facts("100.00000009;0.2500000009;2"))
    lost = warehouse(tmp_path / "d", facts("100;null;2"))
    assert differences(compare(whole, near, [FACTS], CUT, "resplit_odd")) == {}
    assert differences(compare(whole, near, [FACTS], CUT, "resplit")) == {"facts.x": 2}
    assert differences(compare(whole, other, [FACTS], CUT, "resplit_odd")) == {"facts.x": 2}
    assert differences(compare(whole, lost, [FACTS], CUT, "resplit_odd")) == {"facts.x": 1}
    for odd in ("'nan'::double", "'inf'::double", "'-inf'::double"):
        strange = warehouse(tmp_path / odd, facts(f"100;{odd};2"))
        for pair in ((whole, strange), (strange, whole)):
            assert differences(compare(*pair, [FACTS], CUT, "resplit_odd")) == {"facts.x": 1}, odd
    elsewhere = [warehouse(tmp_path / f"ml_{len(sql)}", sql.replace("features.", "ml.")) for sql in (first, far)]
    fits = dataclasses.replace(FACTS, schema="ml")
    assert differences(compare(*elsewhere, [fits], CUT, "resplit")) == {"facts.x": 2}
    assert compare(*elsewhere, [fits], CUT, "resplit_odd") == []


def test_odd_splits_are_divided_as_a_vendor_would(tmp_path):
    folder = tmp_path / "market/yahoo"
    folder.mkdir(parents=True)
    bars = ["A,2023-03-16,8,8,8,8,8,100", "B,2023-03-16,8,8,8,8,8,100", "D,2023-03-16,8,8,8,8,8,100"]
    (folder / "prices.csv").write_text("\n".join(["ticker,Date,Open,High,Low,Close,Adj Close,Volume", *bars]) + "\n")
    (folder / "actions.csv").write_text("ticker,Date,Stock Splits,Dividends\n")
    attack_market(tmp_path / "market", tmp_path / "copy", CUT, "resplit_odd")
    written = duckdb.sql(f"from '{tmp_path}/copy/yahoo/prices.csv'").df().set_index("ticker")
    splits = duckdb.sql(f"from '{tmp_path}/copy/yahoo/actions.csv'").df().set_index("ticker")["Stock Splits"]
    assert set(splits) <= {3, 1.5, 0.1} and len(splits)
    for ticker, factor in splits.items():
        assert (written.loc[ticker, "Close"], written.loc[ticker, "Volume"]) == (8 / factor, 100 * factor)


def test_a_digest_of_the_project_changes_with_what_it_is_made_of(tmp_path):
    for file in ("dbt_project.yml", "models/a.sql", "kairos/b.py", "docs/c.md"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("1")
    digest = Builder(tmp_path).code_version
    (tmp_path / "docs/c.md").write_text("2")
    assert Builder(tmp_path).code_version == digest
    (tmp_path / "models/a.sql").rename(tmp_path / "models/d.sql")
    assert Builder(tmp_path).code_version != digest


def test_missing_and_surplus_rows_are_differences_of_the_row(tmp_path):
    whole = warehouse(tmp_path / "a", facts("1;2;3"), "delete from features.facts where as_of_date = '2023-03-13'")
    copy = warehouse(tmp_path / "b", facts("1;2;3"), "delete from features.facts where as_of_date = '2023-03-14'")
    rows = compare(whole, copy, [FACTS], CUT)
    assert differences(rows) == {f"facts.{ROW}": 2}
    assert rows[0].first_difference == "2023-03-13, 7: only in the attacked"


def test_keys_without_a_test_and_repeated_rows_still_match(tmp_path):
    sql = "create table features.facts as select date '2023-03-14' as as_of_date, 1 as id, x from (values {}) t(x)"
    whole = warehouse(tmp_path / "a", sql.format("(0.5::double), (0.25), (0.25)"))
    copy = warehouse(tmp_path / "b", sql.format("(0.25::double), (0.5), (0.75)"))
    unkeyed = Model("facts", "features", None, None)
    assert differences(compare(whole, copy, [unkeyed], CUT)) == {"facts.x": 2}


def test_blobs_and_lists_of_fits_are_compared(tmp_path):
    sql = """create table ml.ml_fits as select 'f' as fit_id, date '2023-03-01' as effective_date,
        {} as medians, '{}'::blob as estimator"""
    whole = warehouse(tmp_path / "a", sql.format("[0.0::double, null]", "\\x00a"))
    copy = warehouse(tmp_path / "b", sql.format("['-0.0'::double, null]", "\\x00b"))
    fits = Model("ml_fits", "ml", "effective_date", None, ("fit_id",))
    assert differences(compare(whole, copy, [fits], CUT)) == {"ml_fits.medians": 1, "ml_fits.estimator": 1}


def test_moments_are_held_against_the_close_of_the_cut(tmp_path):
    sql = """create table intermediate.events as select * from (values
        (timestamp '2023-03-15 20:00:00', 1.0::double), (timestamp '2023-03-15 23:59:59', {})) t(known_at, x)"""
    whole, copy = warehouse(tmp_path / "a", sql.format(2)), warehouse(tmp_path / "b", sql.format(3))
    rows = compare(whole, copy, [Model("events", "intermediate", "known_at", None, ("known_at",))], CUT)
    assert {(row.rows_compared, row.rows_different) for row in rows} == {(1, 0)}


def test_a_model_with_rows_and_no_date_is_named(tmp_path):
    whole = warehouse(tmp_path / "a", "create table ml.loose as select 1 as x", "create table ml.none (x int)")
    copy = warehouse(tmp_path / "b", "create table ml.loose as select 1 as x", "create table ml.none (x int)")
    models = [Model("loose", "ml", None, None), Model("none", "ml", None, None), Model("absent", "ml", None, None)]
    with pytest.raises(ProofError, match=r"1 model\(s\) have rows and no as_of_date: ml.loose"):
        compare(whole, copy, models, CUT)
    assert compare(whole, copy, [Model("loose", "ml", None, "a list of constants")], CUT) == []


def test_undated_excuses_nothing_that_has_an_as_of_date(tmp_path):
    whole, copy = warehouse(tmp_path / "a", facts("1;2;3")), warehouse(tmp_path / "b", facts("1;2;4"))
    rows = compare(whole, copy, [Model("facts", "features", None, "says so", FACTS.key)], CUT)
    assert differences(rows) == {"facts.x": 1}


def test_models_are_read_from_the_manifest():
    def node(name, schema, **meta):
        return {"resource_type": "model", "name": name, "schema": schema, "config": {"meta": meta}}

    def held(model, name, **arguments):
        return {
            "resource_type": "test",
            "test_metadata": {"name": name, "kwargs": {"model": "{{ ... }}", **arguments}},
            "attached_node": f"model.kairos.{model}",
        }

    manifest = {
        "nodes": {
            "model.kairos.labels": node("labels", "labels"),
            "model.kairos.ml_fits": node("ml_fits", "ml", date_column="effective_date"),
            "model.kairos.int_splits": node("int_splits", "intermediate", undated="units"),
            "model.kairos.int_steps": node("int_steps", "intermediate"),
            "model.kairos.feat_facts": node("feat_facts", "features")
            | {"columns": {"x": {"config": {"meta": {"basis": "level"}}}, "y": {"meta": {"unit": "usd"}}}},
            "test.kairos.range": held("int_splits", "within_range", columns=["factor"]),
            "test.kairos.order_of_fits": held("ml_fits", "stored_in_order", columns=["effective_date"]),
            "test.kairos.key": held("ml_fits", "unique_key", columns=["fold_id"]),
            "test.kairos.order": held("int_steps", "stored_in_order", columns=["security_id", "known_at"]),
            "test.kairos.like": held("feat_facts", "stored_like", to="ref('int_prices')"),
        }
    }
    assert read_models(manifest) == [
        Model("int_splits", "intermediate", None, "units"),
        Model("int_steps", "intermediate", None, None, ("security_id", "known_at")),
        Model("feat_facts", "features", None, None, ("as_of_date", "security_id"), ("x",)),
        Model("ml_fits", "ml", "effective_date", None, ("fold_id",)),
    ]
