"""The ledger of backtests: every strategy configuration ever run on a market.

It is there so that a Sharpe ratio can be read against the number of tries behind it. Append-only Parquet below the
market's state; rows are keyed by their content, so that a repetition adds nothing, and nothing in them depends on when
or where they were written.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from kairos import state as state_files
from kairos.backtest.schemas import TRIALS

FOLDER = "backtest_trials"


def trial(configuration_key: str, parameters: dict[str, Any], summary: dict[str, Any]) -> dict[str, Any]:
    """A row of the ledger: a configuration, the sample it ran on and what came out.

    Args:
        parameters: parameters and settings of the configuration, shown as JSON.
        summary: start_date, end_date, sessions, annual_return, annual_vol, sharpe, max_drawdown.
    """
    shown = {name: summary[name] for name in TRIALS.names if name in summary and name != "configuration_key"}
    content = {"configuration_key": configuration_key, "parameters": json.dumps(parameters, sort_keys=True)} | shown
    text = json.dumps({name: str(value) for name, value in content.items()}, sort_keys=True)
    return {"trial_key": hashlib.sha256(text.encode()).hexdigest()[:32]} | content


def read_trials(state: Path) -> pa.Table:
    """All trials of a market, sorted by key; empty where none was run.

    Raises:
        StateError: a file of the ledger cannot be read or has other columns.
    """
    return state_files.read(state, FOLDER, TRIALS).sort_by("trial_key")


def append_trials(state: Path, trials: list[dict[str, Any]]) -> int:
    """Append the trials that the ledger does not hold yet, in one new file; returns how many.

    Raises:
        StateError: the ledger cannot be read or written.
    """
    if not trials:
        return 0
    with state_files.locked(state):
        known = set(read_trials(state)["trial_key"].to_pylist())
        new = sorted(
            {row["trial_key"]: row for row in trials if row["trial_key"] not in known}.values(),
            key=lambda row: row["trial_key"],
        )
        if new:
            state_files.append(state, FOLDER, pa.Table.from_pylist(new, schema=TRIALS))
    return len(new)
