"""Backtests of several strategies as Arrow tables: the engine between the tables before it and those after it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kairos.backtest import metrics
from kairos.backtest.costs import SESSIONS_PER_YEAR, Costs
from kairos.backtest.engine import REASONS, Walk, walk
from kairos.backtest.parameters import check_settings, check_strategy, configuration, configuration_key
from kairos.backtest.schemas import DAY, PARTS, SUMMARIES, WALKS
from kairos.backtest.tape import Tape, make_tape
from kairos.backtest.trials import append_trials, read_trials, trial
from kairos.errors import MarketError

CASH = 0  # security_id of the cash row in holdings


def walk_strategies(
    strategies: pa.Table,
    target_weights: pa.Table,
    bars: pa.Table,
    delistings: pa.Table,
    benchmarks: pa.Table,
    costs: pa.Table,
    settings: Mapping[str, Any],
) -> pa.Table:
    """Walk every strategy that has targets, from its first decision to the market's last session.

    Args:
        strategies: rows of the seed; inactive ones are passed over.
        target_weights: as_of_date, strategy, security_id, target_weight.
        bars, delistings, benchmarks: as kairos.backtest.tape.make_tape takes them; bars of names never held may be left
            out, no value depends on them.
        costs: rows of the costs seed.
        settings: fill, initial_equity_usd, financing_bps.

    Returns:
        WALKS, sorted by strategy and date. The benchmarks' returns are 0 on a strategy's first session, as its own are.

    Raises:
        SpecError: a parameter, setting or cost does not fit.
        RuinError: a strategy has lost its equity.
    """
    settings = check_settings(settings)
    rates = Costs.of_seed(costs.to_pylist(), settings["financing_bps"])
    tape = make_tape(bars, delistings, benchmarks)
    tables, walks = [], {}
    for row in sorted(strategies.to_pylist(), key=lambda row: row["strategy"]):
        if not row["is_active"]:
            continue
        strategy = check_strategy(row)
        targets = _targets(target_weights.filter(pc.field("strategy") == strategy["strategy"]), tape)
        if not targets:
            continue
        key = configuration_key(strategy, settings)  # what two strategies share is walked once
        if key not in walks:
            walks[key] = _table(walk(strategy, targets, tape, rates, settings), tape)
        name = pa.array([strategy["strategy"]] * len(walks[key]), type=pa.string())
        tables.append(walks[key].append_column("strategy", name).select(WALKS.names).cast(WALKS))
    return pa.concat_tables(tables) if tables else WALKS.empty_table()


def _targets(weights: pa.Table, tape: Tape) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Per session of the tape: names (columns of the tape) and target weights."""
    if not len(weights):
        return {}
    weights = weights.sort_by([("as_of_date", "ascending"), ("security_id", "ascending")])
    day = np.searchsorted(tape.dates, weights["as_of_date"].to_numpy().astype("datetime64[D]"))
    name = np.searchsorted(tape.ids, weights["security_id"].to_numpy())
    weight = weights["target_weight"].to_numpy()
    if not (np.isin(weights["security_id"].to_numpy(), tape.ids).all() and day.max() < len(tape.dates)):
        raise MarketError("A target weight names a security or a date that pf_tape does not have.")
    starts = np.flatnonzero(np.diff(day, prepend=-1))
    ends = np.append(starts[1:], len(day))
    return {int(day[a]): (name[a:b], weight[a:b]) for a, b in zip(starts, ends, strict=True)}


def _struct(walk_: Walk, part: str, tape: Tape) -> pa.StructArray:
    """Rows of a part as structs."""
    names = walk_.column(part, "name").astype(int)
    arrays = []
    for field in PARTS[part]:
        if field.name == "security_id":
            values = tape.ids[names]
        elif field.name == "decided_date":
            values = tape.dates[walk_.column(part, "decided").astype(int)]
        elif field.name == "side":
            values = np.where(walk_.column(part, "sign") > 0, "buy", "sell")
        elif field.name == "reason":
            values = np.array(REASONS)[walk_.column(part, "reason").astype(int)]
        else:
            values = walk_.column(part, field.name)
        arrays.append(pa.array(values, type=field.type))
    return pa.StructArray.from_arrays(arrays, fields=list(PARTS[part]))


