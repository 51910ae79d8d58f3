"""The simulated market: latent characteristics that drive returns, and what the world sees of them.

Log total return of company i in session t + 1, from the state at the close of t:

    r = c + beta f + g_sector + e + pop + signal x (k d + l_q q + l_m m + l_s s + l_c c + l_n n + l_x d q + l_z z)

with one drift c for all, market and sector factors f and g whose premium is zero, own shocks e with stochastic
volatility, and AR(1) states of unit variance (d apart):

    d  mispricing, log of true value over market value: prices drift back to value at the rate k_t; value follows prices
       slowly. Statements reveal value at their period's end, with noise, when they are filed.
    q  quality, shows in earnings; z  a decoy that shows in gross margins and earns a premium in the first years only
    m  underreaction, a slow average of past own shocks; s  overreaction, a fast one with the opposite sign
    c  crowding, shows in short interest; n  what insiders know, shows in their purchases
    d q  the one interaction: cheap and good

Premia decay with the years and change with the market's regime (calm, stress: a Markov chain). Every shock is symmetric
in logs and independent of the states, and delistings are drawn before anything else, so that with signal 0 the
conditional median return over any window is the same for every name that is not about to leave.

The truth is the conditional expectation of the log return over the label's window, as a simple return:
exp(E[log return | close of t]) - 1. It is the best there is for ranks: a name's own variance, which lifts a mean and
not a median, is not in it. Expectations over the regime's path are exact (two-state chain, `loadings`).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from kairos.demo.history import HORIZONS, History, InsiderTrades, Market, Quarters
from kairos.demo.registry import (
    CATEGORIES,
    CAUSES,
    ETFS,
    EXCHANGES,
    LOSERS,
    SECTORS,
    WINNERS,
    Registry,
    enrol,
)
from kairos.errors import SpecError
from kairos.sessions import closes

END = np.datetime64("2023-12-29")  # the market's last session
BURN_IN = 560  # sessions before the first bar in which statements are written and states grow (the slow ones go on)
ENTRY_LAG = 1  # sessions between the decision and the label's first close
CHUNK = 50  # companies simulated together; no number depends on it

# ---- parameters of the returns; per session, log units
DRIFT = 0.00025
STAY = np.array([1 - 1 / 260, 1 - 1 / 55])  # regimes: calm, stress
MARKET_VOL = np.array([0.0078, 0.0192])
SECTOR_VOL = np.array([0.0060, 0.0088])
OWN_VOL = 0.0140  # median over companies
OWN_VOL_SPREAD = 0.33
BETA_SPREAD = 0.12
STRESS_OWN_VOL = 1.3
VALUE_ADAPTS = 0.0012  # share of a mispricing that value gives up to the price in a session
VALUE_IGNORES = 0.50  # share of an own shock that is not news about value
VALUE_NOISE = 0.012
EARNINGS_SHOW = 0.034  # of the value, a year, per unit of quality
HALF_LIFE = {"q": 900, "z": 800, "c": 60, "n": 40, "m": 80, "s": 10, "vol": 50, "burst": 3, "turn": 15}
TYPICAL_SHOCK, LARGEST_SHOCK = 0.018, 9  # own shocks in units of the first, cut at the second, move the states m and s
RECLASSIFIED_BEYOND = 0.6  # own log returns since its listing that change what a company is taken for
# Reactions to a filing: to its headline, which shows in no statement, on the first session, and to the surprise in its
# accounts, at once by day and on the second session for what comes in the evening: inside the window of a label decided
# on the filing's own date, and over before a filing known by its date alone may be used.
HEADLINE, POP_DAY, POP_EVENING = 0.025, 0.040, 0.070


@dataclass(frozen=True)
class Premium:
    """Drift per session of a state of one unit: base x exp(-decay x years) x the regime's multiple, until `stops`."""

    base: float
    decay: float = 0.0
    regimes: tuple[float, float] = (1.0, 1.0)
    stops: float = 1.0  # share of the market's span after which it is nothing


