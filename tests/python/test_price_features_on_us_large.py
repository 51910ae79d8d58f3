"""The 17 price features (and adv_20) of real large caps against pandas, from the raw files alone, on all dates.

Nothing of the project is used to compute the expectation: bars are placed on the exchange's own calendar (package
exchange_calendars), a missing bar is carried for at most five sessions, windows are pandas' rolling ones within each
unbroken run. Names that split after the prices' basis date are among them: their prices must not have moved.
"""

from __future__ import annotations

import exchange_calendars
import numpy as np
import pandas as pd
import pytest

TOLERANCE = 1e-9
FEATURES = [
    "adv_20", "hl_ratio", "range_pct", "ret_5d", "ret_21d",
    "mom_1m", "mom_3m", "mom_6m", "mom_12m", "mom_12_1", "reversal_1m",
    "vol_21", "vol_63", "vol_blend",
    "beta_21d", "beta_63d", "beta_252d", "resid_vol_63d",
]  # fmt: skip


@pytest.fixture(scope="module")
def raw_bars(real_market) -> pd.DataFrame:
    """Raw bars by (ticker, Date)."""
    bars = real_market.raw("yahoo/prices.parquet")
    bars["Date"] = pd.to_datetime(bars["Date"])
    return bars.set_index(["ticker", "Date"]).sort_index()


@pytest.fixture(scope="module")
def calendar(raw_bars) -> pd.DatetimeIndex:
    """Sessions of the New York Stock Exchange over the file's dates."""
    dates = raw_bars.index.get_level_values("Date")
    sessions = exchange_calendars.get_calendar("XNYS", start=dates.min(), end=dates.max()).sessions
    return sessions.tz_localize(None)


@pytest.fixture(scope="module")
def built(real_market) -> pd.DataFrame:
    """features.features of the same names by (ticker, as_of_date)."""
    frame = real_market.query(
        f"""select prices.ticker, features.as_of_date, {", ".join("features." + name for name in FEATURES)}
        from features.features as features
        inner join intermediate.int_prices as prices using (security_id, as_of_date)"""
    )
    frame["as_of_date"] = pd.to_datetime(frame["as_of_date"])
    return frame.set_index(["ticker", "as_of_date"]).sort_index()


def dense(bars: pd.DataFrame, calendar: pd.DatetimeIndex) -> pd.DataFrame:
    """One row per session from the first bar to the last: bars, and for up to five sessions after one a stale row."""
    bars = bars[(bars[["Open", "High", "Low", "Close", "Adj Close"]] > 0).all(axis=1)]
    rows = bars.reindex(calendar[(calendar >= bars.index[0]) & (calendar <= bars.index[-1])])
    stale = rows["Close"].isna()
    carried = rows[["Close", "Adj Close"]].ffill(limit=5)
    for column in ["Open", "High", "Low"]:
        rows[column] = rows[column].where(~stale, carried["Close"])
    rows[["Close", "Adj Close"]] = carried
    rows["Volume"] = rows["Volume"].where(~stale, 0.0)
    rows["stale"] = stale
    rows["run"] = rows["Close"].isna().cumsum()
    return rows.dropna(subset=["Close"])


def expected(rows: pd.DataFrame, market: pd.Series) -> pd.DataFrame:
    """Features of one security from its dense rows and the market's daily return."""
    runs = []
    for _, run in rows.groupby("run"):
        tr = run["Adj Close"]
        r = tr / tr.shift() - 1
        m = market.reindex(run.index)
        feature = pd.DataFrame(index=run.index)
        feature["adv_20"] = (run["Close"] * run["Volume"]).rolling(20).mean()
        feature["hl_ratio"] = run["High"] / run["Low"]
        feature["range_pct"] = (run["High"] - run["Low"]) / run["Close"]
        feature["ret_5d"] = tr / tr.shift(5) - 1
        feature["ret_21d"] = tr / tr.shift(21) - 1
        feature["mom_1m"] = tr.pct_change(21)
        feature["mom_3m"] = tr.pct_change(63)
        feature["mom_6m"] = tr.pct_change(126)
        feature["mom_12m"] = tr.pct_change(252)
        feature["mom_12_1"] = tr.shift(21) / tr.shift(252) - 1
        feature["reversal_1m"] = -feature["mom_1m"]
        feature["vol_21"] = r.rolling(21).std() * np.sqrt(252)
        feature["vol_63"] = r.rolling(63).std() * np.sqrt(252)
        feature["vol_blend"] = (feature["vol_21"] + feature["vol_63"]) / 2
        for n in (21, 63, 252):
            paired = m.where(r.notna())
            feature[f"beta_{n}d"] = r.rolling(n).cov(paired) / paired.rolling(n).var()
        left = r.rolling(63).var() - feature["beta_63d"] ** 2 * m.where(r.notna()).rolling(63).var()
        feature["resid_vol_63d"] = np.sqrt(left.clip(lower=0)) * np.sqrt(252)
        runs.append(feature)
    return pd.concat(runs)


def test_every_price_feature_on_every_date(real_market, raw_bars, calendar, built):
    spy = dense(raw_bars.loc["SPY"], calendar)
    market = (spy["Adj Close"] / spy["Adj Close"].shift() - 1).where(~spy["stale"])
    wrong, compared = [], 0
    for ticker in real_market.tickers:
        want = expected(dense(raw_bars.loc[ticker], calendar), market)
        got = built.loc[ticker]
        assert got.index.equals(want.index), f"{ticker} has other dates"
        for name in FEATURES:
            a, b = got[name].astype(float), want[name]
            scale = np.maximum(b.abs(), b.abs().median())
            bad = (a.isna() != b.isna()) | ((a - b).abs() > TOLERANCE * scale)
            compared += len(b)
            if bad.any():
                day = bad.idxmax()
                wrong.append(f"{ticker} {name}: {bad.sum()} of {len(b)}, first {day:%Y-%m-%d}: {a[day]} for {b[day]}")
    assert not wrong, "\n".join(wrong)
    assert compared > 30 * 2000 * len(FEATURES), "fewer dates compared than the files hold"


def test_null_exactly_where_history_is_too_short(real_market, built):
    """On names without a missing bar, a window's first value stands on its first full row."""
    first = {"ret_5d": 5, "vol_21": 21, "mom_3m": 63, "beta_63d": 63, "mom_6m": 126, "beta_252d": 252, "mom_12_1": 252}
    for ticker in ["AAPL", "MSFT", "ORLY", "FAST"]:
        for name, rows in first.items():
            missing = built.loc[ticker, name].isna().to_numpy()
            assert missing[:rows].all() and not missing[rows:].any(), (ticker, name)
