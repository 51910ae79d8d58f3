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
from kairos.errors import KairosError

VOL_WINDOW = 63
# Differences of weights below this are no trade.
NO_TRADE = 1e-12
PARTS = ("holdings", "trades", "orders")


@dataclass
class Walk:
    """What a walk writes down, column by column; names are columns of the tape.

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
        for name, values in columns.items():
            self.parts[part].setdefault(name, []).append(values)
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
    return math.fsum(values[values != 0].tolist())


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
    """Why a name is traded: enter, raise, reduce, leave (out of the target), leave_dust."""
    reason = np.where(np.abs(planned) > np.abs(held), "raise", "reduce").astype(object)
    reason[held == 0] = "enter"
    reason[target == 0] = "leave"
    reason[is_dust] = "leave_dust"
    return reason


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
        the equity before trading costs), gross_exposure, net_exposure, leverage, trading_cost_usd, financing_usd,
        borrow_usd; the first session's returns are 0. Holdings after the fills at the close, without cash.

    Raises:
        KairosError: the equity is gone.
    """
    if not targets:
        raise ValueError(f"strategy {strategy['strategy']!r} decides nothing: the walk needs at least one target")
    n_names = len(tape.ids)
    first = min(targets)
    out = Walk(first)
    value = np.zeros(n_names)  # USD held per name
    gain = np.zeros(n_names)  # USD gained since the position was opened, after its trading costs
    cash = equity = float(settings["initial_equity_usd"])
    book_returns: list[float] = []
    current_leverage = leverage(strategy, book_returns)
    orders: _Orders | None = None
    was_invested = False

    for day in range(first, len(tape.dates)):
        before = equity
        financing = borrow = trading = turnover = earned = 0.0

        # 1. drift
        held = np.flatnonzero(value)
        if day > first:
            financing = max(0.0, -cash) * costs.financing_per_year / SESSIONS_PER_YEAR
            borrow = _total(np.maximum(0.0, -value[held])) * costs.borrow_per_year / SESSIONS_PER_YEAR
        if len(held):
            start = value[held]
            settled = held[tape.settles[held] == day]
            value[held] = start * tape.growth[day, held]
            last = value[settled]
            value[settled] *= 1.0 + tape.settlement_return[settled]
            drift = value[held] - start
            gain[held] += drift
            earned = _total(drift)
            book_returns.append(earned / _total(np.abs(start)))

        # 2. fills
        fills: list[tuple[np.ndarray, ...]] = []
        if len(held) and len(settled):
            cash += _total(value[settled])
            fills.append(_settlement(tape, day, settled, last, value[settled], gain[settled]))
            value[settled] = gain[settled] = 0.0
        if orders is not None:
            fill_price = tape.close[day] if settings["fill"] == "next_close" else tape.open[day]
            fill_price = fill_price[orders.names]
            can = tape.tradable[day, orders.names] & np.isfinite(fill_price) & (tape.settles[orders.names] > day)
            names, whole = orders.names[can], orders.is_whole[can]
            decided_close = tape.close[day - 1, names]
            moved = orders.value[can] * (tape.close[day, names] / decided_close)
            paid = orders.value[can] * (fill_price[can] / decided_close)
            weight_before = value[names]
            # a whole order leaves what the shares gained beyond their price (a dividend) as cash
            cash -= _total(np.where(whole, paid - moved - value[names], paid))
            earned += _total(moved - paid)  # from the open to the close
            gain[names] += moved - paid
            value[names] = np.where(whole, 0.0, value[names] + moved)
            traded = np.abs(paid)
            commission, spread, impact = costs.of_trades(traded, tape.adv[day - 1, names], tape.vol[day - 1, names])
            cost = commission + spread + impact
            gain[names] -= cost
            turnover = max(_bought_and_sold(paid)) / (cash + _total(value))
            trading = _total(cost)
            price = tape.price[day, names] * (fill_price[can] / tape.close[day, names])
            fills.append(
                (
                    names,
                    np.full(len(names), day - 1),
                    np.sign(paid).astype(np.int8),
                    traded / price,
                    price,
                    traded,
                    weight_before,
                    value[names],
                    commission,
                    spread,
                    impact,
                    orders.reason[can],
                    gain[names],
                )
            )
            gain[names[value[names] == 0]] = 0.0
            orders = None

        # equity
        cash -= trading + financing + borrow
        equity = cash + _total(value)
        if not equity > 0:
            raise KairosError(
                f"Strategy {strategy['strategy']!r} has lost all its equity on {tape.dates[day]} ({equity:.2f} USD)."
                " Lower its max_gross or target_vol in seeds/strategies.csv."
            )
        cost_return = (trading + financing + borrow) / before
        gross_return = earned / before
        held = np.flatnonzero(value)
        was_invested = was_invested or len(held) > 0
        for block in fills:
            _write_trades(out, block, equity)

        # 3. decision
        if day in targets:
            current_leverage = leverage(strategy, book_returns)
            target = np.zeros(n_names)
            names, weights = targets[day]
            target[names] = weights
            target *= current_leverage
            orders = _decide(out, strategy, tape, day, value / equity, target, equity, not was_invested)

        out.rows(
            "holdings",
            name=held,
            shares=value[held] / tape.price[day, held],
            price_usd=tape.price[day, held],
            value_usd=value[held],
            weight=value[held] / equity,
            gain_usd=gain[held],
        )
        out.close_day(
            equity_usd=equity,
            gross_return=gross_return,
            net_return=gross_return - cost_return,
            cost_return=cost_return,
            turnover=turnover,
            gross_exposure=_total(np.abs(value)) / equity,
            net_exposure=_total(value) / equity,
            leverage=current_leverage,
            cash_usd=cash,
            trading_cost_usd=trading,
            financing_usd=financing,
            borrow_usd=borrow,
        )
    return out


