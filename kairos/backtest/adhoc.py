"""A backtest with parameters of one's own: the SQL of the last build and the same engine, in memory.

The warehouse is only read. The portfolio's models are run again from dbt's compiled files with the strategies seed
replaced by one row; everything upstream of them comes from the warehouse.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from kairos import machine
from kairos.backtest.parameters import (
    ALIASES,
    PARAMETERS,
    SETTINGS,
    check_settings,
    check_strategy,
    check_value,
    configuration,
    configuration_key,
)
from kairos.backtest.trials import append_trials, trial
from kairos.backtest.walks import summarise, walk_strategies
from kairos.errors import KairosError, MarketError, RuinError, SpecError
from kairos.publish import locked_message, unfinished
from kairos.settings import setting
from kairos.sql import identifier, literal

VIEWS = ("pf_alpha_scores", "pf_tape")
BEFORE_THE_WALK = ("pf_rebalances", "pf_candidates", "pf_weights__*", "pf_target_weights", "pf_benchmarks")
AFTER_THE_WALK = ("pf_backtest_days", "pf_holdings", "pf_trades", "pf_orders", "pf_positions")
SUMMARY = "pf_backtests"

# Features a strategy may measure volatility or volume by: of those that pf_candidates reads, the ones in their unit.
MEASURES = """
select feature_name
from seeds.feature_registry
where regexp_matches(feature_name, '(^|_)(vol|adv)_') and unit = $unit
"""
UNITS = {"vol_column": "annual_volatility", "adv_column": "usd"}
RELATION = re.compile(r'"[^"]+"\."([^"]+)"\."([^"]+)"')


@dataclass(frozen=True)
class Backtest:
    """What an ad-hoc run made.

    Attributes:
        summary: the row of pf_backtests.
        connection: in-memory DuckDB with the run's tables in memory.portfolio (pf_target_weights, pf_trades, ...).
        strategy: parameters that ran, settings included.
    """

    summary: dict[str, Any]
    connection: duckdb.DuckDBPyConnection
    strategy: dict[str, Any]

    def table(self, name: str) -> pa.Table:
        """A table of the run, for example 'pf_trades'."""
        return self.connection.sql(f"from {name}").to_arrow_table()


def open_warehouse(warehouse: Path) -> duckdb.DuckDBPyConnection:
    """An in-memory connection with the warehouse attached read-only and in use.

    It is attached under the name dbt gave it, its file's stem: its views name their tables by it.

    Raises:
        MarketError: there is no warehouse, or another process writes it.
    """
    if not warehouse.exists():
        raise MarketError(f"{warehouse}: there is no warehouse. Run make build first, or set KAIROS_DB.")
    connection = duckdb.connect()
    try:
        connection.execute(f"attach {literal(warehouse)} as {identifier(warehouse.stem)} (read_only)")
        connection.execute(f"use {identifier(warehouse.stem)}")
    except duckdb.Error as error:
        raise MarketError(locked_message(warehouse, error)) from error
    return connection


def market_of(warehouse: Path) -> tuple[str, str] | None:
    """Market and state that a warehouse was built from, from the project's root; None where its build did not say."""
    with open_warehouse(warehouse) as connection:
        try:
            return connection.execute("select market, state from raw.built_from").fetchone()
        except duckdb.CatalogException:
            return None


def state_of(warehouse: Path) -> Path:
    """The state to which a command adds what it did with a warehouse: the one it was built from.

    Raises:
        MarketError: the settings name another; or no warehouse, or a locked one.
    """
    configured = machine.state_dir()
    market, state = market_of(warehouse) or (None, machine.from_root(configured))
    if state == machine.from_root(configured):
        return configured
    places = f"KAIROS_MARKET={shlex.quote(market)}"
    if state != f"state/{Path(market).name}" or os.environ.get("KAIROS_STATE"):
        places += f" KAIROS_STATE={shlex.quote(state)}"
    raise MarketError(
        f"{warehouse} was built from the market {market} and its state {state}, but the settings name the state"
        f" {machine.from_root(configured)}: what this command adds would be told of another market. Run it with"
        f" {places}, or build."
    )


