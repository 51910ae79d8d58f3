"""An invented market in the tables the portfolio reads, written straight into a warehouse: no files, no learning."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[2]

SETTINGS = {"fill": "next_close", "initial_equity_usd": 10_000_000, "financing_bps": 150}
ALPHAS = ("ml_alpha_xgboost_5d_clf", "ml_alpha_ridge_20d")
ENSEMBLES = tuple(pd.read_csv(ROOT / "seeds" / "ensembles.csv")["ensemble_name"])


def frames(names: int = 240, sessions: int = 420, seed: int = 5, daily_vol: float = 0.022) -> dict[str, pd.DataFrame]:
    """Upstream tables of an invented market.

    Volatility differs between names by a factor of four, so that the position cap binds inverse-volatility sizes; one
    sector's scores are high, so that the sector cap binds; dollar volumes straddle 2 M USD; scores are persistent, but
    enough names change ranks to reach the turnover cap; one name dies and one merely stops trading.
    """
    rng = np.random.default_rng(seed)
    calendar = pd.read_csv(ROOT / "seeds" / "sessions.csv")
    dates = pd.to_datetime(calendar.iloc[:, 0])
    start = int(np.searchsorted(dates, pd.Timestamp("2018-01-02")))
    days = dates[start : start + sessions].reset_index(drop=True)
    ids = 1_000 + 7 * np.arange(names)
    vol = daily_vol * np.exp(rng.uniform(-0.7, 0.7, names))
    vol[:5] = daily_vol / 6
    market = rng.normal(0.0003, daily_vol * 0.6, sessions)
    # the calmest names do not follow the market: only so are they calm enough for the position cap
    beta = np.where(np.arange(names) < 5, 0.0, 1.0)
    r = market[:, None] * beta + vol * rng.normal(size=(sessions, names))
    level = 50 * np.exp(np.cumsum(np.log1p(r), axis=0))
    dividends = np.cumprod(np.where(rng.random((sessions, names)) < 0.01, 0.995, 1.0), axis=0)
    close = level * dividends
    open_ = close * np.exp(0.004 * rng.normal(size=close.shape))
    adv = np.exp(rng.uniform(np.log(8e5), np.log(3e9), names)) * np.exp(0.2 * rng.normal(size=close.shape))
    sector = np.array(["Energy", "Health", "Tech", "Utilities", "Banks", "Media"])[np.arange(names) % 6]
    signal = np.zeros((sessions, names))
    for t in range(1, sessions):
        signal[t] = 0.9 * signal[t - 1] + rng.normal(size=names)
    score = signal + 2.5 * (sector == "Tech")

    def realised(window: int) -> np.ndarray:
        return pd.DataFrame(r).rolling(window, min_periods=5).std().to_numpy() * np.sqrt(252)

    long = pd.MultiIndex.from_product([ids, days], names=["security_id", "as_of_date"]).to_frame(index=False)
    columns = {
        "session_index": np.tile(start + np.arange(sessions), names),
        "open": open_.T.ravel(),
        "close": close.T.ravel(),
        "close_total_return": level.T.ravel(),
        "close_unadjusted": 2 * close.T.ravel(),
        "adv_20": adv.T.ravel(),
        "adv_60": adv.T.ravel() * np.repeat(np.exp(rng.normal(size=names)), sessions),
        "vol_21": realised(21).T.ravel(),
        "vol_63": realised(63).T.ravel(),
        "sector": np.repeat(sector, sessions),
        "r": np.vstack([np.full(names, np.nan), level[1:] / level[:-1] - 1]).T.ravel(),
        "score": score.T.ravel(),
        "other_score": rng.normal(size=score.size),
    }
    bars = long.assign(**columns, is_stale=False, volume_shares=1e6, is_member=True)
    bars["vol_blend"] = (bars["vol_21"] + bars["vol_63"]) / 2
    # the names best liked half way through: one dies, one merely stops
    dead, stopped = ids[np.argsort(-score[sessions // 2])[:2]]
    gone = bars["as_of_date"].isin(days[sessions // 2 + 3 :]) & bars["security_id"].isin([dead, stopped])
    bars = bars[~gone]
    known = days[sessions // 2 + 23]
    securities = pd.DataFrame(
        {
            "security_id": ids,
            "ticker": [f"N{i:03d}" for i in range(names)],
            "is_delisted": ids == dead,
            "delisting_known_date": [known if i == dead else pd.NaT for i in ids],
            "delisting_return": np.where(ids == dead, -0.3, np.nan),
        }
    )
    tickers = dict(zip(securities["security_id"], securities["ticker"], strict=True))
    bars["ticker"] = bars["security_id"].map(tickers)
    scored = bars[bars["as_of_date"] >= days[80]]
    predictions = pd.concat(
        [
            scored[["as_of_date", "security_id"]].assign(alpha_name=alpha, score=scored[column], is_out_of_sample=True)
            for alpha, column in zip(ALPHAS, ("score", "other_score"), strict=True)
        ]
    )
    spy = 200 * np.exp(np.cumsum(market))
    key = ["as_of_date", "security_id"]
    prices = ["open", "close", "close_total_return", "close_unadjusted"]
    features = ["adv_20", "adv_60", "vol_21", "vol_63", "vol_blend"]
    return {
        "intermediate.int_prices": bars[
            [*key, "ticker", "session_index", *prices, "adv_20", "is_stale", "volume_shares"]
        ],
        "intermediate.int_universe": bars[[*key, "is_member", "sector", "adv_20"]],
        "intermediate.int_returns": bars[[*key, "r"]],
        "intermediate.int_market_series": pd.DataFrame({"as_of_date": days, "series": "SPY", "value": spy}),
        "intermediate.int_securities": securities,
        "features.features": bars[[*key, "is_member", *features]],
        "features.feat_volatility": bars[[*key, "vol_21", "vol_63", "vol_blend"]],
        "ml.ml_predictions": predictions,
        "ml.ml_alphas": scored[key].assign(**dict.fromkeys(ENSEMBLES, scored["score"] - scored["other_score"])),
        "portfolio.pf_scores": scored[key].assign(bundle_name="v8", mf_score=scored["other_score"]),
        "raw.market__market": pd.DataFrame({"key": ["survivorship_biased"], "value": ["true"]}),
    }


def write_warehouse(file: Path, tables: dict[str, pd.DataFrame]) -> Path:
    """Write upstream tables, the calendar and the project's seeds strategies, costs and feature_registry (and in it a
    second measure of volume, that a strategy can choose) into a new warehouse."""
    with duckdb.connect(str(file)) as con:
        for schema in ("raw", "seeds", "intermediate", "features", "ml", "portfolio"):
            con.execute(f"create schema {schema}")
        for name, frame in tables.items():
            dates = [column for column in frame.columns if column.endswith("_date")]
            casts = ", ".join(f"{column}::date as {column}" for column in dates)
            con.register("frame", frame)
            con.execute(f"create table {name} as select * {f'replace ({casts})' if dates else ''} from frame")
            con.unregister("frame")
        for seed in ("strategies", "costs", "feature_registry"):
            con.execute(f"create table seeds.{seed} as from read_csv('{ROOT / 'seeds' / seed}.csv')")
        con.execute("alter table seeds.strategies alter min_adv_usd type double")
        con.execute("insert into seeds.feature_registry by name select 'adv_60' as feature_name, 'usd' as unit")
        con.execute(
            f"create table intermediate.int_sessions as select *, lead(session_date) over (order by session_date) as"
            f" next_session_date from (select session_date, row_number() over (order by session_date) - 1 as"
            f" session_index, session_date + interval 21 hour as closes_at from read_csv('{ROOT}/seeds/sessions.csv'))"
        )
    return file
