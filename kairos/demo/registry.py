"""Who is in the simulated market and what becomes of them: names, sectors, listings and ends, drawn before any return.

Nothing here looks at a price: a delisting, a change of symbol or a spin-off says nothing about returns, which is what
makes the market without a signal a null market.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kairos.errors import SpecError

SECTORS = {
    "Technology": ("Software - Application", "Semiconductors", "Computer Hardware"),
    "Healthcare": ("Biotechnology", "Medical Devices"),
    "Industrials": ("Specialty Industrial Machinery", "Trucking"),
    "Consumer Cyclical": ("Apparel Retail", "Lodging"),
    "Consumer Defensive": ("Packaged Foods", "Beverages - Brewers"),
    "Energy": ("Oil & Gas E&P", "Oil & Gas Equipment & Services"),
    "Basic Materials": ("Chemicals", "Steel"),
    "Utilities": ("Utilities - Regulated Electric", "Utilities - Renewable"),
    "Financial Services": ("Banks - Regional", "Asset Management"),
    "Communication Services": ("Entertainment", "Telecom Services"),
    "Real Estate": ("REIT - Office", "REIT - Retail"),
}
SECTOR_WEIGHTS = np.array([0.18, 0.14, 0.14, 0.13, 0.08, 0.08, 0.03, 0.03, 0.11, 0.045, 0.035])
ETFS = ("XTEK", "XHEA", "XIND", "XCYC", "XDEF", "XENE", "XMAT", "XUTI", "XFIN", "XCOM", "XREA")
WINNERS, LOSERS = (list(SECTORS).index(name) for name in ("Basic Materials", "Utilities"))

LIVE_AT_START = 0.82
DEATHS_A_YEAR = 0.035
CAUSES = ("merger", "bankruptcy", "voluntary", "regulatory")
CAUSE_WEIGHTS = (0.66, 0.18, 0.10, 0.06)
SPIN_OFFS_A_YEAR, RENAMES_A_YEAR = 0.004, 0.012  # per company
# Share of the companies whose sector is looked at again, and the share of the market's span after which that happens.
SECTOR_REVIEWS, REVIEWS_FROM = 1.0, 0.85
TURNS_A_YEAR = 0.010  # changes of business that lead to another sector, per company, before those reviews
REUSED_SYMBOLS = 1 / 800  # per company and year
SHORTEST_LIFE = 60  # sessions
EXCHANGES, EXCHANGE_WEIGHTS = ("NASDAQ", "NYSE", "NYSEMKT"), (0.48, 0.46, 0.06)
CATEGORIES = ("Domestic Common Stock", "Domestic Common Stock Primary Class", "ADR Common Stock")
HARD, SOFT = "BCDFGKLMNPRSTVXZ", "AEIOU"
SUFFIXES = ("Systems", "Industries", "Labs", "Holdings", "Group", "Partners", "Corp", "Brands")


@dataclass(frozen=True)
class Registry:
    """Arrays of length N, one entry per company; positions count the market's sessions, -1 = never."""

    root: list[str]  # the name, and the symbol it lists under unless it takes a dead one's
    name: list[str]
    first: np.ndarray
    last: np.ndarray  # T - 1 = alive
    cause: np.ndarray  # position in CAUSES, -1 = alive
    acquirer: np.ndarray  # a company, -1 = none of this market
    parent: np.ndarray  # the company it was spun off from, -1 = none
    sector: np.ndarray
    industry: np.ndarray
    moves: np.ndarray  # position of the review of its sector, which most pass unchanged
    turns: np.ndarray  # position of its change of business
    turned: np.ndarray  # the sector that leads to
    renamed: np.ndarray  # position of its change of symbol
    old_root: list[str]  # the symbol before that
    heir: np.ndarray  # the company that took over the symbol of a dead one, -1 = none
    fiscal_year_end: np.ndarray  # month
    exchange: np.ndarray
    category: np.ndarray


def roots(rng: np.random.Generator, count: int) -> list[str]:
    """Distinct symbols of four letters, vowels and consonants in turn, in random order."""
    every = [a + b + c + d for a in HARD for b in SOFT for c in HARD for d in SOFT]
    return [every[k] for k in rng.permutation(len(every))[:count]]


