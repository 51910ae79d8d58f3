"""The simulated market: latent characteristics that drive returns, and what the world sees of them.

Log total return of company i in session t + 1, from the state at the close of t:

    r = c + beta f + g_sector + e + pop
        + signal x (k d + l_q q + l_m m + l_s s + l_c c + l_n n + l_x d q + l_z z + l_y y)

with one drift c for all, market and sector factors f and g whose premium is zero, own shocks e with stochastic
volatility, and AR(1) states of unit variance (d apart):

    d  mispricing, log of true value over market value: prices drift back to value at the rate k_t; value follows prices
       slowly. Statements reveal value at their period's end, with noise, when they are filed.
    q  quality, shows in earnings; z and y  decoys that show in gross margins and in debt to equity and earn a premium
       in the first years only
    m  underreaction, a slow average of past own shocks and reactions to filings; s  overreaction, a fast one with the
       opposite sign
    c  crowding, shows in short interest; n  what insiders know, shows in their purchases
    d q  the one interaction: cheap and good

Premia decay with the years and change with the market's regime (calm, stress: a Markov chain). Every shock is symmetric
in logs and independent of the states, and delistings are drawn before anything else, so that with signal 0 the
conditional median return over any window is the same for every name that is not about to leave.

The truth is the conditional expectation of the log return over the label's window, as a simple return:
exp(E[log return | close of t]) - 1. It is the best there is for ranks: a name's own variance, which lifts a mean and
not a median, is not in it. Expectations over the regime's path are exact (two-state chain, `loadings`).
The second session of a reaction is in it from the close of the first one on. Filings still to come are not, nor a
takeover before it is announced.

Parameters are in kairos/demo/parameters.py, shared paths in paths.py, states and returns in states.py, what the world
sees of a company in companies.py.
"""

from __future__ import annotations

import numpy as np

from kairos.demo.companies import company
from kairos.demo.history import History
from kairos.demo.paths import common_paths, funds
from kairos.demo.registry import Registry, enrol
from kairos.demo.states import simulate
from kairos.errors import SpecError
from kairos.sessions import closes

END = np.datetime64("2023-12-29")  # the market's last session
BURN_IN = 560  # sessions before the first bar, in which statements are written and averages of shocks fill
CHUNK = 50  # companies simulated together; no number depends on it


class World:
    """The market of a seed. `histories` is a pure function of it and of the companies' numbers."""

    def __init__(self, securities: int, years: float, seed: int, signal: float) -> None:
        if not 1 <= years <= 31:
            raise SpecError(f"The demo market has 1 to 31 years up to {END}, got {years}. Choose another --years.")
        if not 0 <= signal <= 10:
            raise SpecError(f"--signal scales the planted premia, 0 to 10, got {signal}. Choose another --signal.")
        if seed < 0:
            raise SpecError(f"--seed is a whole number of 0 or more, got {seed}. Choose another --seed.")
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