PREMIA = {
    "d": Premium(0.00057, 0.05, (1.0, 1.4)),
    "q": Premium(0.00033, 0.05, (0.9, 1.5)),
    "m": Premium(0.00009, 0.05, (1.1, 0.0)),
    "s": Premium(0.00078, 0.05, (0.9, 1.5)),
    "c": Premium(-0.00005),
    "n": Premium(0.00005),
    "dq": Premium(0.00028, 0.05),
    "z": Premium(0.00020, 0.0, (1.0, 1.0), 0.3),
}


def decay_of(name: str) -> float:
    """AR(1) coefficient of a state, from its half-life in sessions."""
    return 0.5 ** (1 / HALF_LIFE[name])


@dataclass(frozen=True)
class Paths:
    """What all companies share over L = BURN_IN + T positions (the last T are the market's sessions)."""

    days: np.ndarray  # (L,) datetime64[D]
    regime: np.ndarray  # (L,) 0 calm, 1 stress
    market: np.ndarray  # (L,) f
    sectors: np.ndarray  # (L, S) g
    premia: dict[str, np.ndarray]  # (L,) drift per unit of the state, in force for the next session
    loadings: dict[str, np.ndarray]  # (L, H) expected log return over each horizon per unit of the state


class World:
    """The market of a seed. `histories` is a pure function of it and of the companies' numbers."""

    def __init__(self, securities: int, years: float, seed: int, signal: float) -> None:
        if not 1 <= years <= 31:
            raise SpecError(f"The demo market has 1 to 31 years up to {END}, got {years}. Choose another --years.")
        if signal < 0:
            raise SpecError(f"--signal scales the planted premia and is not negative, got {signal}.")
        days = np.array(sorted(closes()), dtype="datetime64[D]")
        days = days[days <= END]
        T = int((days > END - np.timedelta64(round(years * 365.25), "D")).sum())
        self.seed, self.signal, self.T = seed, float(signal), T
        self.paths = common_paths(days[-(T + BURN_IN) :], T, seed, self.signal)
        self.registry: Registry = enrol(securities, T, years, seed)
        self.market = funds(self.paths, T, seed, self.signal, securities)
        self.chunks = [range(k, min(k + CHUNK, securities)) for k in range(0, securities, CHUNK)]

    def histories(self, numbers: range) -> list[History]:
        """The companies of these numbers, in order."""
        states = simulate(self, numbers)
        return [company(self, states, column, number) for column, number in enumerate(numbers)]


def world(securities: int, years: float, seed: int, signal: float = 1.0) -> World:
    """Draw what all companies share. Raises SpecError for a size that cannot be drawn."""
    return World(securities, years, seed, signal)


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


# ---------------------------------------------------------------- what all share


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
    phi = {name: np.full((ahead, 2), decay_of(name)) for name in ("q", "m", "s", "c", "n", "z")} | {"d": shrink}
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


