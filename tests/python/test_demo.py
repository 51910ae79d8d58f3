"""The demo market: same bytes from the same seed, the vendors' layouts, the events it promises, a signal to find."""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from kairos.demo import write_market
from kairos.errors import SpecError


@pytest.fixture(scope="module")
def market(tmp_path_factory) -> Path:
    return write_market(tmp_path_factory.mktemp("markets") / "demo")


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_same_seed_same_bytes(tmp_path):
    first, again, other = (write_market(tmp_path / n, 12, 2, seed) for n, seed in [("a", 7), ("b", 7), ("c", 8)])
    assert digests(first) == digests(again)
    changed = {name for name, digest in digests(other).items() if digest != digests(first)[name]}
    assert {"yahoo/prices.parquet", "simfin/us-income-quarterly.parquet", "cboe/VIX_History.parquet"} <= changed


def test_layouts_are_those_of_the_vendors(market, us_large):
    for path in sorted(market.rglob("*.parquet")):
        name = path.relative_to(market)
        ours, theirs = (duckdb.sql(f"describe select * from '{root / name}'").fetchall() for root in (market, us_large))
        assert ours == theirs, name


def test_prices_hold_together(market):
    con = duckdb.connect()
    con.execute(f"create view p as from '{market}/yahoo/prices.parquet'")
    bad = """select count(*) from p where "High" < greatest("Open", "Close") or "Low" > least("Open", "Close")
        or "Low" <= 0 or "Adj Close" > "Close" * 1.0000001 or "Volume" <= 0"""
    assert con.execute(bad).fetchone() == (0,)
    assert con.execute(
        'select count(distinct ticker), count(*) = count(distinct (ticker, "Date")) from p'
    ).fetchone() == (
        101,
        True,
    )
    as_float = con.execute('select avg(("Close"::float::double = "Close")::int) from p').fetchone()[0]
    assert as_float < 0.01, "prices must carry full mantissas, or sums of them are exact in any order"
    adv = con.execute(
        'select min(v), max(v) from (select median("Close" * "Volume") v from p group by ticker)'
    ).fetchone()
    assert adv[0] > 2e6
    assert adv[1] < 2e8


def test_events_are_there(market):
    prices = pd.read_parquet(market / "yahoo/prices.parquet")
    actions = pd.read_parquet(market / "yahoo/actions.parquet")
    spans = prices.groupby("ticker").Date.agg(["min", "max"])
    assert (spans["min"] > spans["min"].min()).sum() >= 8, "listings"
    assert 3 <= (spans["max"] < spans["max"].max()).sum() <= 10, "delistings"
    held = prices.groupby("ticker").size()
    assert held["SPY"] == prices.Date.nunique()
    assert (actions.Dividends > 0).sum() > 300
    factors = actions.loc[actions["Stock Splits"] > 0, "Stock Splits"]
    assert {2.0, 0.25, 1.1283} <= set(factors)
    basis = pd.read_csv(market / "basis.csv", parse_dates=["basis_date"]).set_index("dataset").basis_date
    split_dates = pd.to_datetime(actions.loc[actions["Stock Splits"] > 0, "Date"].str[:10])
    between = split_dates.between(basis["yahoo/prices"], basis["simfin/us-income-quarterly"], inclusive="right")
    assert between.sum() == 1, "one split lies between the two bases"
    statements = pd.read_parquet(market / "simfin/us-income-quarterly.parquet")
    assert not statements.duplicated(["Ticker", "Fiscal Year", "Fiscal Period"]).any()
    for column in ("Report Date", "Publish Date", "Restated Date"):
        statements[column] = pd.to_datetime(statements[column])
    assert (statements["Publish Date"] > statements["Report Date"]).all()
    assert 0.05 < (statements["Restated Date"] > statements["Publish Date"]).mean() < 0.3
    assert ((statements["Publish Date"] - statements["Report Date"]).dt.days > 60).sum() > 20, "late filers"
    assert 0.005 < statements["Net Income"].isna().mean() < 0.03


def information(market: Path) -> pd.Series:
    """Mean 5-day rank ICs of one-month reversal and of published earnings over price, by pandas alone."""
    prices = pd.read_parquet(market / "yahoo/prices.parquet").query("ticker != 'SPY'")
    wide = {name: prices.pivot(index="Date", columns="ticker", values=name) for name in ("Close", "Adj Close")}
    value = wide["Adj Close"]
    forward = value.shift(-6) / value.shift(-1) - 1
    income = pd.read_parquet(market / "simfin/us-income-quarterly.parquet").sort_values(["Ticker", "Report Date"])
    income["eps"] = income.groupby("Ticker")["Net Income"].transform(lambda x: x.rolling(4).sum())
    income["eps"] /= income["Shares (Basic)"]
    eps = income.pivot_table(index="Publish Date", columns="Ticker", values="eps", aggfunc="last")
    eps = eps.reindex(eps.index.union(value.index)).ffill().shift(1).reindex(value.index)
    scores = {"reversal": -value / value.shift(21), "value": eps / wide["Close"]}
    ranks = {name: score.where(forward.notna()).rank(axis=1) for name, score in scores.items()}
    target = forward.rank(axis=1)
    return pd.Series({name: rank.corrwith(target, axis=1).mean() for name, rank in ranks.items()})


def test_planted_signal_is_seen_and_is_the_signal(market, tmp_path):
    found = information(market)
    assert found.between(0.03, 0.08).all(), found
    assert np.abs(information(write_market(tmp_path / "none", signal=0.0))).max() < 0.02


def test_impossible_size_is_refused(tmp_path):
    with pytest.raises(SpecError, match="got 5"):
        write_market(tmp_path, securities=5)
    with pytest.raises(SpecError, match="got 0"):
        write_market(tmp_path, years=0)


@pytest.mark.parametrize(("securities", "years"), [(10, 1), (400, 1)])
def test_extreme_sizes_can_be_written(tmp_path, securities, years):
    write_market(tmp_path, securities=securities, years=years)
    tickers = f"select count(distinct ticker) from '{tmp_path}/yahoo/prices.parquet'"
    assert duckdb.sql(tickers).fetchall() == [(securities + 1,)]
