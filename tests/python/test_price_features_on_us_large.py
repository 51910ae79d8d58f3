"""Price features and indicators of real large caps against pandas and TA-Lib, from the raw files alone, on all dates.

Nothing of the project is used to compute the expectation: bars are placed on the exchange's own calendar (package
exchange_calendars), a missing bar is carried for at most five sessions, windows are pandas' rolling ones within each
unbroken run. Names that split after the prices' basis date are among them: their prices must not have moved.
TA-Lib seeds its averages in another way: those that fade are compared from row 600 of a run, when the seed has faded.
"""

from __future__ import annotations

from pathlib import Path

import exchange_calendars
import numpy as np
import pandas as pd
import pytest
import talib

ROOT = Path(__file__).resolve().parents[2]
TOLERANCE = 1e-9
FEATURES = [
    "adv_20", "hl_ratio", "range_pct", "gap_1d", "ret_1d", "ret_5d", "ret_21d",
    "mom_1m", "mom_3m", "mom_6m", "mom_12m", "mom_3_1", "mom_6_1", "mom_12_1", "reversal_1m",
    "roc_10d", "roc_20d", "roc_60d", "trend_strength_200d",
    "vol_20", "vol_21", "vol_63", "vol_blend",
    "atr_14_pct", "bb_width_20", "bb_position_20", "parkinson_21",
    "beta_21d", "beta_63d", "beta_252d", "resid_vol_63d",
    "rsi_14", "macd_12_26", "macd_signal_9", "macd_hist", "stoch_k_14", "stoch_d_3", "adx_14", "cci_20",
    "bb_upper_dist_20", "bb_lower_dist_20", "obv_slope_20", "sma_20_dist", "sma_50_dist", "sma_200_dist",
    "ema_12_dist", "ema_26_dist", "vwap_20_dist", "volume_sma_ratio_20", "volume_trend_20_60",
    "high_252_dist", "low_252_dist", "amihud_21",
]  # fmt: skip
SEEDED = ["macd_12_26", "macd_signal_9", "macd_hist", "adx_14", "ema_12_dist", "ema_26_dist"]
SEED_FADED_ROW = 600


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


def average_true_range(run: pd.DataFrame, n: int) -> pd.Series:
    """Wilder's mean of the true range, one row after the other; the first is the plain mean of rows 2 to n + 1."""
    before = run["Close"].shift()
    ranges = pd.concat([run["High"] - run["Low"], (run["High"] - before).abs(), (run["Low"] - before).abs()], axis=1)
    true_range = ranges.max(axis=1).to_numpy()
    means = np.full(len(run), np.nan)
    if len(run) > n:
        means[n] = true_range[1 : n + 1].mean()
        for row in range(n + 1, len(run)):
            means[row] = (means[row - 1] * (n - 1) + true_range[row]) / n
    return pd.Series(means, index=run.index)


