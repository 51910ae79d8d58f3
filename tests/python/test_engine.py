"""The engine against a slow walk written with shares instead of values, against closed forms, and against itself on a
market that ends earlier or has more names."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kairos.backtest.costs import Costs
from kairos.backtest.engine import DELISTING, REASONS, leverage, planned_weights, walk
from kairos.backtest.tape import Tape
from kairos.errors import KairosError, RuinError

FREE = {
    "strategy": "s",
    "target_vol": 100.0,
    "max_gross": 1.0,
    "lambda_tc": 0.0,
    "max_turnover": 100.0,
    "dust_weight": 0.0,
}
PRODUCTION = FREE | {"target_vol": 0.25, "max_gross": 1.5, "lambda_tc": 0.5, "max_turnover": 0.3, "dust_weight": 0.001}
COSTLY = Costs(1e-4, np.array([0.0, 5e6, 1e8]), np.array([15e-4, 7e-4, 1.5e-4]), 0.1, 0.005, 0.015)
RUN = {"fill": "next_close", "initial_equity_usd": 1e6}


def tape(total_return, close=None, open_=None, tradable=None, settles=None, settlement_return=None, **more) -> Tape:
    """A tape from levels of total return; prices equal to them and everything tradable unless given."""
    level = np.asarray(total_return, dtype=float)
    close = level.copy() if close is None else np.asarray(close, dtype=float)
    days, names = level.shape
    growth = np.ones_like(level)
    growth[1:] = level[1:] / level[:-1]
    return Tape(
        dates=np.datetime64("2020-01-01") + np.arange(days),
        ids=10 + np.arange(names),
        growth=growth,
        close=close,
        open=close.copy() if open_ is None else np.asarray(open_, dtype=float),
        price=more.get("price", close),
        tradable=np.ones(level.shape, bool) if tradable is None else tradable,
        adv=more.get("adv", np.full(level.shape, 1e7)),
        vol=more.get("vol", np.full(level.shape, 0.3)),
        settles=np.full(names, days) if settles is None else np.asarray(settles),
        settlement_return=np.zeros(names) if settlement_return is None else np.asarray(settlement_return, dtype=float),
        is_delisted=np.ones(names, bool),
        benchmark=np.zeros(days),
        equal_weight=np.zeros(days),
    )


def slow_walk(strategy, targets, tape_, costs, run):
    """One name and one day at a time, in split-adjusted shares; dividends buy shares of the name at the close."""
    days, names = tape_.close.shape
    first = min(targets)
    shares, cash, equity = [0.0] * names, run["initial_equity_usd"], run["initial_equity_usd"]
    curve, fills, book, orders, invested = [], [], [], {}, False
    for t in range(first, days):
        charged = 0.0
        if t > first:
            charged += max(0.0, -cash) * costs.financing_per_year / 252
            short = sum(-n * c for n, c in zip(shares, tape_.close[t - 1], strict=True) if n < 0)
            charged += short * costs.borrow_per_year / 252
        start = [n * c for n, c in zip(shares, tape_.close[t - 1] if t else tape_.close[0], strict=True)]
        gross = sum(abs(v) for v in start)
        dividend = [0.0] * names
        gained = 0.0
        for i in range(names):
            if shares[i] == 0:
                continue
            c0, c1 = tape_.close[t - 1, i], tape_.close[t, i]
            end = start[i] * tape_.growth[t, i]
            dividend[i] = end / c1 - shares[i]
            shares[i] = end / c1
            if tape_.settles[i] == t:
                end *= 1 + tape_.settlement_return[i]
                cash += end
                shares[i] = 0.0
            gained += end - c0 * (start[i] / c0)
        if gross:
            book.append(gained / gross)
        bought = sold = 0.0
        trading = 0.0
        for i, (quantity, whole) in orders.items():
            price = tape_.close[t, i] if run["fill"] == "next_close" else tape_.open[t, i]
            if not tape_.tradable[t, i] or tape_.settles[i] <= t or math.isnan(price):
                continue
            cash -= quantity * price
            if whole:
                cash += dividend[i] * tape_.close[t, i]
                shares[i] = 0.0
            else:
                shares[i] += quantity
            money = abs(quantity * price)
            adv, vol = tape_.adv[t - 1, i], tape_.vol[t - 1, i]
            half = [s for bound, s in zip(costs.spread_from_adv, costs.half_spread, strict=True) if adv >= bound][-1]
            impact = costs.impact * vol / math.sqrt(252) * math.sqrt(money / adv)
            trading += money * (costs.commission + half + impact)
            bought += max(0.0, quantity * price)
            sold += max(0.0, -quantity * price)
            fills.append((t, i, quantity * price))
        before_costs = cash + sum(n * c for n, c in zip(shares, tape_.close[t], strict=True))
        turnover = max(bought, sold) / before_costs
        cash -= charged + trading
        new = before_costs - charged - trading
        net, cost = new / equity - 1, (charged + trading) / equity
        equity = new
        invested = invested or any(shares)
        orders = {}
        if t in targets:
            lever = min(strategy["max_gross"], 1.0)
            if len(book) >= 63:
                vol = np.std(book[-63:], ddof=1) * math.sqrt(252)
                lever = min(strategy["max_gross"], strategy["target_vol"] / vol) if vol > 0 else lever
            wanted = dict(zip(targets[t][0].tolist(), targets[t][1].tolist(), strict=True))
            plan = {}
            for i in range(names):
                held = shares[i] * tape_.close[t, i] / equity if shares[i] else 0.0
                goal = lever * wanted.get(i, 0.0)
                after = held + (goal - held) / (1 + strategy["lambda_tc"])
                dusty = goal == 0 and held != 0 and abs(held) < strategy["dust_weight"]
                plan[i] = (held, 0.0 if dusty else after, dusty)

            def amounts(rows):
                return (
                    sum(max(0.0, after - held) for held, after, _ in rows),
                    sum(max(0.0, held - after) for held, after, _ in rows),
                )

            cap = strategy["max_turnover"]
            if invested and max(amounts(plan.values())) > cap:
                dust = amounts([row for row in plan.values() if row[2]])
                rest = amounts([row for row in plan.values() if not row[2]])
                factor = min((cap - d) / r for d, r in zip(dust, rest, strict=True) if r) if max(dust) < cap else 0.0
                whole = max(amounts(plan.values()))
                for i, (held, after, dusty) in plan.items():
                    if max(dust) >= cap:
                        plan[i] = (held, held + (after - held) * cap / whole, dusty)
                    elif not dusty:
                        plan[i] = (held, held + (after - held) * min(1.0, factor), dusty)
            for i, (held, after, _) in plan.items():
                if abs(after - held) > 1e-12 and tape_.settles[i] > t:
                    orders[i] = ((after - held) * equity / tape_.close[t, i], after == 0)
        curve.append((equity, net, cost, turnover, cash))
    return np.array(curve), fills


cases = st.tuples(
    st.integers(0, 2**32 - 1),
    st.integers(2, 110),
    st.integers(1, 6),
    st.integers(1, 7),
    st.booleans(),
    st.fixed_dictionaries(
        {
            "strategy": st.just("s"),
            "target_vol": st.sampled_from([0.1, 0.25, 5.0]),
            "max_gross": st.sampled_from([0.8, 1.0, 1.5]),
            "lambda_tc": st.sampled_from([0.0, 0.5, 2.0]),
            "max_turnover": st.sampled_from([0.05, 0.3, 10.0]),
            "dust_weight": st.sampled_from([0.0, 0.001, 0.1]),
        }
    ),
    st.sampled_from(["next_close", "next_open"]),
)


def market(seed, days, names, every, has_shorts, strategy, fill):
    """A small market with dividends, gaps in trading, deaths and a random schedule of targets."""
    rng = np.random.default_rng(seed)
    level = 20 * np.exp(np.cumsum(0.02 * rng.normal(size=(days, names)), axis=0))
    close = level * np.cumprod(np.where(rng.random((days, names)) < 0.1, 0.98, 1.0), axis=0)
    settles = np.where(rng.random(names) < 0.3, rng.integers(1, days + 1, names), days)
    world = tape(
        level,
        close,
        close * np.exp(0.01 * rng.normal(size=(days, names))),
        rng.random((days, names)) < 0.95,
        settles,
        rng.uniform(-1, 0.1, names),
        adv=np.exp(rng.uniform(13, 20, (days, names))),
        vol=rng.uniform(0.1, 0.6, (days, names)),
    )
    targets = {}
    for day in range(int(rng.integers(0, days)), days, every):
        alive = np.flatnonzero((rng.random(names) < 0.7) & (settles > day))
        if len(alive):
            sign = np.where(rng.random(len(alive)) < 0.2, -1.0, 1.0) if has_shorts else 1.0
            targets[day] = (alive, sign * rng.dirichlet(np.ones(len(alive))))
    return world, targets, strategy, RUN | {"fill": fill}


@settings(max_examples=120, deadline=None)
@given(cases)
def test_walk_equals_a_slow_walk_in_shares(case):
    world, targets, strategy, run = market(*case)
    if not targets:
        return
    expected, fills = slow_walk(strategy, targets, world, COSTLY, run)
    if (expected[:, 0] <= 0).any():
        with pytest.raises(KairosError, match="lost all its equity"):
            walk(strategy, targets, world, COSTLY, run)
        return
    got = walk(strategy, targets, world, COSTLY, run)
    for column, name in enumerate(["equity_usd", "net_return", "cost_return", "turnover", "cash_usd"]):
        scale = 1e6 if name.endswith("_usd") else 1.0
        np.testing.assert_allclose(got.days[name], expected[:, column], rtol=1e-9, atol=1e-9 * scale, err_msg=name)
    decided = got.column("trades", "reason") != DELISTING
    signed = (got.column("trades", "sign") * got.column("trades", "value_usd"))[decided]
    np.testing.assert_allclose(sorted(signed), sorted(money for _, _, money in fills), rtol=1e-8, atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(cases)
def test_books_add_up_whatever_the_market(case):
    world, targets, strategy, run = market(*case)
    if not targets:
        return
    try:
        got = walk(strategy, targets, world, COSTLY, run)
    except KairosError:
        return
    days = {name: np.array(values) for name, values in got.days.items()}
    value, starts = got.column("holdings", "value_usd"), got.starts["holdings"]
    held = np.array([math.fsum(value[a:b]) for a, b in pairwise(starts)])
    np.testing.assert_allclose(held + days["cash_usd"], days["equity_usd"], rtol=1e-14)
    exposed = np.array([math.fsum(np.abs(value[a:b])) for a, b in pairwise(starts)])
    np.testing.assert_allclose(days["gross_exposure"], exposed / days["equity_usd"], rtol=1e-12)
    np.testing.assert_allclose(days["net_exposure"], held / days["equity_usd"], rtol=1e-9, atol=1e-15)
    np.testing.assert_array_equal(days["gross_return"] - days["cost_return"], days["net_return"])
    equity = np.concatenate([[RUN["initial_equity_usd"]], days["equity_usd"]])
    np.testing.assert_allclose(equity[:-1] * (1 + days["net_return"]), equity[1:], rtol=1e-13)
    costs = sum(got.column("trades", f"{part}_usd").sum() for part in ("commission", "spread", "impact"))
    assert costs == pytest.approx(days["trading_cost_usd"].sum())
    # what the positions gained is what the book earned before financing
    open_gain = got.column("holdings", "gain_usd")[starts[-2] : starts[-1]].sum()
    closed = got.column("trades", "weight_after") == 0
    closed_gain = got.column("trades", "gain_usd")[closed].sum()
    earned = days["equity_usd"][-1] - RUN["initial_equity_usd"] + (days["financing_usd"] + days["borrow_usd"]).sum()
    assert open_gain + closed_gain == pytest.approx(earned, abs=1e-3)


@settings(max_examples=40, deadline=None)
@given(cases, st.integers(0, 10))
def test_days_before_the_end_of_the_market_do_not_change_with_it(case, removed):
    """To the bit, with names that only the longer market has."""
    world, targets, strategy, run = market(*case)
    last = max(1, len(world.dates) - removed)
    short_targets = {day: target for day, target in targets.items() if day < last}
    if not short_targets:
        return
    used = sorted({int(name) for names, _ in short_targets.values() for name in names})
    index = {name: k for k, name in enumerate(used)}
    short_targets = {day: (np.array([index[int(n)] for n in ns]), ws) for day, (ns, ws) in short_targets.items()}
    by_day = {name: getattr(world, name)[:last][:, used] for name in ("growth", "close", "open", "price", "tradable")}
    by_name = {name: getattr(world, name)[used] for name in ("ids", "settles", "settlement_return", "is_delisted")}
    short = replace(world, dates=world.dates[:last], adv=world.adv[:last][:, used], vol=world.vol[:last][:, used])
    short = replace(
        short, **by_day, **by_name, benchmark=world.benchmark[:last], equal_weight=world.equal_weight[:last]
    )
    try:
        whole = walk(strategy, targets, world, COSTLY, run)
    except KairosError:
        return
    part = walk(strategy, short_targets, short, COSTLY, run)
    for name, values in part.days.items():
        assert whole.days[name][: len(values)] == values, name


def test_one_asset_without_costs_is_its_total_return():
    level = 50 * np.cumprod(1 + np.random.default_rng(1).normal(0, 0.02, (300, 1)), axis=0)
    got = walk(FREE, {0: (np.array([0]), np.array([1.0]))}, tape(level), Costs.none(), RUN)
    expected = np.concatenate([[1.0, 1.0], level[2:, 0] / level[1, 0]])
    # shares are fixed at the decision: what the price moved until the fill is held or owed as cash
    moved = level[1, 0] / level[0, 0]
    np.testing.assert_allclose(np.array(got.days["equity_usd"]) / 1e6, 1 + moved * (expected - 1), rtol=1e-12)
    assert got.days["net_return"][0] == got.days["net_return"][1] == 0.0


def test_cash_only_keeps_its_equity_and_trades_nothing():
    got = walk(FREE, {0: (np.array([], dtype=int), np.array([]))}, tape(np.full((20, 2), 5.0)), COSTLY, RUN)
    assert got.days["equity_usd"] == [1e6] * 20
    assert len(got.column("trades", "name")) == len(got.column("orders", "name")) == 0


def test_halves_rebalanced_every_day_compound_the_mean_return():
    rng = np.random.default_rng(3)
    r = rng.normal(0, 0.01, (40, 2))
    got = walk(
        FREE,
        {day: (np.array([0, 1]), np.array([0.5, 0.5])) for day in range(40)},
        tape(100 * np.cumprod(1 + r, axis=0)),
        Costs.none(),
        RUN,
    )
    # decided at t, filled at t+1: the book of t+1 is at most one day of drift away from halves
    np.testing.assert_allclose(got.days["gross_return"][2:], r[2:].mean(axis=1), atol=3e-4)
    assert np.abs(got.column("orders", "weight_target") - 0.5).max() == 0


def test_orders_of_the_last_session_wait_and_fills_never_come_before_the_next():
    got = walk(FREE, {0: (np.array([0]), np.array([1.0]))}, tape([[10.0], [11.0]]), Costs.none(), RUN)
    assert got.days["gross_exposure"] == [0.0, pytest.approx(1.1)]
    assert got.column("trades", "decided").tolist() == [0]
    last = walk(FREE, {1: (np.array([0]), np.array([1.0]))}, tape([[10.0], [11.0]]), Costs.none(), RUN)
    assert last.days["gross_exposure"] == [0.0]
    assert len(last.column("orders", "name")) == 1 and len(last.column("trades", "name")) == 0


def test_next_open_pays_the_open_and_earns_from_there():
    level, opens = [[10.0], [12.0]], [[10.0], [11.0]]
    run = RUN | {"fill": "next_open"}
    got = walk(FREE, {0: (np.array([0]), np.array([1.0]))}, tape(level, open_=opens), Costs.none(), run)
    assert got.column("trades", "price_usd").tolist() == [11.0]
    assert got.days["net_return"][1] == pytest.approx(100_000 * (12 - 11) / 1e6)


def test_a_split_between_decision_and_fill_changes_the_shown_shares_and_no_money():
    shown = np.array([[20.0], [10.0], [10.0]])  # as traded: two for one on the session of the fill, and once more later
    got = walk(FREE, {0: (np.array([0]), np.array([1.0]))}, tape([[5.0]] * 3, price=shown), Costs.none(), RUN)
    assert got.column("orders", "shares").tolist() == [50_000]
    assert got.column("trades", "shares").tolist() == [100_000]
    assert got.column("holdings", "shares").tolist() == [100_000] * 2
    assert got.column("holdings", "price_usd").tolist() == [10.0] * 2
    assert got.days["equity_usd"] == [1e6] * 3


def test_a_dividend_is_reinvested_and_the_dividend_of_the_sale_stays_cash():
    level, close = [[10.0], [10.0], [11.0], [12.1]], [[10.0], [10.0], [10.0], [10.0]]
    targets = {0: (np.array([0]), np.array([1.0])), 2: (np.array([], dtype=int), np.array([]))}
    got = walk(FREE, targets, tape(level, close), Costs.none(), RUN)
    assert got.column("holdings", "shares").tolist() == pytest.approx([100_000, 110_000])
    assert got.column("trades", "shares").tolist() == pytest.approx([100_000, 110_000])
    assert got.days["cash_usd"][-1] == pytest.approx(1_210_000)


def test_a_dead_name_keeps_its_last_price_and_is_paid_out_when_its_death_is_known():
    level = np.full((8, 2), 10.0)
    got = walk(
        FREE,
        {0: (np.array([0, 1]), np.array([0.5, 0.5]))},
        tape(level, settles=[5, 8], settlement_return=[-0.3, 0.0]),
        COSTLY,
        RUN,
    )
    assert got.days["gross_return"][5] == pytest.approx(-0.15, rel=1e-2)
    assert all(x == 0 for x in got.days["gross_return"][1:5])
    reason = got.column("trades", "reason")
    sale = reason == DELISTING
    assert sale.sum() == 1 and got.column("trades", "price_usd")[sale] == [7.0]
    assert got.column("trades", "commission_usd")[sale] == [0.0]


def test_a_name_paid_out_today_is_not_ordered():
    targets = {day: (np.array([0, 1]), np.array([0.5, 0.5])) for day in (0, 3)}
    got = walk(FREE, targets, tape(np.full((5, 2), 10.0), settles=[3, 5], settlement_return=[-0.5, 0.0]), COSTLY, RUN)
    starts = got.starts["orders"]
    assert got.column("orders", "name")[starts[3] : starts[4]].tolist() == [1]


def test_a_book_whose_last_cent_is_gone_is_ruined():
    """Nothing left is not less than nothing."""
    world = tape([[10.0]] * 4, settles=[2], settlement_return=[-1.0])
    with pytest.raises(RuinError, match=r"on 2020-01-03 \(0.00 USD\)"):
        walk(FREE, {0: (np.array([0]), np.array([1.0]))}, world, Costs.none(), RUN)


def test_weights_of_a_fill_are_of_the_equity_after_it():
    """Prices stand still: what a weight moves by is what was filled."""
    targets = {0: (np.array([0]), np.array([1.0])), 2: (np.array([0]), np.array([0.4]))}
    got = walk(FREE, targets, tape([[10.0]] * 5), replace(COSTLY, commission=0.05), RUN)
    after, before, paid = (got.column("trades", name) for name in ("weight_after", "weight_before", "value_usd"))
    equity = np.array(got.days["equity_usd"])[[1, 3]]
    assert equity[0] < 0.96e6
    np.testing.assert_allclose(after - before, got.column("trades", "sign") * paid / equity, rtol=1e-12)


def test_an_order_without_a_fresh_bar_lapses():
    can = np.array([[True], [False], [True], [True]])
    got = walk(FREE, {0: (np.array([0]), np.array([1.0]))}, tape([[10.0]] * 4, tradable=can), Costs.none(), RUN)
    assert got.days["gross_exposure"] == [0.0] * 4


def test_an_order_for_an_open_that_is_not_there_lapses():
    """A bar may come without its open: who fills at it has no price."""
    opens = np.array([[10.0], [np.nan], [10.0], [10.0]])
    target = {0: (np.array([0]), np.array([1.0]))}
    got = walk(FREE, target, tape([[10.0]] * 4, open_=opens), Costs.none(), RUN | {"fill": "next_open"})
    assert got.days["equity_usd"] == [1e6] * 4
    assert got.days["gross_exposure"] == [0.0] * 4


def test_borrowed_cash_and_shorts_pay_for_every_night():
    rates = replace(Costs.none(), financing_per_year=0.0252, borrow_per_year=0.00252)
    long = walk(FREE, {0: (np.array([0]), np.array([1.5]))}, tape([[10.0]] * 4), rates, RUN)
    assert long.days["financing_usd"] == pytest.approx([0, 0, 50.0, 50.005], abs=1e-3)
    short = walk(FREE, {0: (np.array([0]), np.array([-1.0]))}, tape([[10.0]] * 4), rates, RUN)
    assert short.days["borrow_usd"] == pytest.approx([0, 0, 10.0, 10.0])
    assert short.days["net_exposure"][-1] == pytest.approx(-1, abs=1e-4)


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_an_order_says_whether_a_position_grows_or_shrinks_whichever_side_it_is_on(side):
    """Three names at a tenth of the book each, then targets above, below, without and with a new one."""
    targets = {0: (np.arange(3), side * np.full(3, 0.1)), 3: (np.array([0, 1, 3]), side * np.array([0.2, 0.05, 0.1]))}
    got = walk(FREE, targets, tape(np.full((6, 4), 10.0)), Costs.none(), RUN)
    reasons = [REASONS[k] for k in got.column("orders", "reason").astype(int)]
    assert reasons == ["enter"] * 3 + ["raise", "reduce", "leave", "enter"]


def test_leverage_is_one_until_63_returns_and_then_aims_at_the_target():
    returns = [0.01, -0.01] * 40
    assert leverage(PRODUCTION, returns[:62]) == 1.0
    vol = np.std(returns[-63:], ddof=1) * math.sqrt(252)
    assert leverage(PRODUCTION | {"target_vol": 0.1}, returns) == pytest.approx(0.1 / vol)
    assert leverage(PRODUCTION | {"target_vol": 0.9}, returns) == 1.5
    assert leverage(PRODUCTION | {"max_gross": 0.7}, []) == 0.7
    assert leverage(PRODUCTION, [0.0] * 63) == 1.0


def test_trades_go_part_of_the_way_dust_goes_whole_and_turnover_is_capped():
    held = np.array([0.5, 0.0009, 0.0, 0.4])
    target = np.array([0.2, 0.0, 0.6, 0.4])
    planned, is_dust = planned_weights(PRODUCTION | {"max_turnover": 9.0}, held, target, False)
    np.testing.assert_allclose(planned, [0.5 - 0.2, 0.0, 0.4, 0.4])
    assert is_dust.tolist() == [False, True, False, False]
    at_the_limit, is_dust = planned_weights(PRODUCTION, np.array([0.001]), np.zeros(1), False)
    assert not is_dust[0] and at_the_limit[0] == pytest.approx(0.001 / 3)
    capped, _ = planned_weights(PRODUCTION, held, target, False)
    change = capped - held
    assert max(change[change > 0].sum(), -change[change < 0].sum()) == pytest.approx(0.3)
    assert capped[1] == 0.0
    first, _ = planned_weights(PRODUCTION, np.zeros(4), target, True)
    assert first.sum() == pytest.approx(1.2 / 1.5)
    all_dust, _ = planned_weights(
        PRODUCTION | {"dust_weight": 0.9, "max_turnover": 0.1}, np.array([0.5, 0.5]), np.zeros(2), False
    )
    np.testing.assert_allclose(all_dust, [0.45, 0.45])
