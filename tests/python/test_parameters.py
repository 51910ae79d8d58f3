"""Every parameter of a strategy changes an output, and production's limits are seen to act.

On an invented market made so that each of them can bind. Each test prints what changed and by how many rows
(pytest -rP); a parameter that changes nothing fails.
"""

from __future__ import annotations

import csv
from pathlib import Path

import duckdb
import pytest
from portfolio_market import ROOT, SETTINGS

from kairos.backtest.adhoc import Backtest, backtest
from kairos.backtest.parameters import PARAMETERS
from kairos.backtest.parameters import SETTINGS as SETTING_NAMES

# parameter -> (another value, the first table in which it must show)
CHANGES = {
    "alpha_name": ("ml_alpha_ridge_20d", "pf_candidates"),
    "portfolio_rule": ("rank_equal", "pf_target_weights"),
    "top_n": (50, "pf_candidates"),
    "min_adv_usd": (20_000_000, "pf_candidates"),
    "max_position_pct": (0.02, "pf_target_weights"),
    "max_sector_mult": (1.2, "pf_target_weights"),
    "vol_column": ("vol_63", "pf_candidates"),
    "adv_column": ("adv_60", "pf_candidates"),
    "target_vol": (0.20, "pf_orders"),
    "max_gross": (1.2, "pf_orders"),
    "lambda_tc": (1.0, "pf_orders"),
    "max_turnover": (0.20, "pf_orders"),
    "dust_weight": (0.005, "pf_orders"),
    "rebalance_every": (10, "pf_rebalances"),
    "rebalance_offset": (2, "pf_rebalances"),
    "fill": ("next_open", "pf_trades"),
    "initial_equity_usd": (1e9, "pf_trades"),
    "financing_bps": (500, "pf_backtest_days"),
}
KEYS = {
    "pf_rebalances": "as_of_date, strategy",
    "pf_candidates": "as_of_date, strategy, security_id",
    "pf_target_weights": "as_of_date, strategy, security_id",
    "pf_orders": "decided_date, strategy, security_id",
    "pf_trades": "fill_date, strategy, security_id",
    "pf_backtest_days": "as_of_date, strategy",
}


@pytest.fixture(scope="module")
def run(invented: Path, compiled: Path, tmp_path_factory: pytest.TempPathFactory):
    """A function that backtests production with overrides on the invented market."""
    state = tmp_path_factory.mktemp("state")

    def backtest_with(**overrides) -> Backtest:
        return backtest(invented, "kairos_production", overrides, settings=SETTINGS, state=state, target=compiled)

    return backtest_with


@pytest.fixture(scope="module")
def production(run) -> Backtest:
    return run()


def test_every_column_of_the_seed_is_a_parameter_that_is_tried():
    with (ROOT / "seeds" / "strategies.csv").open() as file:
        columns = set(next(csv.reader(file)))
    assert columns - {"strategy", "description", "is_active"} == set(PARAMETERS)
    assert set(CHANGES) == {*PARAMETERS, *SETTING_NAMES}


@pytest.mark.parametrize("name", CHANGES)
def test_a_parameter_changes_the_output_it_is_for(name, run, production):
    value, table = CHANGES[name]
    assert value != production.strategy[name]
    other = run(**{name: value})
    connection = duckdb.connect()
    connection.register("before", production.table(table))
    connection.register("after", other.table(table))
    changed, rows = connection.sql(
        f"""
        select count(*) filter (where hash(b) is distinct from hash(a)), count(*)
        from before as b full join after as a using ({KEYS[table]})
        """
    ).fetchall()[0]
    print(f"{name} {production.strategy[name]} -> {value}: {changed} of {rows} rows of {table} changed")
    assert changed > 0
    # no SQL table before it may change: what a parameter is for is where it shows first
    for earlier in list(KEYS)[: min(3, list(KEYS).index(table))]:
        assert other.table(earlier).equals(production.table(earlier)), earlier
    assert other.summary["sharpe"] != production.summary["sharpe"]


def test_production_values_of_the_limits_act(production):
    """At their own production values, counted on the decisions and rows they bind."""
    acts = dict(
        production.connection.sql(
            """
            with decisions as (
                select
                    decided_date,
                    sum(greatest(0, weight_after - weight_before)) as bought,
                    sum(greatest(0, weight_before - weight_after)) as sold,
                    bool_or(
                        abs(weight_after - weight_before) < 0.99 * abs(weight_target - weight_before)
                    ) as is_partial
                from pf_orders
                group by decided_date
            )
            select 'max_turnover', count(*) filter (where abs(greatest(bought, sold) - 0.30) < 1e-9) from decisions
            union all
            select 'lambda_tc', count(*) filter (where is_partial) from decisions
            union all
            select 'max_sector_mult', count(*) from pf_target_weights where binding_constraint = 'sector'
            union all
            select 'max_position_pct', count(*) from pf_target_weights where binding_constraint = 'position'
            union all
            select 'target_vol', count(*) from pf_backtest_days where leverage != 1 and leverage < 1.5
            """
        ).fetchall()
    )
    print(acts)
    assert all(acts.values()), acts


def test_the_first_trade_of_a_name_goes_two_thirds_of_the_way(production):
    """lambda_tc = 0.5 alone, on the first decision, which the turnover cap leaves alone."""
    shares = production.connection.sql(
        """
        select weight_after / weight_target from pf_orders
        where decided_date = (select min(decided_date) from pf_orders)
        """
    ).fetchall()
    assert len(shares) == 75
    assert all(share == pytest.approx(2 / 3) for (share,) in shares)


def test_volatility_is_brought_towards_its_target(run):
    """From the session on which leverage can be known, a book with a lower target has a lower volatility."""
    vols = []
    for target in (0.10, 0.15, 0.20):
        days = run(target_vol=target, max_gross=3.0).table("pf_backtest_days").to_pandas().iloc[75:]
        vols.append(days["net_return"].std() * 252**0.5)
        assert vols[-1] == pytest.approx(target, rel=0.35)
    assert vols == sorted(vols)
