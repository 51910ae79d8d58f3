"""Real names that stopped trading, against a reading of the raw files: when they end, what their holders are left with;
and a real symbol whose prices are of two securities.

The market keeps its dead (market.csv), so silence means death; the same files without that word merely end.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest
from conftest import shared_market

from kairos.proof import Builder
from kairos.sessions import closes

SILENCE = 20
NAMES = 12  # the first of the dead and of the living in the alphabet, half and half


@pytest.fixture(scope="module")
def pit(tmp_path_factory):
    """Folder of a cut of the market with some of its names, and their raw bars."""
    source = shared_market("pit_2015_2017")
    bars = pd.read_parquet(source / "pystock/prices.parquet")
    ends = bars.groupby("symbol")["date"].max()
    dead, living = ends[ends < "2017-02-01"].index[: NAMES // 2], ends[ends == ends.max()].index[: NAMES // 2]
    market = tmp_path_factory.mktemp("pit") / "market"
    (market / "pystock").mkdir(parents=True)
    bars = bars[bars["symbol"].isin([*dead, *living])]
    bars.to_parquet(market / "pystock/prices.parquet")
    (market / "market.csv").write_text("key,value\nkeeps_delisted,true\n")
    return market, bars.assign(date=pd.to_datetime(bars["date"]), close=bars["close"].astype(float))


def securities(builder: Builder, market, work) -> pd.DataFrame:
    """int_securities of the market, by ticker."""
    with duckdb.connect(str(builder.build(market, work, ["+int_securities"])), read_only=True) as con:
        return con.sql("from intermediate.int_securities").df().set_index("ticker")


def test_silence_ends_a_name_with_a_return_and_a_flag(builder, pit, tmp_path):
    market, bars = pit
    found = securities(builder, market, tmp_path / "keeps")
    assert found.index.is_unique
    calendar = pd.DatetimeIndex(list(closes()))
    end = bars["date"].max()
    for ticker, own in bars.drop_duplicates(["symbol", "date"]).sort_values("date").groupby("symbol"):
        row, last = found.loc[ticker], own["date"].iloc[-1]
        known = calendar[calendar.get_loc(last) + SILENCE]
        assert row["is_delisted"] == (known <= end)
        if not row["is_delisted"]:
            assert pd.isna(row["delisting_return"])
            continue
        assert (row["delisted_date"], row["delisting_known_date"], row["delisting_cause"]) == (last, known, "silence")
        # no splits in the last 63 sessions of these names: closes as traded are on one basis
        window = own[own["date"] > calendar[calendar.get_loc(last) - 63]]["close"]
        is_taken_over = window.iloc[-1] >= 5 and window.iloc[-1] >= 0.8 * window.max()
        assert row["delisting_return"] == (0.0 if is_taken_over else -0.30)
        assert row["is_delisting_return_imputed"]
    assert found["is_delisted"].sum() == NAMES // 2
    assert np.isin(found["delisting_return"].dropna(), [0.0, -0.30]).all()


def test_a_file_that_merely_ends_is_no_death(builder, pit, tmp_path):
    market, _ = pit
    copy = tmp_path / "market"
    (copy / "pystock").mkdir(parents=True)
    (copy / "pystock/prices.parquet").symlink_to(market / "pystock/prices.parquet")
    found = securities(builder, copy, tmp_path / "ends")
    assert not found["is_delisted"].any()
    assert found[["delisting_return", "delisting_known_date", "delisting_cause"]].isna().all(axis=None)


def test_a_symbol_with_the_prices_of_two_securities_is_refused(builder, us_large, tmp_path):
    """BRK jumps tenfold and back 400 times; the real one is BRK-B. Reread bar by bar."""
    bars = pd.read_parquet(us_large / "yahoo/prices.parquet", filters=[("ticker", "in", ["BRK", "BRK-B"])])
    market = tmp_path / "market"
    (market / "yahoo").mkdir(parents=True)
    bars.to_parquet(market / "yahoo/prices.parquet")
    with duckdb.connect(str(builder.build(market, tmp_path / "work", ["+int_quarantine"])), read_only=True) as con:
        refused = con.sql("select key, reason, meaning from intermediate.int_quarantine").df()
        accepted = con.sql("select ticker, session_date, close from intermediate.int_bars order by 1, 2").df()
    jumps = refused[refused["reason"] == "price_jumps_back_and_forth"]
    assert jumps["meaning"].str.contains("two securities").all()
    wanted = set()
    for ticker, own in accepted.groupby("ticker"):
        ratio = (own["close"] / own["close"].shift()).to_numpy()
        ups, downs = ratio >= 5, ratio <= 1 / 5
        for i, day in enumerate(own["session_date"]):
            last = slice(max(i - 251, 0), i + 1)
            if ups[last].any() and downs[last].any():
                wanted.add(f"{ticker} {day:%Y-%m-%d}")
    assert set(jumps["key"]) == wanted
    assert len(wanted) > 1000
    assert not any(key.startswith("BRK-B ") for key in wanted)
