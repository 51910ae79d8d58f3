"""Are two tables of features equal: same rows in the same order, NULL in the same cells, values within a tolerance?"""

from __future__ import annotations

import polars as pl

KEYS = ["security_id", "as_of_date", "known_at"]


def differences(ours: pl.DataFrame, theirs: pl.DataFrame, features: list[str], tolerance: float = 1e-9) -> list[str]:
    """One line per feature with a cell where |a - b| > tolerance x max(|b|, median |column|), or NULL in one only."""
    if ours.height != theirs.height or not all((ours[key] == theirs[key]).all() for key in KEYS):
        return [f"other rows: {ours.height} and {theirs.height}, or another order"]
    found = []
    for name in features:
        a, b = ours[name].cast(pl.Float64), theirs[name].cast(pl.Float64)
        scale = pl.DataFrame({"b": b.abs()}).select(pl.max_horizontal("b", pl.col("b").median()))["b"]
        nulls = (a.is_null() != b.is_null()).sum()
        apart = ((a - b).abs() > tolerance * scale).sum()
        if nulls or apart or a.is_nan().any() or b.is_nan().any():
            found.append(f"{name}: {nulls} cells NULL on one side only, {apart} further apart than {tolerance}")
    return found
