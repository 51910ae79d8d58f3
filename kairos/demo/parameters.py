"""The demo market's parameters, frozen by docs/decisions/0013-the-demo-market.md, and what draws from them.

Returns and states; who lives and dies is in kairos/demo/registry.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# ---- parameters of the returns; per session, log units
DRIFT = 0.00025
STAY = np.array([1 - 1 / 260, 1 - 1 / 55])  # regimes: calm, stress
MARKET_VOL = np.array([0.0078, 0.0192])
SECTOR_VOL = np.array([0.0062, 0.0091])
OWN_VOL = 0.0140  # median over companies
OWN_VOL_SPREAD = 0.33
BETA_SPREAD = 0.12
STRESS_OWN_VOL = 1.3
DRY_SPELLS_A_YEAR = 0.25  # long times without a trade, per thin name
VALUE_ADAPTS = 0.0012  # share of a mispricing that value gives up to the price in a session
VALUE_IGNORES = 0.50  # share of an own shock that is not news about value
VALUE_NOISE = 0.012
EARNINGS_SHOW = 0.034  # of the value, a year, per unit of quality
HALF_LIFE = {"q": 900, "z": 800, "y": 800, "c": 60, "n": 40, "m": 80, "s": 10, "vol": 50, "burst": 3, "turn": 15}
TYPICAL_SHOCK, LARGEST_SHOCK = 0.018, 9  # own shocks in units of the first, cut at the second, move the states m and s
RECLASSIFIED_BEYOND = 0.6  # own log returns since its listing that change what a company is taken for
# Reactions to a filing: to its headline, which shows in no statement, on the first session, and to the surprise in its
# accounts, at once by day and on the second session for what comes in the evening: inside the window of a label decided
# on the filing's own date, and over before a filing known by its date alone may be used.
IN_THE_EVENING = 0.75  # share of filings
HEADLINE, POP_DAY, POP_EVENING = 0.025, 0.040, 0.070


@dataclass(frozen=True)
class Premium:
    """Drift per session of a state of one unit: base x exp(-decay x years) x the regime's multiple, until `stops`."""

    base: float
    decay: float = 0.0
    regimes: tuple[float, float] = (1.0, 1.0)
    stops: float = 1.0  # share of the market's span after which it is nothing


PREMIA = {
    "d": Premium(0.00055, 0.05, (1.0, 1.4)),
    "q": Premium(0.00032, 0.05, (0.9, 1.5)),
    "m": Premium(0.00009, 0.05, (1.1, 0.0)),
    "s": Premium(0.00076, 0.05, (0.9, 1.5)),
    "c": Premium(-0.00005),
    "n": Premium(0.00005),
    "dq": Premium(0.00027, 0.05),
    "z": Premium(0.00034, stops=0.25),
    "y": Premium(0.00043, stops=0.25),
}


def decay_of(name: str) -> float:
    """AR(1) coefficient of a state, from its half-life in sessions."""
    return 0.5 ** (1 / HALF_LIFE[name])


def rng_of(seed: int, *purpose: int) -> np.random.Generator:
    """A stream of its own for each purpose, so that no draw depends on what else is drawn."""
    return np.random.default_rng([seed, *purpose])


def student(rng: np.random.Generator, shape: int | tuple[int, ...]) -> np.ndarray:
    """Student t shocks with 5 degrees of freedom and unit variance."""
    return rng.standard_t(5, shape) * np.sqrt(3 / 5)


def ar1(shocks: np.ndarray, phi: np.ndarray | float, unit: bool = True, start: np.ndarray | float = 0.0) -> np.ndarray:
    """x[t] = phi x[t-1] + shock[t] along the first axis, from `start`; `unit` scales to a stationary variance of 1."""
    x = np.empty_like(shocks)
    scale = np.sqrt(1 - np.square(phi)) if unit else 1.0
    level = np.zeros(shocks.shape[1:]) + start
    for t in range(len(shocks)):
        level = phi * level + scale * shocks[t]
        x[t] = level
    return x
