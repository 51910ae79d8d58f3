"""States and returns of the demo market's companies, a chunk at a time, before anything is filed or quoted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kairos.demo.history import HORIZONS
from kairos.demo.parameters import (
    BETA_SPREAD,
    DRIFT,
    HEADLINE,
    IN_THE_EVENING,
    LARGEST_SHOCK,
    OWN_VOL,
    OWN_VOL_SPREAD,
    POP_DAY,
    POP_EVENING,
    PREMIA,
    RECLASSIFIED_BEYOND,
    STRESS_OWN_VOL,
    TYPICAL_SHOCK,
    VALUE_ADAPTS,
    VALUE_IGNORES,
    VALUE_NOISE,
    ar1,
    decay_of,
    rng_of,
    student,
)
from kairos.demo.registry import LOSERS, WINNERS

if TYPE_CHECKING:
    from kairos.demo.world import World


@dataclass(frozen=True)
class Traits:
    """What does not change about a company."""

    value_usd: float  # market value at the first position
    price: float  # USD at its first bar
    beta: float
    own_vol: float
    half_spread: float
    turnover: float  # share of the market value traded in a session
    dividend_yield: float  # a quarter, 0 = none
    issuance: float  # growth of the shares in a year
    earnings_yield: float
    sales_yield: float
    book_yield: float
    leverage: float  # assets over equity
    gross_margin: float
    current_ratio: float
    short_base: float
    held_base: float  # share held by institutions
    lag: int  # days from period end to a quarterly filing
    is_illiquid: bool


@dataclass(frozen=True)
class States:
    """A chunk's states over L positions, and what follows from them; arrays (L, n) unless said otherwise."""

    traits: list[Traits]
    filings: list[Filings]
    log_return: np.ndarray  # total return of each session, before what ends a company
    own: np.ndarray  # own shocks
    own_vol: np.ndarray  # (L, n) in force
    expected: np.ndarray  # (L, n, H)
    d: np.ndarray
    q: np.ndarray
    z: np.ndarray
    y: np.ndarray
    c: np.ndarray
    n: np.ndarray
    trade: np.ndarray  # log trading activity
    sector: np.ndarray  # (L, n) the sector it belongs to


@dataclass(frozen=True)
class Filings:
    """When a company's statements come out, and the surprise in each; arrays of length Q."""

    period_end: np.ndarray  # datetime64[D]
    fiscal_year: np.ndarray
    fiscal_quarter: np.ndarray
    filed: np.ndarray
    is_after_close: np.ndarray
    surprise: np.ndarray  # in its accounts, unit variance
    headline: np.ndarray  # unit variance