def enrol(securities: int, T: int, years: float, seed: int) -> Registry:
    """Draw the companies of a market of T sessions. Raises SpecError for a number that cannot be drawn."""
    N = securities
    if not 10 <= N <= 4000:
        raise SpecError(f"The demo market has 10 to 4000 securities, got {N}. Choose another --securities.")
    rng = np.random.default_rng([seed, 3])
    symbols = roots(rng, N)
    order = rng.permutation(N)

    first = np.zeros(N, dtype=np.int64)
    late = order[: max(2, round(N * (1 - LIVE_AT_START)))]
    first[late] = rng.integers(T // 20, max(T // 20 + 1, int(T * 0.92)), late.size)
    last, cause = np.full(N, T - 1), np.full(N, -1)
    life = rng.exponential(252 / DEATHS_A_YEAR, N).astype(np.int64)
    kinds = rng.choice(len(CAUSES), N, p=CAUSE_WEIGHTS)
    ends = first + np.maximum(life, SHORTEST_LIFE)
    dead = np.flatnonzero(ends < T - 25)
    # a market too small for its share of deaths still shows a merger and a bankruptcy
    for kind in (0, 1):
        if not (kinds[dead] == kind).any():
            chosen = order[-1 - kind]
            ends[chosen], kinds[chosen] = rng.integers(int(T * 0.4), int(T * 0.7)), kind
            dead = np.union1d(dead, [chosen])
    last[dead], cause[dead] = ends[dead], kinds[dead]

    def alive(position: int, without: int, older: int = 0) -> np.ndarray:
        """Companies that trade 60 sessions either side of a position, without one of them."""
        found = np.flatnonzero((first <= max(position - 60 - older, 0)) & (last > min(position + 60, T - 2)))
        return found[found != without]

    acquirer, parent = np.full(N, -1), np.full(N, -1)
    for k in dead[cause[dead] == 0]:
        able = alive(last[k], k)
        if able.size:
            acquirer[k] = rng.choice(able)
    spun = late[: max(1, round(N * years * SPIN_OFFS_A_YEAR))]
    for k in spun:
        able = alive(first[k], k)
        able = able[~np.isin(able, parent)]
        if able.size:
            parent[k] = rng.choice(able)

    renamed = np.full(N, -1)
    changes = np.flatnonzero(rng.random(N) < 1 - np.exp(-RENAMES_A_YEAR * years))[:1200]
    changes = changes if changes.size else order[N // 2 : N // 2 + 1]
    for k in changes:
        low, high = first[k] + 40, last[k] - 40
        if low < high:
            renamed[k] = rng.integers(low, high)
    short = [a + b + c + "Q" for a in HARD for b in SOFT for c in HARD]
    short = [short[k] for k in rng.permutation(len(short))]
    old_root = ["" if renamed[k] < 0 else short.pop() for k in range(N)]
    moves = np.full(N, -1)
    for k in np.flatnonzero(rng.random(N) < SECTOR_REVIEWS):
        low, high = max(first[k] + 260, int(T * REVIEWS_FROM)), last[k] - 20
        if low < high:
            moves[k] = rng.integers(low, high)

    turning = np.random.default_rng([seed, 4])
    turns = np.full(N, -1)
    for k in np.flatnonzero(turning.random(N) < 1 - np.exp(-TURNS_A_YEAR * years)):
        low, high = first[k] + 60, min(last[k] - 20, int(T * REVIEWS_FROM) - 1)
        if low < high:
            turns[k] = turning.integers(low, high)

    heir = np.full(N, -1)
    for k in rng.permutation(dead)[: max(1, round(N * years * REUSED_SYMBOLS))]:
        able = np.flatnonzero((first > last[k] + 80) & (parent < 0) & (renamed < 0))
        able = able[~np.isin(able, heir) & (heir[able] < 0)]
        if able.size and k not in heir:  # a symbol changes hands once, or two dead companies would carry one digit
            heir[k] = rng.choice(able)

    sector = rng.choice(len(SECTORS), N, p=SECTOR_WEIGHTS)
    turned = (sector + turning.integers(1, len(SECTORS), N)) % len(SECTORS)
    sizes = np.array([len(names) for names in SECTORS.values()])
    months = rng.choice([12, 1, 3, 6, 9, 10], N, p=[0.68, 0.08, 0.05, 0.08, 0.06, 0.05])
    return Registry(
        root=symbols,
        name=[f"{symbols[k].capitalize()} {SUFFIXES[rng.integers(len(SUFFIXES))]}" for k in range(N)],
        first=first,
        last=last,
        cause=cause,
        acquirer=acquirer,
        parent=parent,
        sector=sector,
        industry=(rng.random(N) * sizes[sector]).astype(np.int64),
        moves=moves,
        turns=turns,
        turned=turned,
        renamed=renamed,
        old_root=old_root,
        heir=heir,
        fiscal_year_end=months,
        exchange=rng.choice(len(EXCHANGES), N, p=EXCHANGE_WEIGHTS),
        category=rng.choice(len(CATEGORIES), N, p=(0.82, 0.12, 0.06)),
    )