# ---------------------------------------------------------------- companies


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
    for column, number in enumerate(numbers):
        rng = rng_of(seed, 10, number)
        traits.append(draw_traits(rng))
        normal[:, :, column] = rng.standard_normal((9, L))
        shocks[:, column] = student(rng, L)
        start[:, column] = rng_of(seed, 13, number).standard_normal(9)
        filings.append(draw_filings(rng_of(seed, 11, number), world, number, traits[-1]))

    def state(name: str, stream: int) -> np.ndarray:
        """From its stationary distribution on: at its full spread in every session."""
        return ar1(normal[stream], decay_of(name), start=start[stream])

    swing = 0.52 * state("vol", 0) + 0.45 * state("burst", 8)
    stress = np.where(paths.regime == 1, STRESS_OWN_VOL, 1.0)[:, None]
    own_vol = np.array([t.own_vol for t in traits]) * np.exp(swing - 0.236) * stress
    # the swing of a session is settled before it: volatility clusters, and the sign stays free
    own = own_vol * shocks
    news = np.zeros((L, n))
    for column, filing in enumerate(filings):
        first, second = reactions(paths.days, filing)
        np.add.at(news[:, column], first, HEADLINE * filing.headline)
        by_day = np.where(filing.is_after_close, 0.0, POP_DAY)
        np.add.at(news[:, column], first, by_day * filing.surprise)
        np.add.at(news[:, column], second, np.where(filing.is_after_close, POP_EVENING, 0.0) * filing.surprise)
    moves = own + news
    unit = np.clip(moves / TYPICAL_SHOCK, -LARGEST_SHOCK, LARGEST_SHOCK)
    x = {name: state(name, stream) for name, stream in (("q", 1), ("z", 2), ("c", 3), ("n", 4))}
    x |= {"m": ar1(unit, decay_of("m")), "s": -ar1(unit, decay_of("s"))}
    usual = np.hypot(VALUE_IGNORES * np.exp(0.236) * np.array([t.own_vol for t in traits]), VALUE_NOISE)
    x["d"] = mispricing(-VALUE_IGNORES * own + VALUE_NOISE * normal[5], paths.premia["d"], start[5] * usual)
    x["dq"] = x["d"] * x["q"]
    drift = sum(paths.premia[name][:, None] * x[name] for name in PREMIA)
    expected = sum(paths.loadings[name][:, None, :] * x[name][:, :, None] for name in PREMIA)
    horizon = DRIFT * np.array(HORIZONS)
    sector = np.stack([sectors_of(world, number, moves[:, k], L) for k, number in enumerate(numbers)], axis=1)
    beta = np.array([t.beta for t in traits])
    log_return = DRIFT + beta * paths.market[:, None] + np.take_along_axis(paths.sectors, sector, axis=1) + moves
    log_return[1:] += drift[:-1]
    return States(
        traits, filings, log_return, own, own_vol, np.exp(expected + horizon) - 1,
        x["d"], x["q"], x["z"], x["c"], x["n"], ar1(normal[6], decay_of("turn")) + 0.6 * normal[7], sector,
    )  # fmt: skip


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
    after, surprise, headline = rng.random(Q) < 0.5, rng.standard_normal(Q), rng.standard_normal(Q)
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
    """(L,) the sector over time: a company that changes goes where its past own returns lead it."""
    registry, offset = world.registry, L - world.T
    sector = np.full(L, registry.sector[number])
    if registry.moves[number] >= 0:
        move = offset + registry.moves[number]
        sector[move:] = target_sector(int(sector[0]), own[offset + registry.first[number] : move].sum())
    return sector


def target_sector(present: int, past: float) -> int:
    """Great winners become media companies, great losers landlords, all others stay."""
    if abs(past) < RECLASSIFIED_BEYOND:
        return present
    return WINNERS if past > 0 else LOSERS