def indicators(run: pd.DataFrame) -> pd.DataFrame:
    """Indicators of one unbroken run: TA-Lib where it has the function, pandas elsewhere."""
    h, low, c, v = (run[name].to_numpy(dtype=float) for name in ["High", "Low", "Close", "Volume"])
    close, volume = run["Close"], run["Volume"].astype(float)
    feature = pd.DataFrame(index=run.index)
    feature["rsi_14"] = talib.RSI(c, 14)
    fast, slow = talib.EMA(c, 12), talib.EMA(c, 26)
    feature["macd_12_26"] = (fast - slow) / c
    feature["macd_signal_9"] = talib.EMA(feature["macd_12_26"].to_numpy(), 9)
    feature["macd_hist"] = feature["macd_12_26"] - feature["macd_signal_9"]
    feature["stoch_k_14"], _ = talib.STOCHF(h, low, c, 14, 1)
    still = pd.Series(talib.MAX(h, 14) == talib.MIN(low, 14), index=run.index)
    feature["stoch_k_14"] = feature["stoch_k_14"].mask(still)
    feature["stoch_d_3"] = feature["stoch_k_14"].rolling(3).mean()
    feature["adx_14"] = talib.ADX(h, low, c, 14)
    typical = talib.TYPPRICE(h, low, c)
    feature["cci_20"] = talib.CCI(h, low, c, 20)
    feature["cci_20"] = feature["cci_20"].mask(talib.MAX(typical, 20) == talib.MIN(typical, 20))
    mean, deviation = close.rolling(20).mean(), close.rolling(20).std(ddof=0)
    feature["bb_upper_dist_20"] = (mean + 2 * deviation) / close - 1
    feature["bb_lower_dist_20"] = (mean - 2 * deviation) / close - 1
    feature["obv_slope_20"] = talib.LINEARREG_SLOPE(talib.OBV(c, v), 20) / volume.rolling(20).mean()
    for n in (20, 50, 200):
        feature[f"sma_{n}_dist"] = c / talib.SMA(c, n) - 1
    feature["ema_12_dist"], feature["ema_26_dist"] = c / fast - 1, c / slow - 1
    paid = pd.Series(typical * v, index=run.index).rolling(20).sum()
    feature["vwap_20_dist"] = close / (paid / volume.rolling(20).sum()) - 1
    feature["volume_sma_ratio_20"] = volume / volume.rolling(20).mean()
    feature["volume_trend_20_60"] = volume.rolling(20).mean() / volume.rolling(60).mean() - 1
    feature["high_252_dist"], feature["low_252_dist"] = c / talib.MAX(h, 252) - 1, c / talib.MIN(low, 252) - 1
    r = run["Adj Close"] / run["Adj Close"].shift() - 1
    impact = (r.abs() / (close * volume)).where(volume > 0)
    feature["amihud_21"] = impact.rolling(21, min_periods=15).mean().where(r.rolling(21).count() == 21) * 1e6
    return feature


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
        close = run["Close"]
        feature["gap_1d"] = run["Open"] / close.shift() - 1
        feature["ret_1d"] = r
        feature["ret_5d"] = tr / tr.shift(5) - 1
        feature["ret_21d"] = tr / tr.shift(21) - 1
        feature["mom_1m"] = tr.pct_change(21)
        feature["mom_3m"] = tr.pct_change(63)
        feature["mom_6m"] = tr.pct_change(126)
        feature["mom_12m"] = tr.pct_change(252)
        feature["mom_3_1"] = tr.shift(21) / tr.shift(63) - 1
        feature["mom_6_1"] = tr.shift(21) / tr.shift(126) - 1
        feature["mom_12_1"] = tr.shift(21) / tr.shift(252) - 1
        feature["reversal_1m"] = -feature["mom_1m"]
        for n in (10, 20, 60):
            feature[f"roc_{n}d"] = close.pct_change(n)
        feature["trend_strength_200d"] = close / close.rolling(200).mean() - 1
        feature["vol_20"] = r.rolling(20).std() * np.sqrt(252)
        feature["vol_21"] = r.rolling(21).std() * np.sqrt(252)
        feature["vol_63"] = r.rolling(63).std() * np.sqrt(252)
        feature["vol_blend"] = (feature["vol_21"] + feature["vol_63"]) / 2
        feature["atr_14_pct"] = average_true_range(run, 14) / close
        middle, half = close.rolling(20).mean(), 2 * close.rolling(20).std(ddof=0)
        feature["bb_width_20"] = 2 * half / middle
        feature["bb_position_20"] = (close - (middle - half)) / (2 * half)
        feature["parkinson_21"] = np.sqrt(
            (np.log(run["High"] / run["Low"]) ** 2).rolling(21).mean() / (4 * np.log(2)) * 252
        )
        for n in (21, 63, 252):
            paired = m.where(r.notna())
            feature[f"beta_{n}d"] = r.rolling(n).cov(paired) / paired.rolling(n).var()
        left = r.rolling(63).var() - feature["beta_63d"] ** 2 * m.where(r.notna()).rolling(63).var()
        feature["resid_vol_63d"] = np.sqrt(left.clip(lower=0)) * np.sqrt(252)
        row = pd.Series(np.arange(1, len(run) + 1), index=run.index, name="row")
        runs.append(pd.concat([feature, indicators(run), row], axis=1))
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
            if name in SEEDED:
                a, b = a[want["row"] >= SEED_FADED_ROW], b[want["row"] >= SEED_FADED_ROW]
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
    first = {
        "gap_1d": 1, "ret_1d": 1, "ret_5d": 5, "vol_20": 20, "vol_21": 21, "mom_3m": 63, "beta_63d": 63, "mom_6m": 126,
        "beta_252d": 252, "mom_12_1": 252, "mom_6_1": 126, "mom_3_1": 63, "roc_10d": 10, "roc_20d": 20, "roc_60d": 60,
        "trend_strength_200d": 199, "atr_14_pct": 14, "bb_width_20": 19, "bb_position_20": 19, "parkinson_21": 20,
    }  # fmt: skip
    first |= {"rsi_14": 14, "stoch_d_3": 15, "adx_14": 27, "macd_signal_9": 33, "amihud_21": 21, "low_252_dist": 251}
    for ticker in ["AAPL", "MSFT", "ORLY", "FAST"]:
        for name, rows in first.items():
            missing = built.loc[ticker, name].isna().to_numpy()
            assert missing[:rows].all() and not missing[rows:].any(), (ticker, name)


def test_relative_strength_is_the_rank_among_the_members(real_market):
    """Average ranks of mom_6m by pandas, members only, from 0 to 1."""
    frame = real_market.query(
        "select as_of_date, is_member, mom_6m, relative_strength_126d as got from features.features"
    )
    of_members = frame["mom_6m"].where(frame["is_member"]).groupby(frame["as_of_date"])
    want = (of_members.rank() - 1) / (of_members.transform("count") - 1)
    pd.testing.assert_series_equal(frame["got"].astype(float), want, check_names=False, rtol=1e-12)
    assert want.notna().sum() > 30 * 2000


def test_aliases_are_the_features_they_name(real_market):
    registry = pd.read_csv(ROOT / "seeds/feature_registry.csv").dropna(subset="alias_of")
    assert len(registry) >= 3
    for row in registry.itertuples():
        rows, different = real_market.query(
            f"""select count({row.alias_of}), count(*) filter (where {row.feature_name} is distinct from {row.alias_of})
            from features.features"""
        ).iloc[0]
        assert rows > 30 * 2000
        assert different == 0, row.feature_name