def _settlement(tape, day, names, last, paid, gain) -> tuple[np.ndarray, ...]:
    """Trades that pay out names at their end: no cost, at the last price times (1 + settlement return)."""
    nothing = np.zeros(len(names))
    price = tape.price[day, names]
    return (
        names,
        np.full(len(names), day),
        -np.sign(last).astype(np.int8),
        np.abs(last) / price,
        price * (1.0 + tape.settlement_return[names]),
        np.abs(paid),
        last,
        nothing,
        nothing,
        nothing,
        nothing,
        tape.settlement_reason[names],
        gain.copy(),
    )


def _write_trades(out: Walk, block: tuple[np.ndarray, ...], equity: float) -> None:
    names, decided, sign, shares, price, traded, value_before, value_after, commission, spread, impact, reason, gain = (
        block
    )
    out.rows(
        "trades",
        name=names,
        decided=decided,
        sign=sign,
        shares=shares,
        price_usd=price,
        value_usd=traded,
        weight_before=value_before / equity,
        weight_after=value_after / equity,
        commission_usd=commission,
        spread_usd=spread,
        impact_usd=impact,
        reason=reason,
        gain_usd=gain,
    )


def _decide(out, strategy, tape, day, held, target, equity, is_first) -> _Orders | None:
    """Orders of one decision, written down and handed back; None when nothing changes."""
    planned, is_dust = planned_weights(strategy, held, target, is_first)
    change = planned - held
    is_open = tape.settles > day  # a name that was paid out today cannot be ordered
    names = np.flatnonzero((np.abs(change) > NO_TRADE) & is_open)
    if not len(names):
        return None
    held, target, planned, change = held[names], target[names], planned[names], change[names]
    reason = _reasons(held, target, planned, is_dust[names])
    money = change * equity
    price = tape.price[day, names]
    out.rows(
        "orders",
        name=names,
        sign=np.sign(change).astype(np.int8),
        shares=np.abs(money) / price,
        reference_price_usd=price,
        value_usd=np.abs(money),
        weight_before=held,
        weight_target=target,
        weight_after=planned,
        reason=reason,
    )
    return _Orders(names, money, planned == 0, reason)
