"""The panel of members: which columns it has, and how it is handed to worker processes (as memory-mapped files)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kairos.errors import MarketError, SpecError

# A label that is not settled ends later than any date.
NEVER = np.iinfo(np.int32).max


def rows_of(relation) -> list[dict[str, Any]]:
    """All rows of a small relation as dicts."""
    return relation.to_arrow_table().to_pylist()


def active_specs(specs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of alpha_specs that are switched on, by alpha_name."""
    return sorted((spec for spec in specs if spec["is_active"]), key=lambda spec: spec["alpha_name"])


def features_of(feature_set: str, feature_sets: list[dict[str, Any]]) -> list[str]:
    """Feature names of a set, sorted. Raises SpecError when the set has none."""
    names = sorted(row["feature_name"] for row in feature_sets if row["feature_set"] == feature_set)
    if not names:
        known = sorted({row["feature_set"] for row in feature_sets})
        raise SpecError(
            f"Feature set '{feature_set}' of seeds/alpha_specs.csv has no features; known sets: {known}. "
            "Add its rows to seeds/feature_sets.csv or name one of these."
        )
    return names


def panel_features(specs: list[dict[str, Any]], feature_sets: list[dict[str, Any]]) -> list[str]:
    """Every feature that some active alpha uses, sorted."""
    return sorted({name for spec in active_specs(specs) for name in features_of(spec["feature_set"], feature_sets)})


def member_panel(features, sessions, specs, feature_sets, bundle_members):
    """Members with their session and the features the active alphas and the bundles use, ordered by date and security.

    Arguments are DuckDB relations: features (as_of_date, security_id, is_member, decided_at, features), int_sessions,
    alpha_specs, feature_sets, factor_bundle_members. Returns a relation as_of_date, security_id, session_index,
    is_member, decided_at, features; nothing is read here. Raises SpecError when a set or a bundle names a feature that
    the collector does not have.
    """
    factors = {row["factor_name"] for row in rows_of(bundle_members)}
    names = sorted(factors.union(panel_features(rows_of(specs), rows_of(feature_sets))))
    if missing := [name for name in names if name not in features.columns]:
        raise SpecError(
            f"feature_sets.csv or factor_bundle_members.csv names {', '.join(missing)}, which no family computes. "
            "Correct the rows or add the column to its feat_<family>.sql."
        )
    columns = ["f.as_of_date", "f.security_id", "s.session_index", "f.is_member", "f.decided_at"]
    return (
        features.filter("is_member")
        .set_alias("f")
        .join(sessions.set_alias("s"), "f.as_of_date = s.session_date")
        .project(", ".join([*columns, *(f"f.{name}" for name in names)]))
        .order("as_of_date, security_id")
    )


class PanelFiles:
    """A panel as .npy files in a folder: one float64 matrix of features and one array per key.

    A worker gets the folder's path and maps the files; the panel itself is never pickled.
    """

    def __init__(self, folder: str, features: list[str]):
        self.folder = folder
        self.features = features

    def matrix(self) -> np.ndarray:
        """float64 (rows, features), NaN for NULL, read-only map."""
        return np.load(Path(self.folder) / "features.npy", mmap_mode="r")

    def column(self, name: str) -> np.ndarray:
        """One key or label (rows,), read-only map: int32 days since 1970 for dates, float64 with NaN for labels."""
        return np.load(Path(self.folder) / f"{name}.npy", mmap_mode="r")

    def positions(self, names: list[str]) -> list[int]:
        """Columns of the matrix that hold these features."""
        return [self.features.index(name) for name in names]


def write_panel(relation, features: list[str], folder: str, others: dict[str, str] | None = None) -> PanelFiles | None:
    """Stream a relation into memory-mapped files; None when it has no rows.

    relation: as_of_date, security_id, session_index, the features and the columns of `others`, already in key order.
    others: name -> 'date' or 'double'; a NULL date becomes NEVER, a NULL double NaN.
    Raises MarketError when a feature is infinite: a fit would learn from it without saying so.
    """
    kinds = {"as_of_date": "date", "security_id": "bigint", "session_index": "integer", **(others or {})}
    rows = relation.aggregate("count(*)").fetchall()[0][0]
    if not rows:
        return None
    dtypes = {"date": np.int32, "integer": np.int32, "bigint": np.int64, "double": np.float64}
    matrix = _new_file(folder, "features", np.float64, (rows, len(features)))
    columns = {name: _new_file(folder, name, dtypes[kind], (rows,)) for name, kind in kinds.items()}
    typed = [f"{name}::double as {name}" for name in features]
    keys = [f"{name}::{kind} as {name}" for name, kind in kinds.items()]
    start = 0
    for batch in relation.project(", ".join([*keys, *typed])).to_arrow_reader(100_000):
        stop = start + batch.num_rows
        for name, kind in kinds.items():
            columns[name][start:stop] = _numpy(batch.column(name), kind)
        for j, name in enumerate(features):
            matrix[start:stop, j] = _numpy(batch.column(name), "double")
        _refuse_infinite(matrix[start:stop], features)
        start = stop
    matrix.flush()
    for column in columns.values():
        column.flush()
    return PanelFiles(folder, features)


def _new_file(folder: str, name: str, dtype: Any, shape: tuple[int, ...]) -> np.ndarray:
    return np.lib.format.open_memmap(Path(folder) / f"{name}.npy", mode="w+", dtype=dtype, shape=shape)


def _numpy(column: pa.Array, kind: str) -> np.ndarray:
    if kind == "date":
        return column.cast(pa.int32()).fill_null(NEVER).to_numpy(zero_copy_only=False)
    if kind == "double":
        return column.fill_null(np.nan).to_numpy(zero_copy_only=False)
    return column.to_numpy(zero_copy_only=False)


def _refuse_infinite(block: np.ndarray, features: list[str]) -> None:
    if (found := np.isinf(block)).any():
        counts = ", ".join(f"{features[j]} {n}" for j, n in enumerate(found.sum(axis=0)) if n)
        raise MarketError(
            f"Features must be finite or NULL; infinite values: {counts}. Guard the denominator in feat_<family>.sql."
        )
