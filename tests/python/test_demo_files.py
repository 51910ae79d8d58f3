"""The demo market's files: same bytes from the same seed, the vendors' layouts, identities, events, all or nothing."""

from __future__ import annotations

import hashlib
import math
import re
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from conftest import shared_market

from kairos import machine
from kairos.demo import files, inventory, realism, vendors
from kairos.demo.files import write_market
from kairos.demo.registry import enrol
from kairos.errors import OutputError, SpecError

SUMMED = ["revenue", "netinc", "ncfo", "capex", "depamor", "ncf"]


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """60 companies, 5 years: two groups."""
    return write_market(tmp_path_factory.mktemp("markets") / "small", 60, 5)


@pytest.fixture(scope="module")
def default(tmp_path_factory) -> Path:
    return write_market(tmp_path_factory.mktemp("markets") / "default")


def read(market: Path, name: str) -> pd.DataFrame:
    with duckdb.connect() as con:
        return con.sql(f"from '{market}/{name}.parquet'").df()


def digests(folder: Path) -> dict[str, str]:
    found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


# ------------------------------------------------------------------------------------------------ writing


def test_same_seed_same_bytes_for_any_number_of_workers(tmp_path):
    """Four groups of companies: on two workers each has some, on four its own."""
    one, *others = (digests(write_market(tmp_path / f"w{n}", 160, 1, workers=n)) for n in (1, 2, 4))
    assert others == [one, one]
    other = digests(write_market(tmp_path / "seed", 160, 1, seed=8, workers=1))
    assert [name for name, digest in other.items() if digest == one[name]] == ["basis.csv", "market.csv"]


def test_a_group_does_not_depend_on_the_others():
    """Row groups are written as workers deliver them; what a company's rows are is settled by its number alone."""
    drawn = files.world(60, 1, 7, 1.0)
    both = vendors.files_of(drawn.market, drawn.histories(range(10, 14)))
    last = vendors.files_of(drawn.market, drawn.histories(range(12, 14)))
    for name, table in last.tables.items():
        frame, whole = table.to_pandas(), both.tables[name].to_pandas()
        pd.testing.assert_frame_equal(
            whole.tail(len(frame)).reset_index(drop=True).astype(frame.dtypes.to_dict()), frame, check_categorical=False
        )


def test_impossible_sizes_are_refused_and_leave_nothing(tmp_path):
    wrong = {"securities": (5, 50_000), "years": (0, 60, math.nan), "signal": (-1.0, 1e9, math.nan), "seed": (-4,)}
    for name, values in wrong.items():
        for value in values:
            with pytest.raises(SpecError, match=rf"got {value}\. Choose another --{name}"):
                write_market(tmp_path / "market", **{name: value})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/market cannot be written: .*--out"):
        write_market(tmp_path / "file" / "market", 10, 1)


def test_a_folder_of_the_users_own_is_not_replaced(tmp_path):
    own = tmp_path / "market"
    own.mkdir()
    (own / "prices.csv").write_text("mine")
    with pytest.raises(SpecError, match=r"prices\.csv"):
        write_market(own, 10, 1)
    assert (own / "prices.csv").read_text() == "mine"
    market = write_market(tmp_path / "demo", 10, 1)
    (market / "mine").mkdir()
    (market / "mine/prices.csv").write_text("mine")
    with pytest.raises(SpecError, match=r"holds 1 files .*mine/prices\.csv"):
        write_market(market, 10, 1)
    assert (market / "mine/prices.csv").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    (tmp_path / "file").write_text("")
    with pytest.raises(SpecError, match="is a file"):
        write_market(tmp_path / "file", 10, 1)


def test_a_failure_leaves_the_old_market_and_no_scraps(tmp_path, monkeypatch):
    market = write_market(tmp_path / "market", 10, 1)
    before = digests(market)

    def fails(*_):
        raise RuntimeError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(vendors, "whole_market_files", fails)
        with pytest.raises(RuntimeError, match="disk full"):
            write_market(market, 12, 1)
    assert digests(market) == before
    assert [p.name for p in tmp_path.iterdir()] == ["market"]
    (tmp_path / ".market.of_a_killed_run/groups").mkdir(parents=True)
    (tmp_path / ".market.of_a_killed_run" / machine.MARK).touch()
    (tmp_path / ".market.backup/notes").mkdir(parents=True)
    assert digests(write_market(market, 12, 1)) != before
    assert sorted(p.name for p in tmp_path.iterdir()) == [".market.backup", "market"], "what it did not make it leaves"


