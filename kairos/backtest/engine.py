"""The engine: walks a strategy's book through the sessions, from target weights to fills, costs and equity.

Everything that needs held weights is here; what to hold is decided in SQL. One session t goes in this order:

1. The book drifts by total return (dividends are reinvested in the name); cash borrowed and shorts held over the night
   pay. Names whose delisting becomes known today are paid out at the last price times (1 + delisting return).
2. The orders decided at the close of t-1 are filled, at the close or the open of t. Orders are shares fixed at the
   decision, so the money they move is only known now. A name without a fresh bar is not filled and its order lapses. An
   order for a whole position closes it, and a dividend of that session stays as cash.
3. If t is a decision date, new orders are made from the weights held at its close:
   a. leverage L = min(max_gross, target_vol / volatility of the unlevered book over its last 63 returns), 1 before;
      a book return is sum(w[t-1] r[t]) / gross[t-1], before costs;
   b. each name's weight goes 1 / (1 + lambda_tc) of the way to L times its target weight;
   c. a name out of the target that is held below dust_weight is sold whole;
   d. when max(buys, sells) exceeds max_turnover, the trades are scaled to it, those of dust last: they stay whole as
      long as they fit, or names would never quite leave. Not at the first investment.

Sums are exact (math.fsum), so no bit depends on how many other names the market has.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kairos.backtest.costs import SESSIONS_PER_YEAR, Costs
from kairos.backtest.tape import Tape
from kairos.errors import RuinError

VOL_WINDOW = 63
# Differences of weights below this are no trade.
NO_TRADE = 1e-12
PARTS = ("holdings", "trades", "orders")
REASONS = ("enter", "raise", "reduce", "leave", "leave_dust", "delisting", "no_more_bars")
ENTER, RAISE, REDUCE, LEAVE, LEAVE_DUST, DELISTING, NO_MORE_BARS = range(len(REASONS))


@dataclass
class Walk:
    """What a walk writes down, column by column; names are columns of the tape, reasons positions in REASONS.

    days has one entry per session from the first one; holdings, trades and orders are blocks of rows, those of the
    i-th session are rows starts[part][i] to starts[part][i + 1].
    """

    first: int
    days: dict[str, list] = field(default_factory=dict)
    parts: dict[str, dict[str, list]] = field(default_factory=lambda: {part: {} for part in PARTS})
    starts: dict[str, list[int]] = field(default_factory=lambda: {part: [0] for part in PARTS})
    _written: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PARTS, 0))

    def rows(self, part: str, **columns: np.ndarray) -> None:
        """Write rows of the current session."""
        blocks = self.parts[part]
        for name, values in columns.items():
            blocks.setdefault(name, []).append(values)
        self._written[part] += len(columns["name"])

    def close_day(self, **values: float) -> None:
        """Write the session's own values and go to the next."""
        for name, value in values.items():
            self.days.setdefault(name, []).append(value)
        for part in PARTS:
            self.starts[part].append(self._written[part])

    def column(self, part: str, name: str) -> np.ndarray:
        """A column of holdings, trades or orders as one array; empty where nothing was written."""
        blocks = self.parts[part].get(name)
        return np.concatenate(blocks) if blocks else np.empty(0)


@dataclass(frozen=True)
class _Orders:
    """Orders between decision and fill: signed USD at the decision's close, and whether they close the position."""

    names: np.ndarray
    value: np.ndarray
    is_whole: np.ndarray
    reason: np.ndarray


def _total(values: np.ndarray) -> float:
    """Exact sum, whatever the order."""
    return math.fsum(values.tolist())


def realised_vol(returns: list[float]) -> float:
    """Annual volatility of the last 63 returns: sample standard deviation; NaN with fewer or without any variation."""
    if len(returns) < VOL_WINDOW:
        return math.nan
    window = returns[-VOL_WINDOW:]
    mean = math.fsum(window) / VOL_WINDOW
    variance = math.fsum((x - mean) ** 2 for x in window) / (VOL_WINDOW - 1)
    return math.sqrt(variance * SESSIONS_PER_YEAR) if variance > 0 else math.nan