@contextlib.contextmanager
def finished(warehouse: Path) -> Iterator[None]:
    """What a warehouse lacks because its build stopped before is a MarketError, with the cure; and so is a warehouse
    whose tables may be of two builds, for the same reason."""
    with open_warehouse(warehouse) as connection:
        if unfinished(connection):
            raise MarketError(
                f"The last build of {warehouse} was stopped or did not pass, so its tables may be of two builds. Run"
                " make build until it passes."
            )
    try:
        yield
    except duckdb.CatalogException as error:
        raise MarketError(
            f"{warehouse}: its last build did not get as far as this needs, it is not built to its end"
            f" ({str(error).splitlines()[0]}). Run make build until it passes."
        ) from error


def parse_overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """Overrides from words 'key=value' as the command line has them; aliases alpha and rule are known.

    Raises:
        SpecError: a word is not of that form, an unknown key or a value that does not fit.
    """
    overrides = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        name = ALIASES.get(name.strip(), name.strip())
        if not separator or not value.strip():
            raise SpecError(f"--set {pair!r}: write key=value, for example --set top_n=50 target_vol=0.2.")
        if name in overrides:
            raise SpecError(f"--set {pair!r}: {name} is given twice; one run has one value of each.")
        overrides[name] = check_value(name, value.strip(), f"--set {pair}")
    return overrides


def read_strategy(connection: duckdb.DuckDBPyConnection, strategy: str) -> dict[str, Any]:
    """A strategy's row of the seed as it was built. Raises SpecError for an unknown one."""
    seed = connection.sql("from seeds.strategies").to_arrow_table().to_pylist()
    rows = {row["strategy"]: row for row in seed}
    if strategy not in rows:
        raise SpecError(f"Unknown strategy {strategy!r}; known: {', '.join(sorted(rows))} (seeds/strategies.csv).")
    return rows[strategy]


def _check_names(row: Mapping[str, Any], known: Mapping[str, Sequence[str]]) -> None:
    """Every name a configuration gives must be one the warehouse has."""
    for name, names in known.items():
        if row[name] not in names:
            have = ", ".join(sorted(names)) or "none (this market is too short or too small for any)"
            raise SpecError(f"{name}={row[name]!r} is not in this warehouse; known: {have}.")


def _compiled(folder: Path, pattern: str) -> dict[str, str]:
    """SQL by model name, of the compiled files that match.

    Raises:
        MarketError: there are none.
    """
    files = sorted((folder / "compiled" / "kairos" / "models" / "portfolio").glob(f"{pattern}.sql"))
    if not files:
        raise MarketError(
            f"{folder}: no compiled SQL of {pattern}. Run make build first: an ad-hoc backtest runs the SQL of the"
            " last build."
        )
    return {file.stem: file.read_text() for file in files}


