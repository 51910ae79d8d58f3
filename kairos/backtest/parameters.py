"""The parameters of a strategy: their types, ranges and meaning, and what makes two configurations the same."""

from __future__ import annotations

import difflib
import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kairos.errors import SpecError

FILLS = ("next_close", "next_open")


@dataclass(frozen=True)
class Parameter:
    """Type, rule in words, and the test of the rule."""

    type: type
    rule: str
    holds: Callable[[Any], bool] = lambda value: True


_fraction = Parameter(float, "above 0 and at most 1", lambda x: 0 < x <= 1)
_positive = Parameter(float, "above 0", lambda x: x > 0)
_not_negative = Parameter(float, "0 or more", lambda x: x >= 0)
_name = Parameter(str, "a name", bool)

# Columns of the strategies seed that are not its name, its description or its switch.
PARAMETERS: dict[str, Parameter] = {
    "alpha_name": _name,
    "portfolio_rule": _name,
    "top_n": Parameter(int, "1 or more", lambda x: x >= 1),
    "min_adv_usd": _not_negative,
    "max_position_pct": _fraction,
    "max_sector_mult": _positive,
    "vol_column": _name,
    "adv_column": _name,
    "target_vol": _positive,
    "max_gross": _positive,
    "lambda_tc": _not_negative,
    "max_turnover": _positive,
    "dust_weight": Parameter(float, "0 or more and below 1", lambda x: 0 <= x < 1),
    "rebalance_every": Parameter(int, "1 or more", lambda x: x >= 1),
    "rebalance_offset": Parameter(int, "0 or more and below rebalance_every", lambda x: x >= 0),
}

# What holds for all strategies of a build (vars of the project).
SETTINGS: dict[str, Parameter] = {
    "fill": Parameter(str, f"one of {', '.join(FILLS)}", lambda x: x in FILLS),
    "initial_equity_usd": _positive,
    "financing_bps": _not_negative,
}

ALIASES = {"alpha": "alpha_name", "rule": "portfolio_rule"}


def check_value(name: str, value: Any, where: str) -> Any:
    """The value of a parameter or setting in its type.

    Raises:
        SpecError: unknown name, a value of another type or out of range; says what is allowed.
    """
    known = PARAMETERS | SETTINGS
    if name not in known:
        close = difflib.get_close_matches(name, [*known, *ALIASES], n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise SpecError(f"{where}: unknown parameter {name!r}.{hint} Known: {', '.join(sorted(known))}.")
    parameter = known[name]
    try:
        typed = parameter.type(value)
        exact = parameter.type is not int or float(value) == typed
    except (TypeError, ValueError):
        exact = False
    if not exact or (parameter.type is float and not math.isfinite(typed)):
        kind = {int: "a whole number", float: "a number", str: "text"}[parameter.type]
        raise SpecError(f"{where}: {name} must be {kind}, got {value!r}.")
    if not parameter.holds(typed):
        raise SpecError(f"{where}: {name} must be {parameter.rule}, got {value!r}.")
    return typed


def check_strategy(row: Mapping[str, Any], where: str | None = None) -> dict[str, Any]:
    """A row of the strategies seed with every parameter in its type.

    Args:
        row: strategy, and every name in PARAMETERS; other entries are passed over.
        where: what a message calls the row, default its place in the seed.

    Raises:
        SpecError: a parameter is missing, of another type or out of range.
    """
    where = where or f"seeds/strategies.csv, strategy {row['strategy']!r}"
    if missing := [name for name in PARAMETERS if row.get(name) is None]:
        raise SpecError(f"{where}: no value for {', '.join(missing)}; every strategy gives all its parameters.")
    typed = {name: check_value(name, row[name], where) for name in PARAMETERS}
    if typed["rebalance_offset"] >= typed["rebalance_every"]:
        raise SpecError(
            f"{where}: rebalance_offset must be below rebalance_every ({typed['rebalance_every']}),"
            f" got {typed['rebalance_offset']}: no session would ever be a decision."
        )
    return {"strategy": row["strategy"], **typed}


def check_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run, each in its type. Raises SpecError as check_value does."""
    return {name: check_value(name, settings[name], f"var {name}") for name in SETTINGS}


def configuration(strategy: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """All that decides what a strategy trades: its parameters and the settings of the run."""
    return {name: strategy[name] for name in PARAMETERS} | {name: settings[name] for name in SETTINGS}


def configuration_key(strategy: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """32 hex digits that two configurations share when they trade the same: names and descriptions do not count."""
    text = json.dumps(configuration(strategy, settings), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