def _table(walk_: Walk, tape: Tape) -> pa.Table:
    """A walk as rows of WALKS, without the strategy's name."""
    dates = tape.dates[walk_.first :]
    columns: dict[str, Any] = {"as_of_date": pa.array(dates)}
    for name in DAY:
        if name in walk_.days:
            values = np.array(walk_.days[name])
        else:
            values = (tape.benchmark if name == "benchmark_return" else tape.equal_weight)[walk_.first :].copy()
            if not np.isnan(values).all():
                values[0] = 0.0
        columns[name] = pa.array(values, mask=np.isnan(values))
    for part in PARTS:
        offsets = pa.array(walk_.starts[part], type=pa.int32())
        columns[part] = pa.ListArray.from_arrays(offsets, _struct(walk_, part, tape))
    return pa.table(columns)


def summarise(
    strategies: pa.Table, days: pa.Table, positions: pa.Table, settings: Mapping[str, Any], state: Path
) -> pa.Table:
    """What each backtest amounts to, beside the number of configurations tried; records them in the market's ledger.

    Args:
        strategies: rows of the seed.
        days: as_of_date, strategy, net_return, gross_return, turnover, benchmark_return, equal_weight_return.
        positions: strategy, gain_usd; one row per position, closed or open.
        settings: fill, initial_equity_usd, financing_bps.
        state: folder of the market's state.

    Returns:
        SUMMARIES. Benchmark figures are NULL where the benchmark has a NULL return.

    Raises:
        SpecError, StateError.
    """
    settings = check_settings(settings)
    rows, trials = [], []
    for row in sorted(strategies.to_pylist(), key=lambda row: row["strategy"]):
        mine = days.filter(pc.field("strategy") == row["strategy"]).sort_by("as_of_date")
        if not len(mine):
            continue
        gains = positions.filter(pc.field("strategy") == row["strategy"])["gain_usd"].to_numpy()
        strategy = check_strategy(row)
        key = configuration_key(strategy, settings)
        summary = {"strategy": strategy["strategy"], "configuration_key": key} | summary_of(mine, gains)
        rows.append(summary)
        trials.append(trial(key, configuration(strategy, settings), summary))
    append_trials(state, trials)
    n_trials = len(set(read_trials(state)["configuration_key"].to_pylist()))
    return pa.Table.from_pylist([_without_nan(row | {"n_trials": n_trials}) for row in rows], schema=SUMMARIES)


def summary_of(days: pa.Table, gains: np.ndarray) -> dict[str, Any]:
    """Figures of one backtest from its days in order and the gains of its positions, USD; NaN where undefined."""
    series = {name: days[name].to_numpy(zero_copy_only=False).astype(float) for name in days.column_names[2:]}
    dates = days["as_of_date"].to_numpy().astype("datetime64[D]")
    net, gross = series["net_return"], series["gross_return"]
    summary = {
        "start_date": dates[0].item(),
        "end_date": dates[-1].item(),
        "sessions": len(dates),
        "annual_return": metrics.annual_return(net),
        "annual_vol": metrics.annual_vol(net),
        "sharpe": metrics.sharpe(net),
        "max_drawdown": metrics.max_drawdown(net),
        "calmar": metrics.calmar(net),
        "annual_turnover": float(np.mean(series["turnover"])) * SESSIONS_PER_YEAR,
        "win_rate": metrics.win_rate(dates, net),
        "hit_rate": float(np.mean(gains > 0)) if len(gains) else np.nan,
        "positions": len(gains),
        "gross_annual_return": metrics.annual_return(gross),
        "gross_sharpe": metrics.sharpe(gross),
        "psr": metrics.probabilistic_sharpe(net),
    }
    for name in ("benchmark", "equal_weight"):
        summary[f"{name}_annual_return"] = metrics.annual_return(series[f"{name}_return"])
        summary[f"{name}_sharpe"] = metrics.sharpe(series[f"{name}_return"])
    return summary


def _without_nan(row: dict[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(value, float) and np.isnan(value) else value for name, value in row.items()}
