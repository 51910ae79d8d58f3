"""What all companies of the demo market share: regimes, factors, premia with their loadings, funds, the VIX."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kairos.demo.history import HORIZONS, Market
from kairos.demo.parameters import (
    DRIFT,
    MARKET_VOL,
    PREMIA,
    SECTOR_VOL,
    STAY,
    VALUE_ADAPTS,
    ar1,
    decay_of,
    rng_of,
    student,
)
from kairos.demo.registry import ETFS, SECTORS

ENTRY_LAG = 1  # sessions between the decision and the label's first close


@dataclass(frozen=True)
class Paths:
    """What all companies share over L = BURN_IN + T positions (the last T are the market's sessions)."""

    days: np.ndarray  # (L,) datetime64[D]
    regime: np.ndarray  # (L,) 0 calm, 1 stress
    market: np.ndarray  # (L,) f
    sectors: np.ndarray  # (L, S) g
    premia: dict[str, np.ndarray]  # (L,) drift per unit of the state, in force for the next session
    loadings: dict[str, np.ndarray]  # (L, H) expected log return over each horizon per unit of the state


def common_paths(days: np.ndarray, T: int, seed: int, signal: float) -> Paths:
    """Regimes, factors, premia and the loadings of the truth."""
    L, rng = len(days), rng_of(seed, 1)
    leaves = rng.random(L)
    regime = np.zeros(L, dtype=np.int64)
    for t in range(1, L):
        stays = leaves[t] < STAY[regime[t - 1]]
        regime[t] = regime[t - 1] if stays else 1 - regime[t - 1]
    swing = np.exp(0.40 * ar1(rng.standard_normal(L), 0.5 ** (1 / 30)) - 0.08)
    market = MARKET_VOL[regime] * swing * student(rng, L)
    sectors = SECTOR_VOL[regime][:, None] * student(rng, (L, len(SECTORS)))
    ahead = L + max(HORIZONS) + ENTRY_LAG
    span = np.clip((np.arange(ahead) - (L - T)) / T, 0, None)
    years = np.clip(np.arange(ahead) - (L - T), 0, None) / 252
    by_regime = {
        name: signal * p.base * np.exp(-p.decay * years)[:, None] * np.array(p.regimes) * (span < p.stops)[:, None]
        for name, p in PREMIA.items()
    }
    # the mispricing shrinks by what value gives up and by what the price makes good
    shrink = 1 - VALUE_ADAPTS - by_regime["d"]
    phi = {name: np.full((ahead, 2), decay_of(name)) for name in ("q", "m", "s", "c", "n", "z", "y")} | {"d": shrink}
    phi["dq"] = shrink * decay_of("q")
    return Paths(
        days,
        regime,
        market,
        sectors,
        {name: values[np.arange(L), regime] for name, values in by_regime.items()},
        {name: loadings(values, phi[name], regime) for name, values in by_regime.items()},
    )


def loadings(premium: np.ndarray, phi: np.ndarray, regime: np.ndarray) -> np.ndarray:
    """Expected log return over each horizon's window per unit of a state at the close of t.

    The window holds the returns of sessions t + ENTRY_LAG + 1 ... t + ENTRY_LAG + h; the return of session v + 1 has
    the drift premium[v, R_v] x[v], and x[v + 1] = phi[v, R_v] x[v] + a shock of mean zero, with R the regime's chain.

    Args:
        premium, phi: (L + longest window, 2), by position and regime; regime: (L,) the one in force at each position.

    Returns:
        (L, len(HORIZONS)).
    """
    L = len(regime)
    chain = np.array([[STAY[0], 1 - STAY[0]], [1 - STAY[1], STAY[1]]])
    weight = np.eye(2)[regime]  # E[x_v 1{R_v = r}] / x_t
    sums, out = np.zeros(L), {}
    for step in range(ENTRY_LAG + max(HORIZONS)):
        v = np.arange(L) + step
        if step >= ENTRY_LAG:
            sums = sums + (weight * premium[v]).sum(axis=1)
        weight = (weight * phi[v]) @ chain
        if step - ENTRY_LAG + 1 in HORIZONS:
            out[step - ENTRY_LAG + 1] = sums
    return np.stack([out[h] for h in HORIZONS], axis=1)


def funds(paths: Paths, T: int, seed: int, signal: float, securities: int) -> Market:
    """The market fund, the sector funds and the volatility index."""
    rng = rng_of(seed, 2)
    days, market = paths.days[-T:], paths.market[-T:]
    vol = MARKET_VOL[paths.regime[-T:]]
    fund = {"SPY": (market, vol, 8e7)}
    fund |= {ticker: (market + paths.sectors[-T:, k], 1.2 * vol, 6e6) for k, ticker in enumerate(ETFS)}
    bars = {name: fund_bars(rng, days, *given) for name, given in fund.items()}
    level = (
        100
        * np.sqrt(252)
        * 1.1
        * MARKET_VOL[paths.regime]
        * np.exp(0.12 * ar1(rng.standard_normal(len(paths.days)), 0.93))
    )
    smooth = ar1(0.12 * (level - level[0]), 0.88, unit=False) + level[0]
    return Market(seed, signal, days, bars.pop("SPY"), bars, np.round(smooth[-T:], 2), securities)


def fund_bars(rng: np.random.Generator, days: np.ndarray, shocks: np.ndarray, vol: np.ndarray, volume: float) -> dict:
    """Bars of a fund that holds its market: no own risk, a dividend each quarter."""
    T = len(days)
    months = days.astype("datetime64[M]").astype(int)
    ex_date = np.r_[False, (months[1:] != months[:-1]) & (months[1:] % 3 == 2)]
    yields = np.where(ex_date, 0.004, 0.0)
    close = 100 * np.cumprod(np.exp(DRIFT + shocks) - yields)
    before = np.r_[close[0], close[:-1]]
    open_ = before * np.exp(0.3 * (DRIFT + shocks) + 0.2 * vol * rng.standard_normal(T))
    reach = np.abs(rng.standard_normal((2, T))) * 0.4 * vol
    cents = {
        "open": open_,
        "close": close,
        "high": np.maximum(open_, close) * np.exp(reach[0]),
        "low": np.minimum(open_, close) * np.exp(-reach[1]),
    }
    bars = {name: np.round(values, 2) for name, values in cents.items()}
    bars["volume"] = np.round(volume * np.exp(0.3 * rng.standard_normal(T) + 12 * np.abs(shocks)))
    bars["dividend"] = np.round(yields * before, 4)
    return bars