def test_long_runs_say_how_far_they_are(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(files, "SECONDS_BETWEEN_LINES", -1)
    write_market(tmp_path / "market", 60, 1, workers=1)
    said = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in said] == [
        "demo market: 50 of 60 securities",
        "demo market: 60 of 60 securities",
    ]


# ------------------------------------------------------------------------------------------------ layouts


def test_layouts_are_those_of_the_vendors_dictionary(small):
    formats = shared_market("us_large").parents[1] / "market" / "vendor_formats"
    dictionary = pd.read_parquet(formats / "sharadar_indicators.parquet").groupby("table").indicator.apply(list)
    for table in ("TICKERS", "DAILY", "ACTIONS"):
        assert list(read(small, f"sharadar/{table}").columns) == dictionary[table], table
    keys = ["ticker", "dimension", "calendardate", "datekey", "reportperiod", "lastupdated"]
    items = [name for name in dictionary["SF1"] if name not in keys]
    assert list(read(small, "sharadar/SF1").columns) == keys + items
    assert len(keys + items) == 111


def test_dates_are_dates_and_amounts_are_numbers(small):
    expected = {
        "sharadar/SEP": {"ticker": "VARCHAR", "date": "DATE", "lastupdated": "DATE"},
        "sharadar/SFP": {"ticker": "VARCHAR", "date": "DATE", "lastupdated": "DATE"},
        "sharadar/SF1": {"ticker": "VARCHAR", "dimension": "VARCHAR"}
        | dict.fromkeys(["calendardate", "datekey", "reportperiod", "lastupdated"], "DATE"),
        "sharadar/DAILY": {"ticker": "VARCHAR", "date": "DATE", "lastupdated": "DATE"},
        "cboe/VIX_History": {"DATE": "DATE"},
        "truth": {"date": "DATE", "ticker": "VARCHAR"},
    }
    for name, declared in expected.items():
        for column, kind, *_ in duckdb.sql(f"describe from '{small}/{name}.parquet'").fetchall():
            assert kind == declared.get(column, "DOUBLE"), (name, column)
    assert (small / "market.csv").read_text().splitlines() == [
        '"key","value"',
        '"keeps_delisted","true"',
        '"survivorship_biased","false"',
    ]


# ------------------------------------------------------------------------------------------------ contents


def test_prices_follow_from_closes_as_traded_and_actions(small):
    """Adjusted closes recomputed bar by bar from closeunadj and ACTIONS."""
    actions = read(small, "sharadar/ACTIONS")
    income = actions[actions.action.isin(["dividend", "spinoffdividend"])].groupby(["ticker", "date"]).value.sum()
    splits = actions[actions.action == "split"].set_index(["ticker", "date"]).value
    assert len(splits)
    assert splits.index.is_unique
    income, splits = income.to_dict(), splits.to_dict()
    assert (actions.action == "spinoffdividend").any()
    sep = read(small, "sharadar/SEP")
    eventful = set(actions[actions.action.isin(["split", "spinoffdividend"])].ticker)
    assert len(eventful) > 3
    for ticker, bars in sep.groupby("ticker"):
        if ticker not in eventful and ticker > "D":  # some without events, all with
            continue
        bars = bars.sort_values("date")
        later_splits, later_income, close, adjusted = 1.0, 1.0, [], []
        for date, price in zip(bars.date[::-1], bars.closeunadj[::-1], strict=True):
            close.append(price / later_splits)
            adjusted.append(price / later_splits * later_income)
            later_splits *= splits.get((ticker, date), 1.0)
            later_income *= price / (price + income.get((ticker, date), 0.0))
        np.testing.assert_allclose(bars.close, close[::-1], rtol=1e-12)
        np.testing.assert_allclose(bars.closeadj, adjusted[::-1], rtol=1e-10)
        cents = bars.closeunadj * 100
        assert (cents - cents.round()).abs().max() < 1e-6
        assert (bars.high >= bars[["open", "close"]].max(axis=1) - 1e-12).all()
        assert (bars.low <= bars[["open", "close"]].min(axis=1) + 1e-12).all()
        assert bars.low.min() > 0
        assert bars.volume.min() >= 0
    assert not sep.duplicated(["ticker", "date"]).any()
    assert (sep.closeadj.astype("float32") == sep.closeadj).mean() < 0.05, "sums of float32 are exact in any order"


