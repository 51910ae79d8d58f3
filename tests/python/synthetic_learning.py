"""A small panel with a planted signal, as the relations the learning code reads. No dbt, no files."""

from __future__ import annotations

import datetime as dt

import duckdb
import numpy as np
import pyarrow as pa

from kairos.fitting import fit_folds

FEATURES = ["alpha_one", "alpha_two", "alpha_three"]
LAG, HORIZON, STRIDE = 1, 5, 5


def business_days(count: int, start: dt.date = dt.date(2015, 1, 1)) -> list[dt.date]:
    """`count` weekdays from `start`."""
    days = (start + dt.timedelta(days=i) for i in range(2 * count + 10))
    return [day for day in days if day.weekday() < 5][:count]


def make(sessions: int = 420, names: int = 24, seed: int = 0, null_feature: str | None = None) -> dict:
    """Arrow tables ml_panel and labels: alpha_one drives the 5-session return, alpha_three is often NULL.

    Rows are ordered by date and security; the last LAG + HORIZON sessions have no label.
    """
    rng = np.random.default_rng(seed)
    days = business_days(sessions)
    X = rng.normal(size=(sessions * names, len(FEATURES)))
    returns = 0.02 * X[:, 0] + 0.05 * rng.normal(size=len(X))
    index = np.repeat(np.arange(sessions), names)
    labelled = index + LAG + HORIZON < sessions
    X[rng.random(len(X)) < 0.3, 2] = np.nan
    if null_feature:
        X[:, FEATURES.index(null_feature)] = np.nan
    medians = np.array([np.median(returns[index == i]) for i in range(sessions)])
    dates = [days[i] for i in index]
    ends = [days[i + LAG + HORIZON] if i + LAG + HORIZON < sessions else None for i in index]
    keys = {
        "as_of_date": pa.array(dates, pa.date32()),
        "security_id": pa.array(np.tile(np.arange(1, names + 1), sessions) * 7, pa.int64()),
    }
    panel = keys | {"session_index": pa.array(index.astype(np.int32)), "is_member": pa.array(np.full(len(X), True))}
    panel |= {name: pa.array(X[:, j], from_pandas=True) for j, name in enumerate(FEATURES)}
    labels = keys | {
        "fwd_ret_5d": pa.array(np.where(labelled, returns, np.nan), from_pandas=True),
        "outperform_5d": pa.array(
            [int(r > medians[i]) if known else None for r, i, known in zip(returns, index, labelled, strict=True)],
            pa.int8(),
        ),
        "updown_5d": pa.array(
            [int(np.digitize(r, [-0.01, 0.01])) if known else None for r, known in zip(returns, labelled, strict=True)],
            pa.int8(),
        ),
        "label_end_date_5d": pa.array(ends, pa.date32()),
    }
    return {"panel": pa.table(panel), "labels": pa.table(labels), "days": days}


def spec(alpha_name: str, family: str, task: str, **changes) -> dict:
    """A row of alpha_specs."""
    label = {"classification": "outperform_5d", "multiclass": "updown_5d"}.get(task, "fwd_ret_5d")
    return {
        "alpha_name": alpha_name,
        "family": family,
        "task": task,
        "label": label,
        "feature_set": "three",
        "horizon_days": HORIZON,
        "train_every_sessions": STRIDE,
        "embargo_sessions": 0,
        "tune_trials": 0,
        "tune_batch": 4,
        "calibration": "none",
        "seed": 7,
        "is_active": True,
    } | changes


def fold(alpha_name: str, days: list[dt.date], test_start_index: int, **changes) -> dict:
    """A row of ml_folds, of status fitted, with all the past as its window."""
    return {
        "alpha_name": alpha_name,
        "fold_id": days[test_start_index].isoformat(),
        "window_start_date": days[0],
        "test_start_index": test_start_index,
        "train_before_index": test_start_index - LAG - HORIZON,
        "labels_settled_before_date": days[test_start_index],
        "test_start_date": days[test_start_index],
        "train_rows": test_start_index,  # orders the work and nothing else
        "status": "fitted",
        "reason": None,
    } | changes


def relations(market: dict, specs: list[dict], folds: list[dict], params: list[dict] | None = None) -> dict:
    """The relations fit_folds and score_folds read, on one in-memory connection."""
    connection = duckdb.connect()
    names = pa.schema([("alpha_name", pa.string()), ("param", pa.string()), ("value", pa.string())])
    tables = {
        "panel": market["panel"],
        "labels": market["labels"],
        "specs": pa.Table.from_pylist(specs),
        "folds": pa.Table.from_pylist(folds, schema=None if folds else FOLDS),
        "params": pa.Table.from_pylist(params or [], schema=names),
        "feature_sets": pa.table({"feature_set": ["three"] * 3, "feature_name": FEATURES}),
    }
    for name, table in tables.items():
        connection.register(f"arrow_{name}", table)
        connection.execute(f"create table {name} as from arrow_{name}")
    return {name: connection.table(name) for name in tables} | {"connection": connection}


FOLDS = pa.schema(
    [("alpha_name", pa.string()), ("fold_id", pa.string()), ("status", pa.string()), ("reason", pa.string())]
)


def fits_of(made: dict, families: tuple[str, ...]) -> duckdb.DuckDBPyRelation:
    """The relation `fits`, all folds of these families fitted on what relations() made."""
    names = ("panel", "labels", "folds", "specs", "params", "feature_sets")
    for family in families:
        made["connection"].register("fitted", fit_folds(family, **{name: made[name] for name in names}))
        verb = "create table fits as" if family == families[0] else "insert into fits"
        made["connection"].execute(f"{verb} from fitted")
    return made["connection"].table("fits")
