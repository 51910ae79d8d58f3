"""Shared fixtures: a few real securities cut out of a market that is not part of the project, built once per session.

The real files live outside the repository. Where they are absent, every test that asks for them skips with the reason.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from newcomer import SIZE, House
from portfolio_market import frames, write_warehouse

from kairos.demo import write_market
from kairos.proof.build import Builder

ROOT = Path(__file__).resolve().parents[2]
# Splits after the prices' basis date: a market value is 2 to 15 times wrong when the two bases are mixed up.
SPLIT_AFTER_THE_PRICES = ["LRCX", "ORLY", "SMCI", "ANET", "DECK", "PANW", "FAST", "TSCO"]
LARGE_CAPS = [
    "AAPL", "MSFT", "NVDA", "AMZN", "META", "GOOG", "TSLA", "PFE", "LLY",
    "XOM", "WMT", "JNJ", "PG", "COST", "DIS", "CVX", "KO", "PEP",
    "ADBE", "NFLX", "AMD", "CSCO", "AON", "GE", "DHR", "MOS",
]  # fmt: skip
MARKET_SERIES = ["SPY"]
# (file, column that holds the ticker); files without a ticker are copied whole
KEYED_FILES = {
    "yahoo/prices.parquet": "ticker",
    "yahoo/actions.parquet": "ticker",
    "simfin/us-income-quarterly.parquet": "Ticker",
    "simfin/us-balance-quarterly.parquet": "Ticker",
    "simfin/us-cashflow-quarterly.parquet": "Ticker",
    "simfin/us-companies.parquet": "Ticker",
    "sp500/membership.parquet": "ticker",
    "finnhub/insider_transactions.parquet": "symbol",
    "short_interest/short_interest.parquet": "symbol",
}
WHOLE_FILES = ["basis.csv", "market.csv", "spin_offs.csv", "simfin/industries.parquet", "cboe/VIX_History.parquet"]

# Files that take longest start first, so that no worker is left alone with one at the end.
LONGEST_FIRST = ["test_build", "test_proof", "test_sharadar", "test_increments", "test_demo_truth"]


def pytest_configure() -> None:
    """What is loaded stays to the end: looking through it for garbage, again and again, is a sixth of the loading."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Garbage is looked for from here on, among what tests make, and less often: a parsed project is no garbage."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of LONGEST_FIRST before the others; the order within a file stays."""
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


@dataclass(frozen=True)
class RealMarket:
    """A cut of a real market and the warehouse built from it."""

    market: Path  # folder of raw files, the vendors' own layout
    warehouse: Path  # DuckDB file with every table up to features.features
    tickers: tuple[str, ...]  # the shares asked for, without SPY

    def query(self, sql: str):
        """A pandas frame read from the warehouse."""
        with duckdb.connect(str(self.warehouse), read_only=True) as con:
            return con.sql(sql).df()

    def raw(self, file: str):
        """A pandas frame of one raw file."""
        with duckdb.connect() as con:
            return con.sql(f"from '{self.market / file}'").df()


def shared_market(name: str) -> Path:
    """Folder of a real market outside the project (KAIROS_SHARED, default ../shared); skips the test without it."""
    shared = Path(os.environ.get("KAIROS_SHARED", ROOT.parent / "shared"))
    market = shared / "markets" / name
    if not market.is_dir():
        pytest.skip(f"no real market at {market}: set KAIROS_SHARED to the folder that holds markets/{name}")
    return market


def cut_market(source: Path, target: Path, tickers: list[str]) -> Path:
    """Copy the rows of the given tickers, and the files that have no tickers, into a new market folder."""
    with duckdb.connect() as con:
        for file, column in KEYED_FILES.items():
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            con.execute(
                f'copy (select * from read_parquet($source) where "{column}" = any($tickers)) '
                f"to '{target / file}' (format parquet)",
                {"source": str(source / file), "tickers": tickers},
            )
    for file in WHOLE_FILES:
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        (target / file).write_bytes((source / file).read_bytes())
    return target


@contextlib.contextmanager
def made_once(factory: pytest.TempPathFactory, name: str) -> Iterator[tuple[Path, bool]]:
    """A folder for all workers of a run, and whether it is still to be filled: the first fills it, the others wait."""
    root = factory.getbasetemp()
    folder = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / name
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / "done"
        folder.mkdir(exist_ok=True)
        yield folder, not done.exists()
        done.touch()


@pytest.fixture(scope="session")
def small_market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small demo market of newcomer.py; nothing may write into it."""
    with made_once(tmp_path_factory, "small_market") as (folder, is_to_make):
        return write_market(folder / "small", **SIZE) if is_to_make else folder / "small"


@pytest.fixture(scope="session")
def house(small_market: Path, tmp_path_factory: pytest.TempPathFactory) -> House:
    """The small market built by `kairos build`; tests of test_build.py build over it in their order."""
    with made_once(tmp_path_factory, "house") as (folder, is_to_make):
        house = House(folder, small_market)
        if is_to_make:
            house.build()
    return house


@pytest.fixture(scope="session")
def us_large() -> Path:
    """The whole real market's folder."""
    return shared_market("us_large")


@pytest.fixture(scope="session")
def real_market(us_large: Path, builder: Builder, tmp_path_factory: pytest.TempPathFactory) -> RealMarket:
    """34 real shares and SPY with their features, built once; KAIROS_TEST_WAREHOUSE names a ready warehouse instead."""
    tickers = sorted(LARGE_CAPS + SPLIT_AFTER_THE_PRICES)
    if ready := os.environ.get("KAIROS_TEST_WAREHOUSE"):
        return RealMarket(market=us_large, warehouse=Path(ready).resolve(), tickers=tuple(tickers))
    with made_once(tmp_path_factory, "real_market") as (folder, is_to_make):
        market = folder / "market"
        if is_to_make:
            cut_market(us_large, market, tickers + MARKET_SERIES)
            builder.build(market, folder / "built", ["+features.features", "int_market_values"])
        warehouse = folder / "built/kairos.duckdb"
    return RealMarket(market=market, warehouse=warehouse, tickers=tuple(tickers))


@pytest.fixture(scope="session")
def builder() -> Builder:
    """The project parsed once; builds any number of small markets in this process."""
    return Builder()


@pytest.fixture(scope="session")
def compiled(builder: Builder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """dbt's target folder with the compiled SQL of the portfolio."""
    folder = tmp_path_factory.mktemp("compiled")
    builder.compile(folder, ["models/portfolio"])
    return folder


@pytest.fixture(scope="session")
def invented(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Warehouse of an invented market with the tables that the portfolio reads; nothing may write into it."""
    return write_warehouse(tmp_path_factory.mktemp("invented") / "kairos.duckdb", frames())