def simulate(world: World, numbers: range) -> States:
    """States and returns of a chunk of companies."""
    paths, seed = world.paths, world.seed
    L, n = len(paths.days), len(numbers)
    normal = np.empty((9, L, n))
    shocks = np.empty((L, n))
    start = np.empty((9, n))
    traits, filings = [], []
    leverage = np.empty((L, n))
    for column, number in enumerate(numbers):
        rng = rng_of(seed, 10, number)
        traits.append(draw_traits(rng))
        normal[:, :, column] = rng.standard_normal((9, L))
        shocks[:, column] = student(rng, L)
        start[:, column] = rng_of(seed, 13, number).standard_normal(9)
        filings.append(draw_filings(rng_of(seed, 11, number), world, number, traits[-1]))
        rng = rng_of(seed, 14, number)
        leverage[:, column] = ar1(rng.standard_normal(L), decay_of("y"), start=rng.standard_normal())

    def state(name: str, stream: int) -> np.ndarray:
        """From its stationary distribution on: at its full spread in every session."""
        return ar1(normal[stream], decay_of(name), start=start[stream])

    swing = 0.54 * state("vol", 0) + 0.45 * state("burst", 8)
    stress = np.where(paths.regime == 1, STRESS_OWN_VOL, 1.0)[:, None]
    own_vol = np.array([t.own_vol for t in traits]) * np.exp(swing - 0.247) * stress
    # the swing of a session is settled before it: volatility clusters, and the sign stays free
    own = own_vol * shocks
    at_once, a_session_on = np.zeros((2, L, n))
    for column, filing in enumerate(filings):
        first, second = reactions(paths.days, filing)
        np.add.at(at_once[:, column], first, HEADLINE * filing.headline)
        by_day = np.where(filing.is_after_close, 0.0, POP_DAY)
        np.add.at(at_once[:, column], first, by_day * filing.surprise)
        np.add.at(a_session_on[:, column], second, np.where(filing.is_after_close, POP_EVENING, 0.0) * filing.surprise)
    moves = own + at_once + a_session_on
    # each is cut by itself, so that the mean of what is not known yet stays zero whatever else is
    unit = in_units(own) + in_units(at_once) + in_units(a_session_on)
    x = {name: state(name, stream) for name, stream in (("q", 1), ("z", 2), ("c", 3), ("n", 4))} | {"y": leverage}
    x |= {"m": ar1(unit, decay_of("m")), "s": -ar1(unit, decay_of("s"))}
    usual = np.hypot(VALUE_IGNORES * np.exp(0.247) * np.array([t.own_vol for t in traits]), VALUE_NOISE)
    x["d"] = mispricing(-VALUE_IGNORES * own + VALUE_NOISE * normal[5], paths.premia["d"], start[5] * usual)
    x["dq"] = x["d"] * x["q"]
    drift = sum(paths.premia[name][:, None] * x[name] for name in PREMIA)
    # at the close of the first session of a reaction the second one's move is known
    coming = np.vstack([in_units(a_session_on[1:]), np.zeros(n)])
    known = x | {"m": knowing(x["m"], coming, decay_of("m")), "s": knowing(x["s"], -coming, decay_of("s"))}
    expected = sum(paths.loadings[name][:, None, :] * known[name][:, :, None] for name in PREMIA)
    horizon = DRIFT * np.array(HORIZONS)
    sector = np.stack([sectors_of(world, number, moves[:, k], L) for k, number in enumerate(numbers)], axis=1)
    beta = np.array([t.beta for t in traits])
    log_return = DRIFT + beta * paths.market[:, None] + np.take_along_axis(paths.sectors, sector, axis=1) + moves
    log_return[1:] += drift[:-1]
    return States(
        traits, filings, log_return, own, own_vol, np.exp(expected + horizon) - 1,
        x["d"], x["q"], x["z"], x["y"], x["c"], x["n"], ar1(normal[6], decay_of("turn")) + 0.6 * normal[7], sector,
    )  # fmt: skip


def in_units(moves: np.ndarray) -> np.ndarray:
    """Log moves in units of a typical shock, cut at the largest: what moves the states of over- and underreaction."""
    return np.clip(moves / TYPICAL_SHOCK, -LARGEST_SHOCK, LARGEST_SHOCK)


def knowing(state: np.ndarray, coming: np.ndarray, phi: float) -> np.ndarray:
    """The value of an AR(1) state of unit variance that leads to the next session's mean, the coming shock being known.

    A label's window opens after the next session, so `loadings` times this value counts the coming shock in full.
    """
    return state + np.sqrt(1 - phi**2) * coming / phi


def mispricing(shocks: np.ndarray, speed: np.ndarray, start: np.ndarray) -> np.ndarray:
    """d: shrinks by what value adapts and by what the price makes good, and takes the shocks of both.

    It begins at `start`, which is as large as one shock, scaled to the stationary sum of them.
    """
    d = np.zeros_like(shocks)
    keeps = 1 - VALUE_ADAPTS - speed[0]
    d[0] = start / np.sqrt(1 - keeps**2)
    for t in range(1, len(shocks)):
        d[t] = (1 - VALUE_ADAPTS - speed[t - 1]) * d[t - 1] + shocks[t]
    return d


