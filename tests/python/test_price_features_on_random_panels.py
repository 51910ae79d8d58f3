"""Price features of the compiled models against numpy, window by window, on panels with gaps and stale rows."""

from __future__ import annotations

import csv

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from sql_model import project_vars

from bench import compiled

VALUATIONS = ["earnings_yield", "fcf_yield", "book_to_market", "sales_yield", "ev_to_ebitda", "dividend_yield"]
FAMILIES = ["price", "momentum", "volatility", "beta", "technical"]
KEYS = ["security_id", "session_index"]
VARS = project_vars()


@pytest.fixture(scope="module", autouse=True)
def compiled_once():
    """A project that does not compile fails here, once."""
    compiled.models()


@st.composite
def panels(draw) -> pd.DataFrame:
    """Rows of int_prices and int_returns: 2 to 4 securities, each of 1 to 3 runs of 1 to 300 rows, in which the
    price may stand still for a while, without volume.
    """
    seed = draw(st.integers(0, 2**32 - 1))
    runs = draw(st.lists(st.lists(st.integers(1, 300), min_size=1, max_size=3), min_size=2, max_size=4))
    missing_market = draw(st.lists(st.integers(0, 400), max_size=2))
    market_is_still = draw(st.booleans())
    rng = np.random.default_rng(seed)
    market = np.zeros(1000) if market_is_still else rng.normal(0, 0.01, 1000)
    market[missing_market] = np.nan
    rows = []
    for security_id, lengths in enumerate(runs, start=1):
        start = int(rng.integers(0, 50))
        for length in lengths:
            sessions = start + np.arange(length)
            growth = 1 + rng.normal(0, 0.03, length)
            growth[rng.random(length) < 0.05] = 1.0
            at = np.arange(length)
            still_from = draw(st.integers(0, 400))
            still = (at >= still_from) & (at < still_from + draw(st.integers(0, 60)))
            growth[still] = 1.0
            close = rng.uniform(1, 500) * np.cumprod(growth)
            volume = np.where(still | (rng.random(length) < 0.1), 0.0, np.exp(rng.normal(12, 1, length)))
            rows.append(
                pd.DataFrame(
                    {
                        "security_id": security_id,
                        "session_index": sessions,
                        "row_in_run": at + 1,
                        "open": close * rng.uniform(0.9, 1.1, length),
                        "high": np.where(still, close, close * (1 + rng.random(length) / 50)),
                        "low": np.where(still, close, close * (1 - rng.random(length) / 50)),
                        "close": close,
                        "close_total_return": close * rng.uniform(0.5, 1.5),
                        "volume_shares": volume,
                        "dollar_volume_usd": close * volume,
                        "adv_20": rng.uniform(1e5, 1e9, length),
                        "is_member": rng.random(length) < 0.8,
                        "m": market[sessions],
                    }
                )
            )
            start += length + int(rng.integers(6, 40))
    return pd.concat(rows, ignore_index=True)


def built(panel: pd.DataFrame) -> pd.DataFrame:
    """The families' tables made by the project's SQL from a panel, in storage order."""
    with duckdb.connect() as con:
        con.execute("set threads = 2")
        con.execute("create schema intermediate")
        con.execute(
            """create table intermediate.int_prices as
            select *, date '2000-01-01' + session_index::integer as as_of_date, timestamp '2000-01-01' as known_at
            from panel order by security_id, session_index"""
        )
        con.execute(
            """create table intermediate.int_returns as
            select as_of_date, security_id, known_at, row_in_run, m,
                case when row_in_run > 1 then close_total_return / lag(close_total_return) over () - 1 end as r
            from intermediate.int_prices"""
        )
        con.execute(
            """create view intermediate.int_feature_rows as
            select *, null::varchar as sector from intermediate.int_prices"""
        )
        compiled.build(con, [f"feat_{family}" for family in FAMILIES])
        frames = [con.sql(f"from features.feat_{family}").df() for family in FAMILIES]
        # the rank of momentum reads no fundamentals, its table does
        valuations = ", ".join(f"null::double as {name}" for name in VALUATIONS)
        con.execute(
            f"""create view features.feat_fundamental as
            select as_of_date, security_id, known_at, {valuations} from intermediate.int_prices"""
        )
        compiled.build(con, ["feat_relative"])
        rank = "select as_of_date, security_id, relative_strength_126d from features.feat_relative"
        frames.append(con.sql(rank).df())
    for frame in frames[1:]:
        assert (frame[["security_id", "as_of_date"]] == frames[0][["security_id", "as_of_date"]]).all(axis=None)
    return pd.concat([frames[0], *[frame.iloc[:, 2:] for frame in frames[1:]]], axis=1)