def test_statements_hold_their_identities(small):
    x = read(small, "sharadar/SF1")
    assert set(x.dimension) == {"ARQ", "ART", "MRQ", "MRT"}
    assert not x.duplicated(["ticker", "dimension", "datekey", "reportperiod"]).any()

    def same(a, b, tolerance=0.0):
        known = a.notna() & b.notna()
        assert known.mean() > 0.4
        assert (a[known] - b[known]).abs().max() <= tolerance

    same(x.assets, x.liabilities + x.equity)
    same(x.gp, x.revenue - x.cor)
    same(x.opinc, x.gp - x.opex)
    same(x.fcf, x.ncfo + x.capex)
    same(x.ncf, x.ncfo + x.ncfi + x.ncff + x.ncfx)
    same(x.ncfi, x.capex + x.ncfbus + x.ncfinv)
    same(x.ncff, x.ncfdebt + x.ncfcommon + x.ncfdiv)
    same(x.ebit, x.netinc + x.taxexp + x.intexp)
    same(x.ebitda, x.ebit + x.depamor)
    same(x.assets, x.assetsc + x.assetsnc)
    same(x.liabilities, x.liabilitiesc + x.liabilitiesnc)
    same(x.debt, x.debtc + x.debtnc)
    same(x.ev, x.marketcap + x.debt - x.cashneq)
    same(x.marketcap, (x.sharesbas * x.price).round(), 1.0)
    # what a company says per share is right where the vendor's count is in the wrong unit
    is_absurd = np.log10(x.sharesbas / x.groupby("ticker").sharesbas.transform("median")).abs() > 2.5
    assert 0 < is_absurd.mean() < 0.01
    same(x.eps[~is_absurd], (x.netinccmn / x.shareswa)[~is_absurd], 5.1e-4)
    same(x.grossmargin, x.gp / x.revenue, 5.1e-4)
    same(x.currentratio, x.assetsc / x.liabilitiesc, 5.1e-4)
    same(x.pb, (x.marketcap / x.equity), 5.1e-4)
    assert (x.capex.dropna() <= 0).all()
    assert (x.ncfdiv.dropna() <= 0).all()
    quarters = x[x.dimension == "MRQ"].sort_values(["ticker", "reportperiod"])
    change = quarters.groupby("ticker").cashneq.diff()
    follows = quarters.groupby("ticker").reportperiod.diff().dt.days < 100
    same(quarters.ncf[follows], change[follows])


def test_trailing_years_are_the_four_quarters_known_then(small):
    """ART rows against ARQ rows: of each of four quarters the newest row on or before the year's datekey."""
    x = read(small, "sharadar/SF1")
    quarters, years = x[x.dimension == "ARQ"], x[x.dimension == "ART"]
    assert len(years) > 500
    restated = 0
    for _, year in years.sample(150, random_state=1).iterrows():
        known = quarters[(quarters.ticker == year.ticker) & (quarters.datekey <= year.datekey)]
        known = known[known.reportperiod <= year.reportperiod].sort_values(["reportperiod", "datekey"])
        newest = known.groupby("reportperiod").tail(1).tail(4)
        # a quarter filed late is in the year's numbers although its own row is not out
        if len(newest) == 4 and newest.reportperiod.diff().dt.days.max() < 100:
            restated += len(known.tail(8)) > known.tail(8).reportperiod.nunique()
            np.testing.assert_array_equal(year[SUMMED].astype(float), newest[SUMMED].sum(min_count=4, skipna=False))
            np.testing.assert_array_equal(year[["assets", "debt"]].astype(float), newest[["assets", "debt"]].iloc[-1])
            assert year.assetsavg == pytest.approx(newest.assets.mean())
    assert restated > 5