def leverage(strategy: Mapping[str, Any], book_returns: list[float]) -> float:
    """Leverage decided from the unlevered book's returns so far; 1 (or max_gross, if lower) while they are too few."""
    vol = realised_vol(book_returns)
    wanted = 1.0 if math.isnan(vol) else strategy["target_vol"] / vol
    return min(strategy["max_gross"], wanted)


def planned_weights(
    strategy: Mapping[str, Any], held: np.ndarray, target: np.ndarray, is_first: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Weights after partial adjustment, dust and turnover cap, and where dust was sold whole.

    Args:
        strategy: its lambda_tc, dust_weight and max_turnover are read.
        held: weights held at the decision, shape (names,).
        target: levered target weights, shape (names,).
        is_first: nothing was held before, so that the turnover cap does not apply.
    """
    planned = held + (target - held) / (1.0 + strategy["lambda_tc"])
    is_dust = (target == 0) & (held != 0) & (np.abs(held) < strategy["dust_weight"])
    planned[is_dust] = 0.0
    change = planned - held
    limit = strategy["max_turnover"]
    if not is_first and max(_bought_and_sold(change)) > limit:
        of_dust = _bought_and_sold(change[is_dust])
        if max(of_dust) >= limit:
            return held + change * (limit / max(_bought_and_sold(change))), is_dust
        scale = min(
            (limit - dust) / others if others else 1.0
            for dust, others in zip(of_dust, _bought_and_sold(change[~is_dust]), strict=True)
        )
        planned = np.where(is_dust, planned, held + change * min(1.0, scale))
    return planned, is_dust


def _bought_and_sold(change: np.ndarray) -> tuple[float, float]:
    """Sum of the increases and sum of the decreases of weights, both positive."""
    return _total(np.maximum(0.0, change)), _total(np.maximum(0.0, -change))


def _reasons(held: np.ndarray, target: np.ndarray, planned: np.ndarray, is_dust: np.ndarray) -> np.ndarray:
    """Why each name is traded."""
    reason = np.where(np.abs(planned) > np.abs(held), RAISE, REDUCE)
    reason[held == 0] = ENTER
    reason[target == 0] = LEAVE
    reason[is_dust] = LEAVE_DUST
    return reason


class _Book:
    """A strategy's book on its way through the sessions; each method is a step of the module's list.

    value and gain are USD per name of the tape: held, and gained since the position was opened after its own trading
    costs. The other attributes are of the session at hand.
    """

    def __init__(self, strategy: Mapping[str, Any], tape: Tape, costs: Costs, settings: Mapping[str, Any], first: int):
        self.strategy, self.tape, self.costs = strategy, tape, costs
        self.fills_at = tape.close if settings["fill"] == "next_close" else tape.open
        self.out = Walk(first)
        self.value = np.zeros(len(tape.ids))
        self.gain = np.zeros(len(tape.ids))
        self.held = np.empty(0, dtype=np.intp)
        self.cash = self.equity = float(settings["initial_equity_usd"])
        self.long = self.short = 0.0  # USD held long and short, both positive
        self.returns: list[float] = []
        self.leverage = leverage(strategy, self.returns)
        self.orders: _Orders | None = None
        self.was_invested = False
        self.settlement_days = frozenset(tape.settles.tolist())

    def begin(self, day: int) -> None:
        """Go to a session; what was held and borrowed over the night pays."""
        self.day, self.before = day, self.equity
        self.earned = self.trading = self.turnover = 0.0
        self.fills: list[dict[str, np.ndarray]] = []
        self.financing = max(0.0, -self.cash) * self.costs.financing_per_year / SESSIONS_PER_YEAR
        self.borrow = self.short * self.costs.borrow_per_year / SESSIONS_PER_YEAR

    def drift(self) -> None:
        """Total return of what is held; names at their end are paid out."""
        if not len(self.held):
            return
        start = self.value[self.held]
        end = start * self.tape.growth[self.day][self.held]
        settled = np.empty(0, dtype=np.intp)
        if self.day in self.settlement_days:
            at = np.flatnonzero(self.tape.settles[self.held] == self.day)
            settled, last = self.held[at], end[at]
            end[at] *= 1.0 + self.tape.settlement_return[settled]
        change = end - start
        self.value[self.held] = end
        self.gain[self.held] += change
        self.earned = _total(change)
        self.returns.append(self.earned / (self.long + self.short))
        if len(settled):
            self._pay_out(settled, last)

    def _pay_out(self, names: np.ndarray, last: np.ndarray) -> None:
        """Names at their end become cash, at their last price times (1 + settlement return) and without cost."""
        paid, nothing = self.value[names], np.zeros(len(names))
        self.cash += _total(paid)
        price = self.tape.price[self.day, names]
        self.fills.append(
            {
                "name": names,
                "decided": np.full(len(names), self.day),
                "sign": -np.sign(last),
                "shares": np.abs(last) / price,
                "price_usd": price * (1.0 + self.tape.settlement_return[names]),
                "value_usd": np.abs(paid),
                "value_before": last,
                "value_after": nothing,
                "commission_usd": nothing,
                "spread_usd": nothing,
                "impact_usd": nothing,
                "reason": np.where(self.tape.is_delisted[names], DELISTING, NO_MORE_BARS),
                "gain_usd": self.gain[names],
            }
        )
        self.value[names] = self.gain[names] = 0.0
        self.held = np.flatnonzero(self.value)

    def fill(self) -> None:
        """Fill the orders of the session before."""
        if self.orders is None:
            return
        orders, tape, day, self.orders = self.orders, self.tape, self.day, None
        price = self.fills_at[day][orders.names]
        can = tape.tradable[day][orders.names] & np.isfinite(price) & (tape.settles[orders.names] > day)
        names, ordered, is_whole, price = orders.names[can], orders.value[can], orders.is_whole[can], price[can]
        decided_close, close = tape.close[day - 1][names], tape.close[day][names]
        moved = ordered * (close / decided_close)  # the shares at this close
        paid = ordered * (price / decided_close)  # the shares at the price of the fill
        before = self.value[names]
        # a whole order leaves what the shares gained beyond their price (a dividend) as cash
        self.cash -= _total(np.where(is_whole, paid - moved - before, paid))
        self.earned += _total(moved - paid)  # from the open to the close
        after = np.where(is_whole, 0.0, before + moved)
        self.value[names] = after
        traded = np.abs(paid)
        commission, spread, impact = self.costs.of_trades(traded, tape.adv[day - 1][names], tape.vol[day - 1][names])
        cost = commission + spread + impact
        self.gain[names] += moved - paid - cost
        self.held = np.flatnonzero(self.value)
        self.trading = _total(cost)
        self.turnover = max(_bought_and_sold(paid)) / (self.cash + _total(self.value[self.held]))
        shown = tape.price[day][names] * (price / close)
        self.fills.append(
            {
                "name": names,
                "decided": np.full(len(names), day - 1),
                "sign": np.sign(paid),
                "shares": traded / shown,
                "price_usd": shown,
                "value_usd": traded,
                "value_before": before,
                "value_after": after,
                "commission_usd": commission,
                "spread_usd": spread,
                "impact_usd": impact,
                "reason": orders.reason[can],
                "gain_usd": self.gain[names],
            }
        )
        self.gain[names[after == 0]] = 0.0

    def close(self) -> None:
        """Pay the session's costs and strike the balance."""
        self.cash -= self.trading + self.financing + self.borrow
        value = self.value[self.held]
        self.short = _total(np.maximum(-value, 0.0)) if (value < 0).any() else 0.0
        self.long = _total(np.maximum(value, 0.0)) if self.short else _total(value)
        self.equity = self.cash + (self.long - self.short)
        if not self.equity > 0:
            first, last = (self.tape.dates[day].item() for day in (self.out.first, self.day))
            raise RuinError(
                f"Strategy {self.strategy['strategy']!r} has lost all its equity on {last} ({self.equity:.2f} USD)."
                " Lower its max_gross or target_vol (seeds/strategies.csv, or --set).",
                first,
                last,
                self.day - self.out.first + 1,
            )
        self.was_invested = self.was_invested or len(self.held) > 0
        for fill in self.fills:
            before, after = fill.pop("value_before"), fill.pop("value_after")
            self.out.rows("trades", **fill, weight_before=before / self.equity, weight_after=after / self.equity)

    def decide(self, names: np.ndarray, weights: np.ndarray) -> None:
        """Orders from the weights held to the levered targets, written down and kept for the next session."""
        self.leverage = leverage(self.strategy, self.returns)
        target = np.zeros(len(self.value))
        target[names] = weights * self.leverage
        held = self.value / self.equity
        planned, is_dust = planned_weights(self.strategy, held, target, not self.was_invested)
        change = planned - held
        # a name that was paid out cannot be ordered
        traded = np.flatnonzero((np.abs(change) > NO_TRADE) & (self.tape.settles > self.day))
        if not len(traded):
            return
        held, target, planned, change = held[traded], target[traded], planned[traded], change[traded]
        reason = _reasons(held, target, planned, is_dust[traded])
        money = change * self.equity
        price = self.tape.price[self.day][traded]
        self.out.rows(
            "orders",
            name=traded,
            sign=np.sign(change),
            shares=np.abs(money) / price,
            reference_price_usd=price,
            value_usd=np.abs(money),
            weight_before=held,
            weight_target=target,
            weight_after=planned,
            reason=reason,
        )
        self.orders = _Orders(traded, money, planned == 0, reason)

    def write(self) -> None:
        """Write the session down."""
        self.out.rows("holdings", name=self.held, value_usd=self.value[self.held], gain_usd=self.gain[self.held])
        cost_return = (self.trading + self.financing + self.borrow) / self.before
        gross_return = self.earned / self.before
        self.out.close_day(
            equity_usd=self.equity,
            gross_return=gross_return,
            net_return=gross_return - cost_return,
            cost_return=cost_return,
            turnover=self.turnover,
            gross_exposure=(self.long + self.short) / self.equity,
            net_exposure=(self.long - self.short) / self.equity,
            leverage=self.leverage,
            cash_usd=self.cash,
            trading_cost_usd=self.trading,
            financing_usd=self.financing,
            borrow_usd=self.borrow,
        )


def walk(
    strategy: Mapping[str, Any],
    targets: Mapping[int, tuple[np.ndarray, np.ndarray]],
    tape: Tape,
    costs: Costs,
    settings: Mapping[str, Any],
) -> Walk:
    """Walk one strategy from its first decision to the tape's last session.

    Args:
        strategy: its parameters (kairos.backtest.parameters).
        targets: per decision session of the tape: names (columns of the tape) and target weights of the unlevered
            book; a negative weight is a short. A session without an entry decides nothing.
        tape: sessions x names.
        costs: what trading and holding costs.
        settings: fill ('next_close' or 'next_open') and initial_equity_usd.

    Returns:
        days with equity_usd, gross_return, net_return (= gross - cost), cost_return, turnover (max(buys, sells) over
        the equity before trading costs), gross_exposure, net_exposure, leverage, cash_usd, trading_cost_usd,
        financing_usd, borrow_usd; the first session's returns are 0. Holdings after the fills at the close, without
        cash.

    Raises:
        RuinError: the equity is gone.
    """
    if not targets:
        raise ValueError(f"strategy {strategy['strategy']!r} decides nothing: the walk needs at least one target")
    first = min(targets)
    book = _Book(strategy, tape, costs, settings, first)
    for day in range(first, len(tape.dates)):
        book.begin(day)
        book.drift()
        book.fill()
        book.close()
        if day in targets:
            book.decide(*targets[day])
        book.write()
    out = book.out
    sessions = np.repeat(np.arange(first, len(tape.dates)), np.diff(out.starts["holdings"]))
    names, value = out.column("holdings", "name").astype(np.intp), out.column("holdings", "value_usd")
    price = tape.price[sessions, names]
    weight = value / np.array(out.days["equity_usd"])[sessions - first]
    out.parts["holdings"] |= {"price_usd": [price], "shares": [value / price], "weight": [weight]}
    return out