def windows(values: np.ndarray, n: int) -> np.ndarray:
    """(rows, n) windows ending at each row; NaN where the window reaches before the first row."""
    padded = np.concatenate([np.full(n - 1, np.nan), values])
    return sliding_window_view(padded, n)


def shifted(values: np.ndarray, n: int) -> np.ndarray:
    """The value n rows earlier, NaN where there is none."""
    return np.concatenate([np.full(n, np.nan), values])[: len(values)]


def deviation(r: np.ndarray, n: int) -> np.ndarray:
    """Annualised sample standard deviation of n returns."""
    return np.std(windows(r, n), axis=1, ddof=1) * np.sqrt(252)


def beta(r: np.ndarray, m: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """(beta, annualised residual volatility) over n pairs."""
    r_windows, m_windows = windows(r, n), windows(m, n)
    r_gap = r_windows - r_windows.mean(axis=1, keepdims=True)
    m_gap = m_windows - m_windows.mean(axis=1, keepdims=True)
    variance = (m_gap**2).sum(axis=1)
    still = m_windows.max(axis=1) == m_windows.min(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(still, np.nan, (r_gap * m_gap).sum(axis=1) / variance)
    left = ((r_gap - slope[:, None] * m_gap) ** 2).sum(axis=1)
    return slope, np.sqrt(left / (n - 1)) * np.sqrt(252)


def recursive(terms: np.ndarray, start: int, seed: float, step: float) -> np.ndarray:
    """Average a(start) = seed, then a += step (x - a); NaN before position start."""
    out = np.full(len(terms), np.nan)
    if start < len(terms):
        out[start] = seed
    for i in range(start + 1, len(terms)):
        out[i] = out[i - 1] + step * (terms[i] - out[i - 1])
    return out


def ema(x: np.ndarray, n: int) -> np.ndarray:
    """Exponential average whose seed is the first value."""
    return recursive(x, 0, x[0], 2 / (n + 1))


def wilder(terms: np.ndarray, first: int) -> np.ndarray:
    """Wilder's average over 14; its seed is the mean of the 14 terms from position first on."""
    return recursive(terms, first + 13, terms[first : first + 14].mean() if first < len(terms) else np.nan, 1 / 14)


def blank(values: np.ndarray, rows: int) -> np.ndarray:
    """The same with the first rows NaN."""
    return np.where(np.arange(len(values)) < rows, np.nan, values)


def technical(run: pd.DataFrame) -> dict[str, np.ndarray]:
    """The indicators of one unbroken run from their definitions, windows cut out one by one."""
    names = ["high", "low", "close", "volume_shares", "dollar_volume_usd", "close_total_return"]
    h, low, c, v, dollars, tr = (run[name].to_numpy() for name in names)
    before = {name: np.concatenate([[np.nan], x[:-1]]) for name, x in (("h", h), ("l", low), ("c", c), ("tr", tr))}
    moved, rise, fall = c - before["c"], h - before["h"], before["l"] - low
    typical = (h + low + c) / 3
    out = {}
    up, down = wilder(np.maximum(moved, 0), 1), wilder(np.maximum(-moved, 0), 1)
    out["rsi_14"] = np.where(up + down == 0, 50, 100 * up / (up + down))
    fast, slow = ema(c, 12), ema(c, 26)
    macd = (fast - slow) / c
    signal = ema(macd, 9)
    out |= {"macd_12_26": blank(macd, 25), "macd_signal_9": blank(signal, 33), "macd_hist": blank(macd - signal, 33)}
    out |= {"ema_12_dist": blank(c / fast - 1, 11), "ema_26_dist": blank(c / slow - 1, 25)}
    true_range = wilder(np.maximum.reduce([h - low, np.abs(h - before["c"]), np.abs(low - before["c"])]), 1)
    # moves of the same size, but for rounding, are none
    plus = wilder(np.where((rise - fall > 1e-9 * c) & (rise > 0), rise, 0.0), 1) / true_range
    minus = wilder(np.where((fall - rise > 1e-9 * c) & (fall > 0), fall, 0.0), 1) / true_range
    both_still = (true_range == 0) | (plus + minus == 0)
    out["adx_14"] = wilder(np.where(both_still, 0, 100 * np.abs(plus - minus) / (plus + minus)), 14)
    highest, lowest = windows(h, 14).max(axis=1), windows(low, 14).min(axis=1)
    out["stoch_k_14"] = 100 * (c - lowest) / np.where(highest == lowest, np.nan, highest - lowest)
    out["stoch_d_3"] = windows(out["stoch_k_14"], 3).mean(axis=1)
    paid = windows(typical, 20)
    deviation_of_paid = np.abs(paid - paid.mean(axis=1, keepdims=True)).mean(axis=1)
    flat = paid.max(axis=1) == paid.min(axis=1)
    out["cci_20"] = (typical - paid.mean(axis=1)) / (0.015 * np.where(flat, np.nan, deviation_of_paid))
    mean, spread = windows(c, 20).mean(axis=1), windows(c, 20).std(axis=1)
    out |= {"bb_upper_dist_20": (mean + 2 * spread) / c - 1, "bb_lower_dist_20": (mean - 2 * spread) / c - 1}
    for n in (20, 50, 200):
        out[f"sma_{n}_dist"] = c / windows(c, n).mean(axis=1) - 1
    mean_volume = windows(v, 20).mean(axis=1)
    mean_volume[mean_volume == 0] = np.nan
    signed = windows(np.where(np.isnan(moved), 0, np.sign(moved)) * v, 20).copy()
    signed[:, 0] = 0
    line = np.arange(20) - 9.5
    out["obv_slope_20"] = blank((np.cumsum(signed, axis=1) * line).sum(axis=1) / 665 / mean_volume, 19)
    out["vwap_20_dist"] = c / (windows(typical * v, 20).sum(axis=1) / (20 * mean_volume)) - 1
    out["volume_sma_ratio_20"] = v / mean_volume
    long_mean = windows(v, 60).mean(axis=1)
    out["volume_trend_20_60"] = windows(v, 20).mean(axis=1) / np.where(long_mean == 0, np.nan, long_mean) - 1
    out["high_252_dist"] = c / windows(h, 252).max(axis=1) - 1
    out["low_252_dist"] = c / windows(low, 252).min(axis=1) - 1
    impact = windows(np.where(v > 0, np.abs(tr / before["tr"] - 1) / dollars, np.nan), 21)
    traded = windows(v, 21) > 0
    mean_impact = np.where(traded, impact, 0).sum(axis=1) / np.maximum(traded.sum(axis=1), 1) * 1e6
    out["amihud_21"] = blank(np.where(traded.sum(axis=1) < 15, np.nan, mean_impact), 21)
    return out


def expected(panel: pd.DataFrame) -> pd.DataFrame:
    """All price features from their definitions, run by run."""
    runs = []
    for _, run in panel.groupby([panel["security_id"], (panel["row_in_run"] == 1).cumsum()], sort=False):
        tr = run["close_total_return"].to_numpy()
        past = {n: shifted(tr, n) for n in (1, 5, 21, 63, 126, 252)}
        close, before = run["close"].to_numpy(), shifted(run["close"].to_numpy(), 1)
        r = tr / past[1] - 1
        m = run["m"].to_numpy()
        feature = pd.DataFrame({"adv_20": run["adv_20"].to_numpy()})
        feature["hl_ratio"] = (run["high"] / run["low"]).to_numpy()
        feature["range_pct"] = ((run["high"] - run["low"]) / run["close"]).to_numpy()
        feature["gap_1d"] = run["open"].to_numpy() / before - 1
        feature["ret_1d"] = r
        feature["ret_5d"] = tr / past[5] - 1
        feature["ret_21d"] = tr / past[21] - 1
        for name, n in {"mom_1m": 21, "mom_3m": 63, "mom_6m": 126, "mom_12m": 252}.items():
            feature[name] = tr / past[n] - 1
        feature["mom_3_1"] = past[21] / past[63] - 1
        feature["mom_6_1"] = past[21] / past[126] - 1
        feature["mom_12_1"] = past[21] / past[252] - 1
        feature["reversal_1m"] = -feature["mom_1m"]
        for n in (10, 20, 60):
            feature[f"roc_{n}d"] = close / shifted(close, n) - 1
        feature["trend_strength_200d"] = close / windows(close, 200).mean(axis=1) - 1
        true_range = np.fmax(run["high"], before) - np.fmin(run["low"], before)
        feature["atr_14_pct"] = wilder(true_range.to_numpy(), 1) / close
        middle, half = windows(close, 20).mean(axis=1), 2 * windows(close, 20).std(axis=1)
        feature["bb_width_20"] = 2 * half / middle
        flat = windows(close, 20).max(axis=1) == windows(close, 20).min(axis=1)
        feature["bb_position_20"] = (close - middle + half) / np.where(flat, np.nan, 2 * half)
        squared_range = np.log(run["high"] / run["low"]).to_numpy() ** 2
        feature["parkinson_21"] = np.sqrt(windows(squared_range, 21).mean(axis=1) / (4 * np.log(2)) * 252)
        feature["vol_20"] = deviation(r, 20)
        feature["vol_21"], feature["vol_63"] = deviation(r, 21), deviation(r, 63)
        feature["vol_blend"] = (feature["vol_21"] + feature["vol_63"]) / 2
        feature["beta_21d"], _ = beta(r, m, 21)
        feature["beta_63d"], feature["resid_vol_63d"] = beta(r, m, 63)
        feature["beta_252d"], _ = beta(r, m, 252)
        with np.errstate(divide="ignore", invalid="ignore"):
            for name, values in technical(run).items():
                feature[name] = values
        runs.append(feature)
    whole = pd.concat(runs, ignore_index=True)
    strength = whole["mom_6m"].where(panel["is_member"]).groupby(panel["session_index"])
    names = strength.transform("count")
    whole["relative_strength_126d"] = (
        ((strength.rank() - 1) / (names - 1)).where(names != 1, 0.5).where(panel["is_member"] & whole["mom_6m"].notna())
    )
    return whole


def assert_close(got: pd.Series, want: pd.Series, tolerance: float = 1e-9) -> None:
    """Same rows missing; |a - b| <= tolerance x max(|b|, median |column|)."""
    pd.testing.assert_series_equal(got.isna(), want.isna(), check_names=False, obj=f"NULLs of {want.name}")
    scale = np.maximum(want.abs(), want.abs().median())
    worst = ((got - want).abs() / scale.where(scale > 0, 1)).max()
    assert not worst > tolerance, f"{want.name} is off by {worst:.2e}"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(panel=panels())
def test_features_equal_their_definitions_when_runs_break(panel):
    got, want = built(panel), expected(panel)
    assert len(got) == len(want)
    for column in want:
        assert_close(got[column].astype(float), want[column])


FIRST_ROWS = {
    "rsi_14": 15, "macd_12_26": 26, "macd_signal_9": 34, "macd_hist": 34, "stoch_k_14": 14, "stoch_d_3": 16,
    "adx_14": 28, "cci_20": 20, "bb_upper_dist_20": 20, "bb_lower_dist_20": 20, "obv_slope_20": 20, "sma_20_dist": 20,
    "sma_50_dist": 50, "sma_200_dist": 200, "ema_12_dist": 12, "ema_26_dist": 26, "vwap_20_dist": 20,
    "volume_sma_ratio_20": 20, "volume_trend_20_60": 60, "high_252_dist": 252, "low_252_dist": 252, "amihud_21": 22,
}  # fmt: skip


def test_indicators_begin_where_their_window_is_full_and_end_with_the_run():
    """Three runs of 260, 30 and 70 rows behind each other, each at its own level so that another's rows would show.

    The first value of each indicator stands on the registry's row, the last on the run's last.
    """
    rows = []
    for level, length in ((1.0, 260), (64.0, 30), (4096.0, 70)):
        at = np.arange(length)
        close = level * (2 + at % 2)
        run = {"security_id": 1, "session_index": at + len(rows) * 1000, "row_in_run": at + 1, "close": close}
        run |= {"high": close + level, "low": close - level, "close_total_return": close, "m": 0.0, "adv_20": 1.0}
        run |= {"open": close, "is_member": True}
        rows.append(pd.DataFrame(run | {"volume_shares": 1 / level, "dollar_volume_usd": close / level}))
    panel = pd.concat(rows, ignore_index=True)
    got, first = built(panel), panel["row_in_run"].to_numpy()
    with (compiled.ROOT / "seeds/feature_registry.csv").open() as file:
        registered = {r["feature_name"]: int(r["min_history_days"]) for r in csv.DictReader(file)}
    assert {name: registered[name] for name in FIRST_ROWS} == FIRST_ROWS
    for name, row in FIRST_ROWS.items():
        assert (got[name].notna().to_numpy() == (first >= row)).all(), name
    by_run = got.assign(run=panel["session_index"] // 1000, row=first)
    long = by_run[by_run["run"] == 0].set_index("row")
    for number in (1, 2):
        other = by_run[by_run["run"] == number].set_index("row")
        for name in FIRST_ROWS.keys() - {"amihud_21"}:
            assert_close(other[name].astype(float), long[name].reindex(other.index).astype(float))


def test_bits_of_a_window_do_not_depend_on_rows_outside_it():
    rng = np.random.default_rng(3)
    rows = []
    for security_id in range(1, 4):
        close = 20 * np.cumprod(1 + rng.normal(0, 0.02, 700))
        rows.append(
            pd.DataFrame(
                {
                    "security_id": security_id,
                    "session_index": np.arange(700),
                    "row_in_run": np.arange(1, 701),
                    "open": close * 0.995,
                    "high": close * 1.01,
                    "low": close * 0.99,
                    "close": close,
                    "close_total_return": close,
                    "volume_shares": np.exp(rng.normal(12, 1, 700)),
                    "dollar_volume_usd": close * 1e5,
                    "adv_20": close * 1e5,
                    "is_member": np.arange(700) % 9 != security_id,
                    "m": np.random.default_rng(5).normal(0, 0.01, 700),
                }
            )
        )
    panel = pd.concat(rows, ignore_index=True)
    whole = built(panel)
    cut = built(panel[panel["session_index"] <= 480].reset_index(drop=True))
    kept = whole[(panel["session_index"] <= 480).to_numpy()].reset_index(drop=True)
    assert cut["beta_252d"].notna().sum() == 3 * (481 - 252)
    for column in cut.columns[3:]:
        assert cut[column].to_numpy().tobytes() == kept[column].to_numpy().tobytes(), column


def test_variance_does_not_cancel_when_the_mean_is_large():
    rng = np.random.default_rng(11)
    close, r = 1e6 + rng.normal(0, 1e-2, 74), 1e4 + rng.normal(0, 1e-3, 74)
    with duckdb.connect() as con:
        con.execute("create schema intermediate")
        con.execute(
            """create table intermediate.int_prices as select date '2000-01-01' + i::integer as as_of_date,
            1 as security_id, (i + 1)::integer as row_in_run, x[i + 1] as high, x[i + 1] as low, x[i + 1] as close,
            tr[i + 1] as close_total_return
            from (select $x::double[] as x, $tr::double[] as tr), range(74) as r (i) order by i""",
            {"x": close.tolist(), "tr": np.cumprod(1 + r).tolist()},
        )
        compiled.build(con, ["feat_volatility"])
        got = con.sql("select bb_width_20, vol_63 from features.feat_volatility").df()
    # the sums carry 8 digits of the deviations; a sum of squares less the squared sum would carry none
    width = 4 * np.std(windows(close - 1e6, 20), axis=1) / windows(close, 20).mean(axis=1)
    for name, first, want in (("bb_width_20", 19, width), ("vol_63", 63, deviation(r - 1e4, 63))):
        assert np.abs(got[name].to_numpy()[first:] / want[first:] - 1).max() < 1e-6, name


@pytest.mark.parametrize("missing", ["feat_beta", "feat_price"])
def test_collector_refuses_families_with_other_rows(missing):
    """A family left unbuilt after new prices must stop the query, not shift one security's values to another."""
    with duckdb.connect() as con:
        con.execute("create schema intermediate; create schema features")
        con.execute(
            """create table intermediate.int_prices as select date '2000-01-01' + (i // 3)::integer as as_of_date,
            i % 3 as security_id, timestamp '2000-01-01' as known_at, timestamp '2000-01-01' as decided_at,
            from range(30) as r (i) order by security_id, as_of_date"""
        )
        con.execute(
            "create table intermediate.int_feature_rows as select *, true as is_member from intermediate.int_prices"
        )
        # every family with a column of its own, and the columns that the collector or an alias names
        collector = compiled.models()["features"].sql
        named = {"momentum": ["roc_10d", "roc_20d", "roc_60d", "trend_strength_200d"]}
        named |= {"relative": ["relative_strength_126d"]}
        named["price"] = [name for name in VARS["feature_aliases"].values() if name not in named["momentum"]]
        for name in VARS["feature_families"]:
            others = "".join(f", 1.0 as {column}" for column in named.get(name, []))
            con.execute(
                f"""create table features.feat_{name} as select as_of_date, security_id, 1.0 as x_{name}
                {others} {", known_at" if f" {name}.known_at" in collector else ""}
                from intermediate.int_prices order by security_id, as_of_date"""
            )
        compiled.build(con, ["features"])
        assert con.execute("select count(*), sum(x_beta) from features.features").fetchone() == (30, 30)
        con.execute(f"delete from features.{missing} where security_id = 1 and as_of_date = '2000-01-05'")
        with pytest.raises(duckdb.Error, match="do not have the same rows"):
            con.execute("select count(*) from features.features").fetchone()
