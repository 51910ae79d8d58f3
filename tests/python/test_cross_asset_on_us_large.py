"""What a security is beside the market and its sector, the state of the market and the calendar, on real large caps,
against pandas and the exchange's own calendar. Total returns, membership and sectors are the warehouse's; everything
that is worked out of them along dates is worked out here again.
"""

from __future__ import annotations

import exchange_calendars
import numpy as np
import pandas as pd
import pytest

NAMES = [
    "spy_corr_60d", "spy_rel_strength_21d", "sector_rel_strength_21d",
    "vix_level", "vix_change_5d", "market_trend_up", "market_vol_tercile",
    "day_of_week", "month_of_year", "quarter_of_year", "days_since_year_start", "is_month_end",
]  # fmt: skip
FLAGS = {
    "sector_basic_materials": "Basic Materials", "sector_business_services": "Business Services",
    "sector_communication_services": "Communication Services", "sector_consumer_cyclical": "Consumer Cyclical",
    "sector_consumer_defensive": "Consumer Defensive", "sector_energy": "Energy",
    "sector_financial_services": "Financial Services", "sector_healthcare": "Healthcare",
    "sector_industrials": "Industrials", "sector_real_estate": "Real Estate", "sector_technology": "Technology",
    "sector_utilities": "Utilities",
}  # fmt: skip


@pytest.fixture(scope="module")
def frame(real_market) -> pd.DataFrame:
    """One row per security and session, in order: prices, membership, sector and the features."""
    columns = ", ".join(f"features.{name}" for name in [*NAMES, *FLAGS, "sector_other"])
    rows = real_market.query(
        f"""select prices.as_of_date, prices.security_id, prices.ticker, prices.session_index, prices.row_in_run,
            prices.is_stale, prices.close, prices.close_total_return as tr, universe.is_member, universe.sector,
            {columns}
        from features.features as features
        inner join intermediate.int_prices as prices using (security_id, as_of_date)
        inner join intermediate.int_universe as universe using (security_id, as_of_date)
        order by prices.security_id, prices.as_of_date"""
    )
    rows["as_of_date"] = pd.to_datetime(rows["as_of_date"])
    rows["run"] = (rows["row_in_run"] == 1).cumsum()
    rows["r"] = rows["tr"] / rows.groupby("run")["tr"].shift() - 1
    spy = rows[(rows["ticker"] == "SPY") & ~rows["is_stale"]].set_index("as_of_date")
    rows["m"] = rows["as_of_date"].map(spy["r"])
    return rows


def assert_same(got: pd.Series, want: pd.Series, at_least: int) -> None:
    """Equal to 1e-9 of the larger of the value and the column's median, missing in the same rows."""
    got, want = got.astype(float).to_numpy(), want.astype(float).to_numpy()
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    scale = np.maximum(np.abs(want), np.nanmedian(np.abs(want)))
    assert np.nanmax(np.abs(got - want) / np.where(scale > 0, scale, 1)) <= 1e-9
    assert (~np.isnan(want)).sum() >= at_least


def growth_21d(series: pd.Series, dates: pd.DatetimeIndex) -> pd.Series:
    """Product of 1 + x over the 21 sessions up to each date, NaN where one is missing."""
    return (1 + series.reindex(dates)).rolling(21).apply(np.prod, raw=True)


def test_correlation_with_the_market(frame):
    want = pd.concat([run["r"].rolling(60).corr(run["m"]) for _, run in frame.groupby("run")])
    assert_same(frame["spy_corr_60d"], want.reindex(frame.index), 30 * 2000)


def test_strength_against_the_market_and_the_sector(frame):
    dates = pd.DatetimeIndex(sorted(frame["as_of_date"].unique()))
    own = 1 + frame.groupby("run")["tr"].pct_change(21)
    spy = growth_21d(frame.groupby("as_of_date")["m"].first(), dates)
    assert_same(frame["spy_rel_strength_21d"], own / frame["as_of_date"].map(spy) - 1, 30 * 2000)

    runs = frame.groupby("run")
    was_member = runs["is_member"].shift().eq(True)
    sector_before = runs["sector"].shift().where(was_member)
    of_sector = frame.groupby(["as_of_date", sector_before])["r"].mean().unstack()
    growth = of_sector.apply(lambda sector: growth_21d(sector, dates)).stack()
    keys = pd.MultiIndex.from_arrays([frame["as_of_date"], frame["sector"].fillna("")])
    want = own / growth.reindex(keys).to_numpy() - 1
    assert_same(frame["sector_rel_strength_21d"], want, 30 * 2000)


def test_vix_of_the_session_before(real_market, frame):
    closes = real_market.raw("cboe/VIX_History.parquet")
    closes = pd.Series(closes["CLOSE"].to_numpy(float), pd.to_datetime(closes["DATE"])).sort_index()
    sessions = exchange_calendars.get_calendar("XNYS", start="2012-06-01", end=frame["as_of_date"].max()).sessions
    before = closes.reindex(sessions.tz_localize(None)).shift()
    assert_same(frame["vix_level"], frame["as_of_date"].map(before), 30 * 2000)
    assert_same(frame["vix_change_5d"], frame["as_of_date"].map(before / before.shift(5) - 1), 30 * 2000)


def test_regimes_of_the_market(frame):
    spy = frame[frame["ticker"] == "SPY"].set_index("as_of_date")
    trend = (spy["close"] > spy["close"].rolling(200).mean()).where(spy["row_in_run"] >= 200)
    assert_same(frame["market_trend_up"], frame["as_of_date"].map(trend.astype(float)), 30 * 2000)

    vol = (spy["r"].rolling(21).std() * np.sqrt(252)).dropna()
    lower, upper = (vol.expanding(252).quantile(q) for q in (1 / 3, 2 / 3))
    tercile = (1 + (vol > lower) + (vol > upper)).where(lower.notna()).reindex(spy.index)
    got = spy["market_vol_tercile"].astype(float)
    # a value on the very limit may fall to either side of it by the last bit of the interpolation
    on_limit = (((vol - lower).abs() < 1e-12) | ((vol - upper).abs() < 1e-12)).reindex(spy.index, fill_value=False)
    assert on_limit.sum() < 10
    pd.testing.assert_series_equal(got[~on_limit], tercile[~on_limit], check_names=False)
    assert set(got.dropna()) == {1, 2, 3}
    assert (frame["market_vol_tercile"].astype(float) - frame["as_of_date"].map(got)).abs().max() == 0


def test_calendar(frame):
    dates = frame["as_of_date"].dt
    sessions = exchange_calendars.get_calendar("XNYS", start="2012-06-01", end="2025-06-01").sessions.tz_localize(None)
    last_of_month = pd.Series(sessions, sessions).groupby([sessions.year, sessions.month]).max()
    expected = {
        "day_of_week": dates.day_of_week + 1,
        "month_of_year": dates.month,
        "quarter_of_year": (dates.month + 2) // 3,
        "days_since_year_start": dates.day_of_year - 1,
        "is_month_end": frame["as_of_date"].isin(last_of_month).astype(int),
    }
    for name, want in expected.items():
        assert (frame[name].astype(int) == want).all(), name


def test_sector_flags(frame):
    known = frame["sector"].notna()
    assert known.any()
    for name, sector in FLAGS.items():
        assert (frame.loc[known, name].astype(int) == (frame.loc[known, "sector"] == sector)).all(), name
        assert frame.loc[~known, name].isna().all()
    assert (frame.loc[known, [*FLAGS, "sector_other"]].astype(int).sum(axis=1) == 1).all()
