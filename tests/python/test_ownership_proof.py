"""Insiders, short interest and holdings under the lookahead proof: nothing known later moves a bit. Each of their time
rules is broken on purpose in planted_leaks.py.

A small market gets the files of those vendors, in random sizes and lags. It is built whole and with attacks on what
became known after a cut that lies between a trade and its form, a settlement and its report, a quarter's end and its
holdings.
"""

from __future__ import annotations

import datetime
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from kairos.demo import write_market
from kairos.proof import Builder, attack_market, compare, read_models, report

CUT = datetime.date(2023, 5, 11)
SETTINGS = {"KAIROS__MIN_CROSS_SECTION": "3", "KAIROS__UNIVERSE_MIN_HISTORY_SESSIONS": "30"}
SELECT = ("+feat_alternative",)
COMPARED = (
    *("int_insider_deliveries", "int_insider_transactions", "int_short_interest", "int_institutional_holdings"),
    *("int_insider_steps", "int_short_interest_steps", "int_institutional_holdings_steps", "feat_alternative"),
)


def ownership_files(market: Path, seed: int = 11) -> None:
    """Files of four vendors about the market's shares, written beside its other files and in place of its own."""
    rng = np.random.default_rng(seed)
    bars = f"from '{market}/sharadar/SEP.parquet'"
    (market / "sharadar/SF2.parquet").unlink()
    with duckdb.connect() as con:
        tickers = [t for (t,) in con.execute(f"select distinct ticker {bars} order by 1").fetchall()]
        days = pd.DatetimeIndex(con.execute(f"select distinct date {bars} order by 1").df().iloc[:, 0])
    forms, snapshots, reports, holdings = [], [], [], []
    settlements = [d for d in days if d.day in (15, 28)]
    for ticker in tickers:
        for traded in rng.choice(days[:-8], 60):
            lag, code = int(rng.integers(1, 5)), str(rng.choice(["P", "S", "S", "A"]))
            filed = f"{pd.Timestamp(traded) + pd.Timedelta(days=lag):%Y-%m-%d}"
            change = int(rng.integers(100, 9_000)) * (-1 if code == "S" else 1)
            traded_on = f"{pd.Timestamp(traded):%Y-%m-%d}"
            forms.append([ticker, "ROE JANE", traded_on, code, change, rng.uniform(5, 90), filed])
        for settled in settlements:
            short = int(rng.integers(2_000_000, 30_000_000))
            reports.append([ticker, settled.date(), short + 7])
            seen = settled + pd.Timedelta(days=int(rng.integers(10, 15)), hours=int(rng.integers(0, 24)))
            floating = 1e8 * rng.uniform(1, 2) if rng.random() < 0.7 else None
            snapshots.append([ticker, f"{settled:%m/%d/%y}", short, floating, f"{seen:%Y-%m-%dT%H:%M:%S}+00:00"])
        for quarter in pd.date_range(days[0], days[-1], freq="QE"):
            holdings.append([ticker, quarter.date(), 9, float(rng.integers(10_000_000, 90_000_000)), 1.0])
    half = len(tickers) // 2  # either vendor of short interest knows some of the names alone
    tables = {
        "finnhub/insider_transactions": (
            ["symbol", "name", "transactionDate", "transactionCode", "change", "transactionPrice", "filingDate"],
            forms,
        ),
        "finra/short_interest": (
            ["symbolCode", "settlementDate", "currentShortPositionQuantity"],
            [row for row in reports if row[0] in tickers[:half]],
        ),
        "short_interest/short_interest": (
            ["symbol", "short_interest_date", "shares_sold_short", "public_float", "first_snapshot_at"],
            [row for row in snapshots if row[0] in tickers[half:]],
        ),
        "sharadar/SF3A": (["ticker", "calendardate", "shrholders", "shrunits", "shrvalue"], holdings),
    }
    for name, (columns, rows) in tables.items():
        (market / name).parent.mkdir(exist_ok=True)
        pd.DataFrame(rows, columns=columns).to_parquet(market / f"{name}.parquet")


ATTACKS = ("deleted", "scrambled", "restated")  # splits are the small proof's


class Small:
    """The market, its attacked copies, the warehouses of all and the models that are compared."""

    def __init__(self, folder: Path) -> None:
        self.market = write_market(folder / "market/small", securities=10, years=1.5)
        ownership_files(self.market)
        self.builder = Builder(settings=SETTINGS)
        self.whole = self.builder.build(self.market, folder / "whole", SELECT)
        self.touched, self.attacked = {}, {}
        for attack in ATTACKS:
            copy = folder / f"copy_{attack}/small"
            self.touched[attack] = attack_market(self.market, copy, CUT, attack)
            self.attacked[attack] = self.builder.build(copy, folder / attack, SELECT)
        self.models = [model for model in read_models(self.builder.manifest) if model.name in COMPARED]


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Small:
    return Small(tmp_path_factory.mktemp("ownership"))


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_known_later_moves_a_bit(small, attack):
    rows = compare(small.whole, small.attacked[attack], small.models, CUT, attack)
    assert {row.model_name for row in rows if row.rows_compared} == set(COMPARED)
    assert not [row for row in rows if row.rows_different], report(rows)


def test_what_is_compared_is_there_and_what_is_known_later_is_another(small):
    filled = "select count(columns(* exclude (as_of_date, security_id, known_at))) from features.feat_alternative"
    later = f"select columns(*)::varchar from features.feat_alternative where as_of_date > date '{CUT}'"
    with duckdb.connect(str(small.whole), read_only=True) as con:
        counts = con.execute(f"{filled} where as_of_date between date '{CUT}' - 20 and date '{CUT}'").fetchall()[0]
        after = con.execute(later).fetchall()
    assert min(counts) > 40, "a proof over empty features proves nothing"
    for attack in ATTACKS:
        assert {"finnhub/insider_transactions.parquet", "short_interest/short_interest.parquet"} <= {
            file for file, count in small.touched[attack].items() if count
        }
        with duckdb.connect(str(small.attacked[attack]), read_only=True) as con:
            assert con.execute(later).fetchall() != after, attack