def draw_traits(rng: np.random.Generator) -> Traits:
    """Sizes, risks and accounts of a company."""
    normal = rng.standard_normal(14)
    value = np.exp(np.log(2.5e9) + 1.45 * normal[0])
    small = (np.log(2.5e9) - np.log(value)) / 1.45
    turnover = 0.0050 * np.exp(0.45 * normal[1])
    return Traits(
        value_usd=value,
        price=np.exp(np.log(30) + 0.8 * normal[2] - 0.25 * small),
        beta=float(np.clip(1.0 + BETA_SPREAD * normal[3], 0.25, 2.2)),
        own_vol=OWN_VOL * np.exp(OWN_VOL_SPREAD * (0.75 * normal[4] + 0.66 * small)),
        half_spread=0.0010 * np.exp(0.9 * small + 0.3 * normal[5]),
        turnover=turnover,
        dividend_yield=0.005 * np.exp(0.4 * normal[6]) if rng.random() < 0.45 else 0.0,
        issuance=0.005 + 0.025 * normal[7],
        earnings_yield=0.055 * np.exp(0.15 * normal[8]),
        sales_yield=0.75 * np.exp(0.15 * normal[9]),
        book_yield=0.45 * np.exp(0.10 * normal[10]),
        leverage=1.8 + 0.8 * np.exp(0.15 * normal[11]),
        gross_margin=0.40 + 0.02 * normal[12],
        current_ratio=1.7 * np.exp(0.06 * normal[13]),
        short_base=0.028 * np.exp(0.5 * rng.standard_normal()),
        held_base=float(np.clip(0.62 - 0.12 * small + 0.1 * rng.standard_normal(), 0.05, 0.95)),
        lag=int(rng.integers(24, 43)),
        is_illiquid=value * turnover < 1.2e6,
    )


def draw_filings(rng: np.random.Generator, world: World, number: int, traits: Traits) -> Filings:
    """Quarters whose statements come out while the company is listed, or within 15 months before its first bar."""
    days, T = world.paths.days, world.T
    offset = len(days) - T
    first = days[offset + world.registry.first[number]]
    last = days[offset + world.registry.last[number]]
    year_end = int(world.registry.fiscal_year_end[number])
    low, high = days[0].astype("datetime64[M]"), days[-1].astype("datetime64[M]")
    months = np.arange(low, high)
    month = months.astype(int) % 12 + 1
    months = months[(month - year_end) % 3 == 0]
    month = months.astype(int) % 12 + 1
    quarter = ((month - year_end) % 12) // 3
    quarter = np.where(quarter == 0, 4, quarter)
    Q = len(months)
    end = (months + 1).astype("datetime64[D]") - 1
    lag = np.where(quarter == 4, traits.lag + rng.integers(8, 30, Q), traits.lag + rng.integers(-3, 5, Q))
    late = rng.random(Q) < 0.027
    lag = lag + np.where(late, rng.integers(35, 130, Q), 0)
    filed = off_weekends(end + lag.astype("timedelta64[D]"))
    after, surprise, headline = rng.random(Q) < IN_THE_EVENING, rng.standard_normal(Q), rng.standard_normal(Q)
    year = months.astype("datetime64[Y]").astype(int) + 1970 + (month > year_end)
    kept = (filed >= first - np.timedelta64(455, "D")) & (filed <= min(last, days[-1]))
    return Filings(end[kept], year[kept], quarter[kept], filed[kept], after[kept], surprise[kept], headline[kept])


def off_weekends(filed: np.ndarray) -> np.ndarray:
    """datetime64[D] of filings, those of a weekend moved to the Monday after it: nobody files on one."""
    weekday = (filed.astype(int) + 3) % 7
    return filed + np.where(weekday > 4, 7 - weekday, 0).astype("timedelta64[D]")


def reactions(days: np.ndarray, filing: Filings) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the two sessions on which prices take in a filing; it came after the close: from the next one on."""
    first = np.searchsorted(days, filing.filed, side="left")
    is_session = days[np.minimum(first, len(days) - 1)] == filing.filed
    first = np.minimum(first + (filing.is_after_close & is_session), len(days) - 1)
    return first, np.minimum(first + 1, len(days) - 1)


def sectors_of(world: World, number: int, own: np.ndarray, L: int) -> np.ndarray:
    """(L,) the sector over time: a change of business leads anywhere, a review where past own returns lead."""
    registry, offset = world.registry, L - world.T
    sector = np.full(L, registry.sector[number])
    if registry.turns[number] >= 0:
        sector[offset + registry.turns[number] :] = registry.turned[number]
    if registry.moves[number] >= 0:
        move = offset + registry.moves[number]
        sector[move:] = target_sector(int(sector[move]), own[offset + registry.first[number] : move].sum())
    return sector


def target_sector(present: int, past: float) -> int:
    """Great winners become makers of basic materials, great losers utilities, all others stay."""
    if abs(past) < RECLASSIFIED_BEYOND:
        return present
    return WINNERS if past > 0 else LOSERS