def backtest(
    warehouse: Path,
    strategy: str,
    overrides: Mapping[str, Any] | None = None,
    start: datetime.date | None = None,
    end: datetime.date | None = None,
    *,
    settings: Mapping[str, Any],
    state: Path,
    target: Path,
) -> Backtest:
    """Backtest a strategy of the seed with some parameters replaced.

    Args:
        warehouse: DuckDB file of a finished build; read only.
        overrides: parameters (kairos.backtest.parameters.PARAMETERS) and settings, in any type that reads as theirs.
        start, end: first possible decision and last session; default all the alpha allows.
        settings: fill, initial_equity_usd and financing_bps where they are not overridden.
        state: folder of the market's state; the run is appended to its ledger of trials.
        target: dbt's target folder with the compiled SQL.

    Raises:
        SpecError: an unknown strategy or name, a value that does not fit, or a period without any decision.
        MarketError: no warehouse, a locked one, or no compiled SQL.
    """
    overrides = {name: check_value(name, value, f"override {name}") for name, value in (overrides or {}).items()}
    connection = open_warehouse(warehouse)
    row = read_strategy(connection, strategy)
    row |= {name: value for name, value in overrides.items() if name in PARAMETERS} | {"is_active": True}
    row |= check_strategy(row, f"strategy {strategy!r} with overrides")
    settings = check_settings({**settings, **{name: overrides[name] for name in SETTINGS if name in overrides}})

    models = {}
    for pattern in (*VIEWS, *BEFORE_THE_WALK, *AFTER_THE_WALK, SUMMARY):
        models |= _compiled(target, pattern)
    ours = {*models, "pf_backtest_walks", "pf_backtest_summaries", "strategies"}

    def place(match: re.Match) -> str:
        schema, name = match.groups()
        return f'memory.portfolio."{name}"' if name in ours else f'"{warehouse.stem}"."{schema}"."{name}"'

    seed = connection.sql("from seeds.strategies limit 0").to_arrow_table().schema
    delistings = connection.sql("from intermediate.int_securities where is_delisted").to_arrow_table()
    costs = connection.sql("from seeds.costs").to_arrow_table()
    measures = {
        parameter: [name for (name,) in connection.execute(MEASURES, {"unit": unit}).fetchall()]
        for parameter, unit in UNITS.items()
    }
    connection.execute("create schema memory.portfolio")
    connection.execute("use memory.portfolio")

    def keep(name: str, table: pa.Table) -> None:
        connection.register("incoming", table)
        connection.execute(f"create table {name} as from incoming")
        connection.unregister("incoming")

    def run(*patterns: str) -> None:
        for name in models:
            if any(re.fullmatch(pattern.replace("*", ".*"), name) for pattern in patterns):
                kind = "view" if name in VIEWS else "table"
                connection.execute(f"create {kind} {name} as {RELATION.sub(place, models[name])}")

    strategies = pa.Table.from_pylist([row], schema=seed)
    keep("strategies", strategies)
    run(*VIEWS)
    alphas = [name for (name,) in connection.sql("select distinct alpha_name from pf_alpha_scores").fetchall()]
    rules = [name.partition("__")[2] for name in models if name.startswith("pf_weights__")]
    _check_names(row, {"alpha_name": alphas, "portfolio_rule": rules, **measures})
    run(*BEFORE_THE_WALK)
    decisions = [day for (day,) in connection.sql("select as_of_date from pf_rebalances order by all").fetchall()]
    if decisions and not any((start or day) <= day <= (end or day) for day in decisions):
        before = [day for day in decisions if start and day < start]
        after = [day for day in decisions if end and day > end]
        near = " and ".join(str(day) for day in (*before[-1:], *after[:1]))
        raise SpecError(
            f"{strategy!r} decides every {row['rebalance_every']} sessions, and no decision lies between"
            f" {start or 'the beginning'} and {end or 'the end'}; the nearest: {near}."
        )
    if start:
        for name in ("pf_target_weights", "pf_rebalances"):
            connection.execute(f"delete from {name} where as_of_date < $start", {"start": start})
    if end:
        for name in ("pf_target_weights", "pf_rebalances", "pf_benchmarks"):
            connection.execute(f"delete from {name} where as_of_date > $end", {"end": end})
    if not connection.sql("select count(*) from pf_target_weights").fetchall()[0][0]:
        first, last = connection.sql(
            "select min(as_of_date), max(as_of_date) from pf_alpha_scores semi join strategies using (alpha_name)"
        ).fetchall()[0]
        raise SpecError(
            f"No decision of {strategy!r} between {start or 'the beginning'} and {end or 'the end'}:"
            f" {row['alpha_name']} has scores from {first} to {last}, but no name was eligible: lower min_adv_usd."
        )
    bars = "from pf_tape semi join pf_target_weights using (security_id)"
    if end:
        bars += f" where as_of_date <= date '{end}'"
    try:
        walks = walk_strategies(
            strategies=strategies,
            target_weights=connection.sql("from pf_target_weights").to_arrow_table(),
            bars=connection.sql(bars).to_arrow_table(),
            delistings=delistings,
            benchmarks=connection.sql("from pf_benchmarks").to_arrow_table(),
            costs=costs,
            settings=settings,
        )
    except RuinError as ruin:
        _record_ruin(ruin, row, settings, state)
        raise
    keep("pf_backtest_walks", walks)
    run(*AFTER_THE_WALK)
    summaries = summarise(
        strategies=strategies,
        days=connection.sql("from pf_backtest_days").to_arrow_table(),
        positions=connection.sql("from pf_positions").to_arrow_table(),
        settings=settings,
        state=state,
    )
    keep("pf_backtest_summaries", summaries)
    run(SUMMARY)
    summary = connection.sql("from pf_backtests").to_arrow_table().to_pylist()[0]
    return Backtest(summary, connection, {**row, **settings})