def test_most_recent_rows_are_the_newest_values_of_every_quarter(small):
    x = read(small, "sharadar/SF1")
    reported, recent = x[x.dimension == "ARQ"], x[x.dimension == "MRQ"]
    assert (recent.datekey == recent.reportperiod).all()
    assert (reported.datekey > reported.reportperiod).all()
    amended = reported[reported.duplicated(["ticker", "reportperiod"], keep="first")]
    both = amended.merge(recent, on=["ticker", "reportperiod"], suffixes=("", "_mr"))
    assert len(both) == len(amended) > 5
    for item in ("revenue", "netinc", "assets", "equity", "ncfo"):
        pd.testing.assert_series_equal(both[item], both[f"{item}_mr"], check_names=False)
    assert len(recent) == reported.groupby(["ticker", "reportperiod"]).ngroups


def test_a_restatement_changes_what_was_filed_first(small):
    """Sales, profits, cash flow and balance sheet; what is not restated stays to the dollar."""
    x = read(small, "sharadar/SF1").query("dimension == 'ARQ'").sort_values("datekey")
    pairs = x.drop_duplicates(["ticker", "reportperiod"]).merge(
        x[x.duplicated(["ticker", "reportperiod"])], on=["ticker", "reportperiod"], suffixes=("", "_amended")
    )
    for item in ("revenue", "gp", "opinc", "netinc", "ncfo", "assets", "equity"):
        both = pairs[[item, f"{item}_amended"]].dropna()
        assert (both[item] != both[f"{item}_amended"]).mean() > 0.95, item
    assert (pairs.debt.dropna() == pairs.debt_amended.dropna()).all()


def test_sectors_change_all_along_and_to_any(default):
    """Beside the reviews at the end, which know winners from losers, companies change their business."""
    sectors = read(default, "sharadar/SECTORS").sort_values(["ticker", "date"])
    changes = sectors[sectors.duplicated("ticker")]
    early = changes[changes.date < "2022-09-01"]
    assert len(early) >= 15
    assert set(early.date.dt.year) == set(range(2016, 2023))
    assert early.sector.nunique() >= 7


def test_thin_names_have_long_times_without_a_trade(default):
    bars = read(default, "sharadar/SEP").sort_values(["ticker", "date"])
    idle = bars.volume == 0
    runs = idle[idle].groupby([bars.ticker, (~idle).cumsum()]).size()
    long = runs[runs >= 10]
    assert 10 <= long.max() <= 60
    assert len(long) >= 10
    thin = (bars.close * bars.volume).groupby(bars.ticker).median()
    assert thin[long.index.get_level_values(0)].median() < 2e6  # some have grown since


def test_an_amendment_counts_shares_on_the_splits_of_its_date(default):
    x = read(default, "sharadar/SF1").query("dimension == 'ARQ'").sort_values(["ticker", "reportperiod", "datekey"])
    splits = read(default, "sharadar/ACTIONS").query("action == 'split'")
    pairs = x.drop_duplicates(["ticker", "reportperiod"]).merge(
        x[x.duplicated(["ticker", "reportperiod"])], on=["ticker", "reportperiod"], suffixes=("", "_amended")
    )
    between = []
    for row in pairs.itertuples():
        since = splits.date.between(row.datekey, row.datekey_amended, inclusive="right")
        between.append(splits[(splits.ticker == row.ticker) & since].value.prod())
    assert len(set(between)) > 3, "some were split in between"
    np.testing.assert_allclose(pairs.sharesbas_amended, pairs.sharesbas * between, rtol=1e-3, atol=1)
    value = pairs.sharesbas_amended * pairs.price_amended
    np.testing.assert_allclose(pairs.marketcap_amended, value.round(), atol=1)


