"""From states to a company's history: bars, ends, statements and forms as the world saw them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from kairos.demo.history import HORIZONS, History, InsiderTrades, Quarters
from kairos.demo.parameters import DRIFT, DRY_SPELLS_A_YEAR, EARNINGS_SHOW, MARKET_VOL, rng_of
from kairos.demo.registry import CATEGORIES, CAUSES, EXCHANGES, SECTORS
from kairos.demo.states import States, Traits, off_weekends, reactions

if TYPE_CHECKING:
    from kairos.demo.world import World


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
    is_idle = rng.random(R) < (0.06 if traits.is_illiquid else 0.0002)
    if traits.is_illiquid:
        is_idle |= dry_spells(rng_of(world.seed, 15, number), R)
    is_idle &= ~event
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


def dry_spells(rng: np.random.Generator, R: int) -> np.ndarray:
    """(R,) sessions of the long times in which nobody trades a thin name, 10 to 40 sessions each."""
    dry = np.zeros(R, dtype=bool)
    for start in np.flatnonzero(rng.random(R) < DRY_SPELLS_A_YEAR / 252):
        dry[start : start + int(rng.integers(10, 41))] = True
    return dry


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
    for position in np.flatnonzero(sector[offset + 1 :] != sector[offset:-1]) + 1:
        name = names[sector[offset + position]]
        history.append((int(position), name, SECTORS[name][0]))
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
    leverage = 1 + (traits.leverage - 1) * np.exp(0.25 * states.y[at, column])
    assets = equity * leverage * np.exp(0.03 * noise[1])
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
        restated["operating_cash_flow"][chosen] += change
        for name in ("revenue", "gross_profit"):  # sales are taken back with their costs: margins stay
            restated[name][chosen] = np.round(restated[name][chosen] * np.exp(0.05 * found), -3)
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