def _record_ruin(ruin: RuinError, strategy: Mapping[str, Any], settings: Mapping[str, Any], state: Path) -> None:
    """A try that lost everything is a try: it goes into the ledger like those that did better."""
    outcome = {"annual_return": -1.0, "annual_vol": None, "sharpe": None, "max_drawdown": -1.0}
    period = {"start_date": ruin.first, "end_date": ruin.last, "sessions": ruin.sessions}
    key = configuration_key(strategy, settings)
    append_trials(state, [trial(key, configuration(strategy, settings), period | outcome)])


def describe(result: Backtest, overrides: Mapping[str, Any]) -> str:
    """The summary as text."""
    row = result.summary

    def percent(name: str) -> str:
        return "unknown" if row[name] is None else f"{100 * row[name]:.2f}%"

    def number(name: str) -> str:
        return "unknown" if row[name] is None else f"{row[name]:.2f}"

    changed = ", ".join(f"{name}={value}" for name, value in overrides.items()) or "as in the seed"
    biased = {True: "yes: its names were chosen later, every figure is too good", False: "no", None: "unknown"}
    lines = [
        ("strategy", f"{row['strategy']} ({changed})"),
        ("alpha", result.strategy["alpha_name"]),
        (
            "period",
            f"{row['start_date']} to {row['end_date']}, {row['sessions']} sessions, {row['decisions']} decisions",
        ),
        ("annual return, net", f"{percent('annual_return')} (gross {percent('gross_annual_return')})"),
        ("annual volatility", percent("annual_vol")),
        ("Sharpe, net", f"{number('sharpe')} (gross {number('gross_sharpe')})"),
        ("max drawdown", percent("max_drawdown")),
        ("Calmar", number("calmar")),
        ("annual turnover", number("annual_turnover")),
        ("winning weeks", percent("win_rate")),
        ("winning positions", f"{percent('hit_rate')} of {row['positions']}"),
        ("SPY", f"{percent('benchmark_annual_return')} a year, Sharpe {number('benchmark_sharpe')}"),
        (
            "members, equal weight",
            f"{percent('equal_weight_annual_return')} a year, Sharpe {number('equal_weight_sharpe')}",
        ),
        ("probability Sharpe > 0", percent("psr")),
        ("configurations tried", str(row["n_trials"])),
        ("survivorship bias", biased[row["survivorship_biased"]]),
    ]
    return "\n".join(f"{name:<24}{value}" for name, value in lines)


def project_settings() -> dict[str, Any]:
    """The settings of the project's vars, as a build would take them."""
    return check_settings({name: setting(name) for name in SETTINGS})


def as_date(text: str) -> datetime.date:
    """A date of the command line."""
    try:
        return datetime.date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"a date is written YYYY-MM-DD, got {text!r}") from error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `kairos backtest`."""
    parser.add_argument("--strategy", required=True, help="a row of seeds/strategies.csv")
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="key=value", help="parameters replaced"
    )
    parser.add_argument("--start", type=as_date, help="first possible decision, YYYY-MM-DD")
    parser.add_argument("--end", type=as_date, help="last session, YYYY-MM-DD")


def main(args: argparse.Namespace) -> int:
    """Run `kairos backtest` and print its summary."""
    overrides = parse_overrides(args.set)
    if args.start and args.end and args.start > args.end:
        raise KairosError(f"--start {args.start} is after --end {args.end}.")
    with finished(machine.warehouse()):
        state = state_of(machine.warehouse())
        result = backtest(
            machine.warehouse(),
            args.strategy,
            overrides,
            args.start,
            args.end,
            settings=project_settings(),
            state=state,
            target=machine.target_dir(),
        )
    print(describe(result, overrides))
    return 0