def test_tickers_of_a_date_follow_from_the_actions(small, default):
    """The rule of the vendor's tables gives the tickers that the truth and the short positions carry."""
    changed = 0
    for market in (small, default):
        actions = read(market, "sharadar/ACTIONS")
        changes = actions[actions.action == "tickerchangefrom"].sort_values("date")
        bars = read(market, "sharadar/SEP")[["ticker", "date"]]
        bars["symbol"] = bars.ticker
        for ticker, rows in changes.groupby("ticker"):
            mine = bars.ticker == ticker
            for date, old in zip(rows.date[::-1], rows.contraticker[::-1], strict=True):
                bars.loc[mine & (bars.date < date), "symbol"] = old
            changed += 1
        told = read(market, "truth")[["date", "ticker"]].sort_values(["ticker", "date"], ignore_index=True)
        mine = bars[["date", "symbol"]].set_axis(["date", "ticker"], axis=1)
        pd.testing.assert_frame_equal(mine.sort_values(["ticker", "date"], ignore_index=True), told)
        assert not told.duplicated().any(), "one company per ticker and day"
        short = read(market, "finra/short_interest")[["settlementDate", "symbolCode"]].drop_duplicates()
        assert short.merge(told, left_on=["settlementDate", "symbolCode"], right_on=["date", "ticker"]).shape[0] > (
            0.97 * len(short)
        )
    assert changed > 20


def test_daily_values_follow_from_the_newest_filing(small):
    """Market value = shares of the newest filing known, brought to the day's splits, times the close as traded."""
    x = read(small, "sharadar/SF1").query("dimension == 'ARQ'").sort_values("datekey")
    x = x.drop_duplicates(["ticker", "reportperiod"])
    is_absurd = np.log10(x.sharesbas / x.groupby("ticker").sharesbas.transform("median")).abs() > 2.5
    x = x.assign(is_absurd=is_absurd)
    filings = dict(iter(x.sort_values("reportperiod", kind="stable").groupby("ticker")))
    splits = read(small, "sharadar/ACTIONS").query("action == 'split'")
    bars = read(small, "sharadar/SEP")[["ticker", "date", "closeunadj"]]
    rows = read(small, "sharadar/DAILY").merge(bars, on=["ticker", "date"]).sample(700, random_state=2)
    seen = 0
    for row in rows.itertuples():
        told = filings[row.ticker]
        known = told[told.datekey <= row.date]
        if known.empty:
            continue
        last = known.iloc[-1]
        if last.is_absurd or (row.date - last.datekey).days > 120:
            continue
        between = splits[(splits.ticker == row.ticker) & (splits.date > last.datekey) & (splits.date <= row.date)]
        value = last.sharesbas * between.value.prod() * row.closeunadj
        assert row.marketcap == pytest.approx(value / 1e6, abs=0.051)
        seen += 1
    assert seen > 500


def test_no_two_companies_carry_one_ticker():
    """Over many seeds: whoever takes over a symbol keeps it to the end, and takes only one."""
    taken = 0
    for seed in range(60):
        drawn = enrol(400, 2013, 8, seed)
        heirs = drawn.heir[drawn.heir >= 0]
        assert (drawn.heir[heirs] < 0).all()
        assert len(set(heirs)) == len(heirs)
        taken += len(heirs)
    assert taken > 100


def test_delistings_fall_on_the_session_after_the_last_bar(default):
    actions, bars = read(default, "sharadar/ACTIONS"), read(default, "sharadar/SEP")
    last = bars.groupby("ticker").date.max()
    sessions = pd.Index(read(default, "sharadar/SFP").query("ticker == 'SPY'").date)
    gone = actions[actions.action == "delisted"].set_index("ticker").date
    assert len(gone) == (last < sessions.max()).sum() > 20
    assert (sessions.get_indexer(gone) == sessions.get_indexer(last[gone.index]) + 1).all()
    bought = actions[actions.action.isin(["mergerto", "acquisitionby"])]
    assert bought.contraticker.notna().mean() > 0.9
    assert set(bought.contraticker.dropna()) <= set(last.index)


def test_spin_offs_are_told_from_both_sides(default):
    actions = read(default, "sharadar/ACTIONS")
    child, parent = (actions[actions.action == name] for name in ("spinoff", "spunofffrom"))
    both = child.merge(parent, left_on=["date", "ticker", "contraticker"], right_on=["date", "contraticker", "ticker"])
    assert len(both) == len(child) == len(parent) > 3
    handed = actions[actions.action == "spinoffdividend"].set_index(["ticker", "date"]).value
    first = read(default, "sharadar/SEP").sort_values("date").groupby("ticker").head(1)
    first = first.merge(child, on="ticker", suffixes=("", "_action"))
    value = [handed[row.contraticker, row.date_action] for row in first.itertuples()]
    np.testing.assert_allclose(first.value * first.open * first.closeunadj / first.close, value, rtol=1e-4)


