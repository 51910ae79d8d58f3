"""The registry of fits: which version of an alpha serves, chosen by hand, with who and why.

The build registers every fit it makes (ml_registry_events). A person promotes a version, or goes back to one; the
choice is an event in the market's state and serves from the session after the market's last date on, until a newer
fit's test start, so that no past score changes. The fit's row, bytes and all, is kept with it: what was chosen serves.
"""

from __future__ import annotations

import datetime as dt
import getpass
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from kairos import state
from kairos.backtest.adhoc import open_warehouse
from kairos.errors import MarketError, RegistryError
from kairos.schemas import FITS, REGISTRY_EVENTS

_VERSIONS = """
select alpha_name, version, fit_id, fold_id, status, effective_date, served_from_date, rank_ic, gate_result, age_days,
    is_stale, is_retrain_due
from ml.ml_model_versions order by alpha_name, version
"""
_LAST_FOLD = "select fold_id, reason from ml.ml_folds where alpha_name = $1 order by fold_id desc limit 1"
# Whether a fold that is to be fitted begins on the session that follows the warehouse's; those of ml_folds have begun.
_FOLD_BEGINS = """
select
    specs.retrain = 'scheduled'
    and date_trunc('month', $2::date) >= max(folds.fold_id)::date + to_months(specs.step_months)
    and (
        specs.n_splits is null
        or specs.n_splits > count(*) filter (
            where fold_id >= (select min(fold_id) from ml.ml_folds where alpha_name = $1 and status = 'fitted')
        )
    )
from ml.ml_folds as folds
inner join seeds.alpha_specs as specs using (alpha_name)
where alpha_name = $1
group by specs.retrain, specs.step_months, specs.n_splits
"""


@dataclass(frozen=True)
class Choice:
    """What a promotion or a rollback came to.

    is_taken_over: a scheduled fold begins on effective_date, and its fit, once it is made, serves instead.
    """

    alpha_name: str
    version: int
    event: str
    effective_date: dt.date
    is_taken_over: bool = False


def versions(warehouse: Path, alpha_name: str | None = None) -> list[dict[str, Any]]:
    """Rows of ml_model_versions, of one alpha or all.

    Raises:
        MarketError: no warehouse, a locked one, or one built before there was a registry.
        RegistryError: no such alpha, or one that has no fit yet; says which are active, or why there is no fit.
    """
    with open_warehouse(warehouse) as connection:
        found = _rows(connection, _VERSIONS, warehouse)
        if alpha_name is None:
            return found
        if own := [row for row in found if row["alpha_name"] == alpha_name]:
            return own
        active = connection.sql("select alpha_name from seeds.alpha_specs where is_active order by 1").fetchall()
        folds = connection.sql(_LAST_FOLD, params=[alpha_name]).fetchall()
    if (alpha_name,) in active:
        why = f"of its last fold, {folds[0][0]}: {folds[0][1]}" if folds else "no fold of it has begun"
        raise RegistryError(f"{alpha_name} is active but has no fit yet ({why}). Its folds are in ml.ml_folds.")
    known = ", ".join(name for (name,) in active) or "none"
    raise RegistryError(f"No active alpha {alpha_name}; the warehouse has {known}.")


def promote(warehouse: Path, place: Path, alpha_name: str, version: int, why: str, who: str | None = None) -> Choice:
    """Let a version serve from the session after the market's last date on.

    Args:
        warehouse: DuckDB file of a finished build; read only.
        place: the market's state.
        why: said in the event; not empty.
        who: default the user of the operating system.

    Raises:
        RegistryError: no such alpha or version, a gate does not let it pass, it already serves, or no reason was given.
        MarketError: no warehouse, or a locked one.
    """
    with state.no_build(place), state.locked(place):
        own = versions(warehouse, alpha_name)
        row = _version(own, version)
        if row["gate_result"] != "passed":
            raise RegistryError(
                f"The gate refuses version {version} of {alpha_name}: {row['gate_result']}. Its figures are in"
                f" ml.ml_gate_results (fit_id {row['fit_id']}), the gates in seeds/promotion_gates.csv."
            )
        return _choose(warehouse, place, own, row, "promote", why, who)


def rollback(
    warehouse: Path, place: Path, alpha_name: str, why: str, version: int | None = None, who: str | None = None
) -> Choice:
    """Go back to a version that has served: by default the one that served before the active one. No gate.

    Arguments and errors as promote(); RegistryError also where nothing served before.
    """
    with state.no_build(place), state.locked(place):
        own = versions(warehouse, alpha_name)
        if version is not None:
            row = _version(own, version)
            if row["served_from_date"] is None:
                raise RegistryError(f"Version {version} of {alpha_name} has never served: promote it instead.")
        else:
            serving = _serving(warehouse, place, own)
            served = (r for r in own if r["served_from_date"] and r["fit_id"] != serving)
            row = max(served, key=lambda r: r["served_from_date"], default=None)
            if row is None:
                raise RegistryError(f"No version of {alpha_name} served before the active one: nothing to go back to.")
        return _choose(warehouse, place, own, row, "rollback", why, who)