def company(world: World, states: States, column: int, number: int) -> History:
    """One company's history, from the chunk's states."""
    registry, traits, T = world.registry, states.traits[column], world.T
    L = len(world.paths.days)
    offset, first, last = L - T, int(registry.first[number]), int(registry.last[number])
    rng = rng_of(world.seed, 12, number)
    rows = slice(offset + first, offset + last + 1)
    returns, expected = states.log_return[:, column].copy(), states.expected[rows, column].copy()
    cause = None if registry.cause[number] < 0 else CAUSES[registry.cause[number]]
    announced = last_days(rng, cause, returns[: rows.stop], expected, last - first + 1)

    # ---- what a share earns, and what it is worth before any split
    ex_date = np.zeros(L, dtype=bool)
    ex_date[int(rng.integers(63)) :: 63] = traits.dividend_yield > 0
    ex_date[offset + first] = False
    keeps = np.ones(L)
    for child in np.flatnonzero(registry.parent == number):
        keeps[offset + registry.first[child]] = rng.uniform(0.80, 0.95)
    growth = np.exp(returns) * keeps - np.where(ex_date, traits.dividend_yield, 0.0)
    worth = np.cumsum(np.log(growth))
    worth -= worth[offset + first]
    issued = np.exp(traits.issuance * (np.arange(L) // 63 - (offset + first) // 63) / 4)
    level = traits.price * np.exp(worth[rows])
    split = splits_of(rng, level)
    splits = np.cumprod(split)
    close = level / splits
    shares = np.round(traits.value_usd / traits.price * splits * issued[rows])
    value = np.log(traits.value_usd) + worth + np.log(issued)  # log market value at every position

    # ---- bars
    R = len(level)
    r, vol = returns[rows], np.hypot(states.own_vol[rows, column], traits.beta * MARKET_VOL[world.paths.regime[rows]])
    event = (split != 1) | ex_date[rows] | (keeps[rows] != 1)
    event[[0, -1]] = True
    is_idle = (rng.random(R) < (0.06 if traits.is_illiquid else 0.0002)) & ~event
    quoted = close * np.exp(traits.half_spread * np.where(rng.random(R) < 0.5, -1.0, 1.0))
    quoted = np.maximum(np.round(quoted, 2), 0.01)
    before = close / growth[rows]
    opened = before * np.exp(0.35 * r + 0.25 * vol * rng.standard_normal(R))
    reach = 0.5 * vol * np.abs(rng.standard_normal((2, R)))
    high, low = np.maximum(opened, quoted) * np.exp(reach[0]), np.minimum(opened, quoted) * np.exp(-reach[1])
    bars = {name: np.maximum(np.round(x, 2), 0.01) for name, x in {"open": opened, "high": high, "low": low}.items()}
    bars["high"] = np.maximum(bars["high"], np.maximum(bars["open"], quoted))
    bars["low"] = np.minimum(bars["low"], np.minimum(bars["open"], quoted))
    dollars = np.exp(value[rows]) * traits.turnover
    dollars = dollars * np.exp(0.38 * states.trade[rows, column] + 0.30 * np.minimum(np.abs(r) / vol, 6) - 0.35)
    for session in reactions(world.paths.days, states.filings[column]):
        dollars[session[(session >= rows.start) & (session < rows.stop)] - rows.start] *= 1.5
    volume = np.maximum(np.round(dollars / quoted), 1.0)
    # a day without a trade repeats the last quote
    source = np.maximum.accumulate(np.where(is_idle, 0, np.arange(R)))
    quoted = quoted[source]
    for name in bars:
        bars[name] = np.where(is_idle, quoted, bars[name])
    volume = np.where(is_idle, 0.0, volume)
    dividend = np.where(ex_date[rows], np.round(traits.dividend_yield * before, 4), 0.0)
    spun = np.round((1 - keeps[rows]) * np.exp(r) * before, 4)
    kept = ~halts(rng, R, event, announced)

    share_of = states.c[rows, column]
    short_at = settlement_positions(world.paths.days[offset:])
    short_at = short_at[(short_at >= first) & (short_at <= last)]
    crowd = share_of[short_at - first] * 0.55 + 0.12 * rng.standard_normal(len(short_at))
    months = world.paths.days[rows].astype("datetime64[M]")
    ends = np.unique(months[:-1])[np.unique(months[:-1]).astype(int) % 3 == 2]
    held = np.clip(traits.held_base + np.cumsum(0.012 * rng.standard_normal(len(ends))), 0.02, 0.98)
    return History(
        number=number,
        permaticker=100001 + 7 * number,
        **identity(world, number),
        **sector_history(world, number, states.sector[:, column]),
        fiscal_year_end=int(registry.fiscal_year_end[number]),
        end=cause,
        delisted=None if cause is None else last + 1,
        acquirer=int(registry.acquirer[number]) if registry.acquirer[number] >= 0 else None,
        spun_off_from=int(registry.parent[number]) if registry.parent[number] >= 0 else None,
        positions=np.arange(first, last + 1)[kept],
        open=bars["open"][kept],
        high=bars["high"][kept],
        low=bars["low"][kept],
        close=quoted[kept],
        volume=volume[kept],
        split=split[kept],
        dividend=dividend[kept],
        spin_off_value=spun[kept],
        shares=shares[kept],
        expected=expected[kept],
        quarters=statements(world, states, column, value, shares, rows, rng),
        insiders=insider_trades(rng, states.n[rows, column], world.paths.days[rows], quoted, traits),
        short_dates=short_at,
        short_shares=np.round(shares[short_at - first] * np.minimum(traits.short_base * np.exp(crowd), 0.6)),
        holding_dates=(ends + 1).astype("datetime64[D]") - 1,
        holding_share=held,
        holders=np.maximum(1, np.round(held * 220 * (traits.value_usd / 2.5e9) ** 0.35)),
    )


def last_days(rng: np.random.Generator, cause: str | None, returns: np.ndarray, expected: np.ndarray, R: int) -> int:
    """Write into `returns` and the truth how the company ends; the row from which its end is announced, R = never.

    A takeover is announced 20 to 44 sessions before its last one, lifts the price at once and pins it. A failure is a
    crash on the last session: before it nothing tells.
    """
    if cause == "merger":
        left = min(int(rng.integers(20, 45)), R - 2)
        returns[-left - 1] += rng.normal(0.22, 0.07)
        returns[-left:] = DRIFT + 0.0010 * rng.standard_normal(left)
        expected[R - left - 1 :] = np.exp(DRIFT * np.array(HORIZONS)) - 1
        return R - left - 1
    if cause == "bankruptcy":
        returns[-1] -= rng.uniform(0.9, 1.8)
    if cause == "regulatory":
        returns[-1] -= rng.uniform(0.2, 0.5)
    return R


def splits_of(rng: np.random.Generator, level: np.ndarray) -> np.ndarray:
    """(R,) factors: boards bring prices that have left a range of their own back into it, some weeks later."""
    split, taken, start = np.ones(len(level)), 1.0, 1
    top = rng.uniform(110, 420)
    while True:
        price = level[start:] / taken
        outside = np.flatnonzero((price > top) | (price < 2.5))
        if not outside.size:
            return split
        at = start + int(outside[0]) + int(rng.integers(15, 45))
        if at >= len(level) - 5:
            return split
        price = level[at] / taken
        factors = np.array(
            [1.5, 2, 3, 4, 5, 7, 10, 20] if price > 60 else [1 / 4, 1 / 5, 1 / 8, 1 / 10, 1 / 15, 1 / 20]
        )
        if 3 <= price <= 60:
            start = at
            continue
        aim = rng.uniform(35, 80) if price > 60 else rng.uniform(8, 20)
        split[at] = factors[np.argmin(np.abs(np.log(price / factors / aim)))]
        taken *= split[at]
        start = at + 1


def halts(rng: np.random.Generator, R: int, event: np.ndarray, announced: int) -> np.ndarray:
    """(R,) sessions without a bar: short halts about every 20 years of a company, long ones every 250."""
    halted = np.zeros(R, dtype=bool)
    for rate, low, high in ((0.05, 1, 5), (0.004, 6, 41)):
        for start in np.flatnonzero(rng.random(R) < rate / 252):
            stop = start + int(rng.integers(low, high))
            if start > 0 and stop < min(R - 1, announced) and not event[start : stop + 1].any():
                halted[start:stop] = True
    return halted


@functools.lru_cache(maxsize=8)
def _settlements(days: bytes) -> np.ndarray:
    sessions = np.frombuffer(days, dtype="datetime64[D]")
    months = np.unique(sessions.astype("datetime64[M]"))
    middle = np.searchsorted(sessions, months.astype("datetime64[D]") + 14, side="right") - 1
    end = np.searchsorted(sessions, (months + 1).astype("datetime64[D]"), side="left") - 1
    return np.unique(np.r_[middle, end][np.r_[middle, end] >= 0])


def settlement_positions(days: np.ndarray) -> np.ndarray:
    """Positions of the two settlement dates of each month: the session at or before the 15th, and the last one."""
    return _settlements(days.tobytes())


def identity(world: World, number: int) -> dict:
    """Names and symbols: whose symbol another company took over carries a digit in the vendor's tables."""
    registry = world.registry
    heir = int(registry.heir[number])
    taken = np.flatnonzero(registry.heir == number)
    symbol = registry.root[int(taken[0])] if taken.size else registry.root[number]
    symbols = [(int(registry.first[number]), symbol)]
    if registry.renamed[number] >= 0:
        symbols = [
            (int(registry.first[number]), registry.old_root[number]),
            (int(registry.renamed[number]), symbol),
        ]
    return {
        "ticker": symbol + ("1" if heir >= 0 else ""),
        "symbols": symbols,
        "symbol_lost": int(registry.first[heir]) if heir >= 0 else None,
        "name": registry.name[number],
        "exchange": EXCHANGES[registry.exchange[number]],
        "category": CATEGORIES[registry.category[number]],
    }


def sector_history(world: World, number: int, sector: np.ndarray) -> dict:
    """Sectors and industries as they were filed, and today's."""
    registry, offset = world.registry, len(sector) - world.T
    names = list(SECTORS)
    start = names[sector[0]]
    history = [(int(registry.first[number]), start, SECTORS[start][registry.industry[number]])]
    move = int(registry.moves[number])
    if move >= 0 and sector[offset + move] != sector[0]:
        name = names[sector[offset + move]]
        history.append((move, name, SECTORS[name][0]))
    return {"sectors": history, "snapshot": history[-1][1:]}


def statements(
    world: World,
    states: States,
    column: int,
    value: np.ndarray,
    shares: np.ndarray,
    rows: slice,
    rng: np.random.Generator,
) -> Quarters:
    """What the company files: true value and quality at the period's end, seen through noise.

    Restated years (one in seven) move with what the share did between the first filing and the restatement: served
    early, they tell the future, and only then.
    """
    filing, traits, days = states.filings[column], states.traits[column], world.paths.days
    Q = len(filing.filed)
    at = np.clip(np.searchsorted(days, filing.period_end, side="right") - 1, 0, len(days) - 1)
    noise = rng.standard_normal((10, Q))
    scale = np.exp(value[at] + states.d[at, column])
    season = np.array([-0.3, -0.1, 0.0, 0.4])[filing.fiscal_quarter - 1]
    equity = scale * traits.book_yield * np.exp(0.03 * noise[0])
    assets = equity * traits.leverage * np.exp(0.03 * noise[1])
    liabilities = assets - equity
    debt = 0.45 * liabilities
    net_income = scale / 4 * (traits.earnings_yield + EARNINGS_SHOW * states.q[at, column] + 0.006 * noise[2])
    revenue = scale / 4 * traits.sales_yield * np.exp(0.04 * noise[3]) * (1 + 0.10 * season)
    margin = np.clip(traits.gross_margin + 0.10 * states.z[at, column] + 0.008 * noise[4], 0.03, 0.97)
    liabilities_current = 0.30 * liabilities
    ratio = traits.current_ratio * np.exp(0.35 * filing.surprise)
    assets_current = np.minimum(ratio * liabilities_current, 0.92 * assets)
    depreciation = 0.035 / 4 * assets
    paid = traits.dividend_yield * np.exp(value[at])
    session = np.clip(np.searchsorted(days, filing.filed, side="right") - 1, rows.start, rows.stop - 1)
    items = {
        "revenue": revenue,
        "gross_profit": margin * revenue,
        "operating_income": net_income / np.where(net_income > 0, 0.79, 1.0) + 0.045 / 4 * debt,
        "net_income": net_income,
        "depreciation": depreciation,
        "operating_cash_flow": net_income + depreciation + 0.004 * assets * noise[5],
        "capex": 0.045 / 4 * assets * np.exp(0.3 * noise[6]),
        "dividends_paid": paid,
        "assets": assets,
        "assets_current": assets_current,
        "liabilities": liabilities,
        "liabilities_current": liabilities_current,
        "debt": debt,
        "cash": 0.35 * assets_current * np.exp(-0.3 * np.abs(noise[7])),
        "equity": equity,
    }
    items = {name: np.round(x, -3) for name, x in items.items()}
    items["shares"] = shares[session - rows.start]
    none = np.datetime64("NaT", "D")
    amended, later = np.full(Q, none), np.full(Q, none)
    restated = {name: x.copy() for name, x in items.items()}
    own = np.r_[0.0, np.cumsum(states.own[:, column])]
    end = days[rows.stop - 1]
    for year in np.unique(filing.fiscal_year):
        draws, wait = rng.random(2), int(rng.integers(300, 400))
        if draws[0] >= 0.15:
            continue
        chosen = np.flatnonzero(filing.fiscal_year == year)
        comes = filing.filed[chosen] + np.timedelta64(wait, "D")
        comes = comes + np.where((comes.astype(int) + 3) % 7 > 4, 2, 0).astype("timedelta64[D]")
        chosen, comes = chosen[comes <= end], comes[comes <= end]
        (amended if draws[1] < 0.45 else later)[chosen] = comes
        opens = np.clip(np.searchsorted(days, filing.filed[chosen], side="right"), 0, len(days))
        ends = np.clip(np.searchsorted(days, comes, side="left"), 0, len(days))
        found = np.clip(own[ends] - own[opens], -0.8, 0.8)
        change = np.round(scale[chosen] / 4 * 0.12 * found, -3)
        restated["net_income"][chosen] += change
        restated["operating_income"][chosen] += np.round(change / 0.79, -3)
        written = np.round(equity[chosen] * (np.exp(0.6 * found) - 1), -3)
        restated["equity"][chosen] += written
        restated["assets"][chosen] += written
    return Quarters(
        filing.period_end, filing.fiscal_year, filing.fiscal_quarter, filing.filed, filing.is_after_close,
        amended, later, items, restated,
    )  # fmt: skip


def insider_trades(
    rng: np.random.Generator, n: np.ndarray, days: np.ndarray, close: np.ndarray, traits: Traits
) -> InsiderTrades:
    """Forms 4: more purchases when insiders know of good news, more sales otherwise; grants at any time."""
    R, end = len(n), days[-1]
    rates = {"P": 0.010 * np.exp(0.8 * n - 0.32), "S": 0.024 * np.exp(-0.5 * n - 0.12)}
    rates |= {code: np.full(R, rate) for code, rate in (("A", 0.006), ("M", 0.004), ("F", 0.003), ("G", 0.0008))}
    rows, codes = [], []
    for code, rate in rates.items():
        found = np.repeat(np.arange(R), rng.poisson(rate))
        rows.append(found)
        codes.append(np.full(len(found), code))
    row, code = np.concatenate(rows), np.concatenate(codes)
    wait = rng.choice([0, 1, 2, 2, 3], len(row)) + np.where(
        rng.random(len(row)) < 0.04, rng.integers(5, 60, len(row)), 0
    )
    traded = days[row]
    filed = off_weekends(traded + wait.astype("timedelta64[D]"))
    usd = 9e4 * np.exp(1.0 * rng.standard_normal(len(row))) * (traits.value_usd / 2.5e9) ** 0.3
    shares = np.maximum(1, np.round(usd / close[row]))
    owner = rng.integers(0, 9, len(row))
    order = np.lexsort((np.arange(len(row)), traded, filed))
    order = order[filed[order] <= end]
    row, code, traded, filed, shares, owner = (x[order] for x in (row, code, traded, filed, shares, owner))
    signed = np.where(np.isin(code, ["P", "A", "M"]), shares, -shares)
    held = np.zeros(len(row))
    for person in np.unique(owner):
        mine = owner == person
        path = np.cumsum(signed[mine])
        held[mine] = path - min(0, path.min(initial=0)) + 1000 * (person + 1)
    price = np.where(np.isin(code, ["A", "G"]), 0.0, close[row])
    return InsiderTrades(filed, traded, code, shares, price, owner, held)