def test_insider_lines_are_signed_and_add_up(default):
    x = read(default, "sharadar/SF2")
    assert set(x[x.transactionshares < 0].transactioncode) <= {"S", "F", "G"}
    assert set(x[x.transactionshares > 0].transactioncode) <= {"P", "A", "M"}
    before = x.sharesownedfollowingtransaction - x.transactionshares
    assert (x.sharesownedbeforetransaction - before.clip(lower=0)).abs().max() < 1e-6
    np.testing.assert_allclose(x.transactionvalue, (x.transactionshares.abs() * x.transactionpricepershare).round())
    keys = ["ticker", "filingdate", "ownername", "formtype", "rownum"]
    assert not x.drop_duplicates().duplicated(keys).any()


def test_short_positions_carry_their_history(default):
    x = read(default, "finra/short_interest")
    first = x[x.revisionFlag.isna()].sort_values(["issueName", "settlementDate"])
    assert not first.duplicated(["symbolCode", "settlementDate"]).any()
    before = first.groupby("issueName").currentShortPositionQuantity.shift()
    assert (before.dropna() == first.previousShortPositionQuantity[before.notna()]).all()
    assert (x.changePreviousNumber == x.currentShortPositionQuantity - x.previousShortPositionQuantity).all()
    stamp = x.settlementDate.dt.year * 10_000 + x.settlementDate.dt.month * 100 + x.settlementDate.dt.day
    assert (x.accountingYearMonthNumber == stamp).all()
    assert 0.005 < (x.revisionFlag == "R").mean() < 0.03


def test_holdings_are_shares_of_the_whole(default):
    x = read(default, "sharadar/SF3A")
    values = [f"{kind}value" for kind in ("shr", "cll", "put", "wnt", "dbt", "prf", "fnd", "und")]
    np.testing.assert_array_equal(x[values].sum(axis=1), x.totalvalue)
    np.testing.assert_allclose(x.groupby("calendardate").percentoftotal.sum(), 100, atol=0.05)
    assert (x.shrvalue > 0).mean() > 0.99


def test_sectors_of_today_are_the_last_ones_filed(default):
    sectors = read(default, "sharadar/SECTORS").sort_values("date").groupby("ticker").tail(1).set_index("ticker")
    today = read(default, "sharadar/TICKERS").query("table == 'SEP'").set_index("ticker")
    assert (sectors.sector.reindex(today.index) == today.sector).all()
    assert set(today.index) == set(read(default, "sharadar/SEP").ticker)


# ------------------------------------------------------------------------------------------------ realism


def test_every_kind_of_dirt_is_there_and_the_page_says_how_much(default):
    """docs/demo_market.md shows the counts of the default market's bytes, and models whose SQL tells the item apart."""
    counts = inventory.inventory(default)
    assert not [name for name, count in counts.items() if count <= 0]
    page = (machine.root() / "docs/demo_market.md").read_text()
    assert inventory.table(default) in page, "write the table again: python -m kairos.demo.inventory MARKET"
    models = {path.stem: code_of(path) for path in (machine.root() / "models").rglob("*.sql")}
    assert [item.name for item in inventory.ITEMS if item.by not in models[item.model]] == []


def code_of(model: Path) -> str:
    """SQL of a model without its comments."""
    return re.sub(r"{#.*?#}|--[^\n]*", "", model.read_text(), flags=re.DOTALL)


def test_the_default_market_looks_real(default):
    measured = realism.measure(default)
    assert {band.name for band in realism.BANDS} == set(measured)
    assert realism.breaches(measured) == []


@pytest.mark.parametrize(("securities", "years"), [(10, 1), (400, 1), (11, 20)])
def test_extreme_shapes_can_be_written(tmp_path, securities, years):
    market = write_market(tmp_path / "market", securities, years)
    assert read(market, "sharadar/SEP").ticker.nunique() == securities