def events(place: Path) -> list[dict[str, Any]]:
    """All events of the state in their order, those that no build has seen yet too.

    Raises StateError for files that cannot be read.
    """
    found = state.read(place, "registry_events", REGISTRY_EVENTS).to_pylist()
    return sorted(found, key=lambda event: event["event_number"])


def pending(warehouse: Path, place: Path) -> list[dict[str, Any]]:
    """Choices by hand that the warehouse was built without."""
    built = _last_event(warehouse)
    return [event for event in events(place) if event["event_number"] > built]


def _last_event(warehouse: Path) -> int:
    with open_warehouse(warehouse) as connection:
        return connection.sql("select coalesce(max(event_number), 0) from ml.ml_registry_events").fetchall()[0][0]


def _serving(warehouse: Path, place: Path, own: list[dict[str, Any]]) -> str | None:
    """fit_id that serves the next session: of the last choice by hand that counts from then on, or as it was built."""
    following = _next_session(warehouse)
    chosen = [
        event["fit_id"]
        for event in events(place)
        if event["alpha_name"] == own[0]["alpha_name"]
        and event["event"] != "register"
        and event["effective_date"] == following
    ]
    return chosen[-1] if chosen else next((row["fit_id"] for row in own if row["status"] == "active"), None)


def _next_session(warehouse: Path) -> dt.date:
    """The session after the market's last date."""
    sql = """select next_session_date from intermediate.int_sessions
        where session_date = (select max(as_of_date) from ml.ml_panel)"""
    with open_warehouse(warehouse) as connection:
        return connection.sql(sql).fetchall()[0][0]


def _choose(
    warehouse: Path, place: Path, own: list[dict[str, Any]], row: dict[str, Any], event: str, why: str, who: str | None
) -> Choice:
    """Append the event, after the fit's row is kept. Under the lock."""
    if not why.strip():
        raise RegistryError("Say why (--why TEXT): the registry is read by those who come after.")
    if _serving(warehouse, place, own) == row["fit_id"]:
        raise RegistryError(f"Version {row['version']} of {row['alpha_name']} already serves: nothing to do.")
    following = _next_session(warehouse)
    with open_warehouse(warehouse) as connection:
        begins = connection.sql(_FOLD_BEGINS, params=[row["alpha_name"], following]).fetchall()
    _keep_fit(warehouse, place, row)
    said = {name: row[name] for name in ("alpha_name", "fit_id", "fold_id", "version", "gate_result")} | {
        "event_number": max([_last_event(warehouse), *(event["event_number"] for event in events(place))]) + 1,
        "event": event,
        "effective_date": following,
        "who": who or _user(),
        "why": why.strip(),
        "first_seen_at": dt.datetime.now(dt.UTC).replace(tzinfo=None),
    }
    state.append(place, "registry_events", pa.Table.from_pylist([said], schema=REGISTRY_EVENTS))
    return Choice(row["alpha_name"], row["version"], event, following, begins == [(True,)])


def _user() -> str:
    """The user's name, or the number where there is no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _keep_fit(warehouse: Path, place: Path, row: dict[str, Any]) -> None:
    """The fit's row of ml_fits in the state, once."""
    if row["fit_id"] in state.read(place, "registry_fits", FITS)["fit_id"].to_pylist():
        return
    columns = ", ".join(FITS.names)
    with open_warehouse(warehouse) as connection:
        made = connection.sql(f"select {columns} from ml.ml_fits where fit_id = '{row['fit_id']}'").to_arrow_table()
    if not made.num_rows:
        raise RegistryError(
            f"Version {row['version']} of {row['alpha_name']} was made by other code or data and its bytes were not"
            " kept: only a version that the build still makes, or one chosen before, can serve."
        )
    state.append(place, "registry_fits", made.cast(FITS))


def _version(own: list[dict[str, Any]], version: int) -> dict[str, Any]:
    for row in own:
        if row["version"] == version:
            return row
    known = f"{own[0]['version']} to {own[-1]['version']}"
    raise RegistryError(f"{own[0]['alpha_name']} has no version {version}; it has {known} (kairos models list).")


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, warehouse: Path) -> list[dict[str, Any]]:
    try:
        return connection.sql(sql).to_arrow_table().to_pylist()
    except duckdb.Error as error:
        raise MarketError(f"{warehouse} has no table ml.ml_model_versions. Run make build first. ({error})") from error
