"""The ledger of backtests: every strategy configuration ever run on a market.

It is there so that a Sharpe ratio can be read against the number of tries behind it. Append-only Parquet below the
market's state; rows are keyed by their content, so that a repetition adds nothing, and nothing in them depends on when
or where they were written.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kairos.backtest.schemas import TRIALS
from kairos.errors import StateError

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
    tables = []
    for file in sorted((state / FOLDER).glob("*.parquet")):
        try:
            tables.append(pq.read_table(file).cast(TRIALS))
        except (OSError, ValueError, pa.ArrowException) as error:
            raise StateError(
                f"{file}: the ledger of backtests cannot be read ({error}). Restore the file from a backup, or move it"
                " away; its trials are then no longer counted."
            ) from error
    return pa.concat_tables(tables).sort_by("trial_key") if tables else TRIALS.empty_table()


def append_trials(state: Path, trials: list[dict[str, Any]]) -> int:
    """Append the trials that the ledger does not hold yet, in one new file; returns how many.

    Raises:
        StateError: the ledger cannot be read or written.
    """
    known = set(read_trials(state)["trial_key"].to_pylist())
    new = sorted(
        {row["trial_key"]: row for row in trials if row["trial_key"] not in known}.values(),
        key=lambda row: row["trial_key"],
    )
    if not new:
        return 0
    name = hashlib.sha256("".join(row["trial_key"] for row in new).encode()).hexdigest()[:16]
    target = state / FOLDER / f"{name}.parquet"
    draft = target.with_suffix(f".{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(new, schema=TRIALS), draft)
        draft.replace(target)
    except OSError as error:
        raise StateError(f"{target}: the trial cannot be written ({error}). KAIROS_STATE names the folder.") from error
    return len(new)
