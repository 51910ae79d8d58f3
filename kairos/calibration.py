"""Calibration: probabilities brought to the shares seen on rows later than those the estimator learned from."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression

from kairos.errors import SpecError
from kairos.families import CLASSES

METHODS = ("platt", "isotonic")
# Odds beyond these say nothing more; 0 and 1 have none.
_LOWEST = 1e-9


def learn(method: str, task: str, said: np.ndarray, y: np.ndarray) -> list[dict[str, Any]]:
    """One map per class from what Family.predict() said to calibrated probabilities; of three, one against the rest.

    said: float64 (rows,) of a classification or (rows, 3) of a multiclass, y float64 (rows,) the classes.
    Returns maps as plain dicts that JSON holds to the bit: platt {slope, intercept} on the log-odds, isotonic {x, y},
    the corners of a rising line. Raises SpecError for another method or task, or rows without a class.
    """
    if method not in METHODS or task not in CLASSES:
        raise SpecError(
            f"seeds/alpha_specs.csv: calibration '{method}' of task '{task}'; it is one of {', '.join(METHODS)}, of "
            f"{' and '.join(CLASSES)}."
        )
    rows = np.bincount(y.astype(int), minlength=CLASSES[task])
    if not rows.all():
        raise SpecError(f"Calibration rows per class {rows.tolist()}: each is needed; ml_folds skips such folds.")
    fit = _platt if method == "platt" else _isotonic
    if task == "classification":
        return [fit(said, y == 1)]
    return [fit(said[:, k], y == k) for k in range(CLASSES[task])]


def apply(maps: list[dict[str, Any]], said: np.ndarray) -> np.ndarray:
    """Calibrated probabilities in the shape of `said`; three classes are brought to a sum of 1.

    Row by row: a row's bits do not depend on the rows beside it.
    """
    if len(maps) == 1:
        return _mapped(maps[0], said)
    columns = [_mapped(one, np.ascontiguousarray(said[:, k])) for k, one in enumerate(maps)]
    total = sum(columns)
    return np.column_stack([np.where(total > 0, column / np.where(total > 0, total, 1), 1 / 3) for column in columns])


def _mapped(one: dict[str, Any], p: np.ndarray) -> np.ndarray:
    if "slope" in one:
        return expit(one["slope"] * logit(np.clip(p, _LOWEST, 1 - _LOWEST)) + one["intercept"])
    return np.interp(p, one["x"], one["y"])


def _platt(p: np.ndarray, is_class: np.ndarray) -> dict[str, float]:
    """Slope and intercept on the log-odds by Newton's method, with the smoothed targets of Platt (1999); a step is
    halved until it helps, as in Lin, Lin and Weng (2007)."""
    odds = logit(np.clip(p, _LOWEST, 1 - _LOWEST))
    hits = int(is_class.sum())
    target = np.where(is_class, (hits + 1) / (hits + 2), 1 / (len(p) - hits + 2))

    def loss(slope: float, intercept: float) -> float:
        term = slope * odds + intercept
        return float((np.logaddexp(0, term) - target * term).sum())

    slope, intercept = 0.0, float(np.log((hits + 1) / (len(p) - hits + 1)))
    best = loss(slope, intercept)
    for _ in range(100):
        q = expit(slope * odds + intercept)
        w, error = q * (1 - q), q - target
        ss, si, ii = float((w * odds * odds).sum()) + 1e-12, float((w * odds).sum()), float(w.sum()) + 1e-12
        gs, gi = float((error * odds).sum()), float(error.sum())
        det = ss * ii - si * si
        if abs(gs) + abs(gi) < 1e-9 * len(p) or det <= 0:
            break
        step_s, step_i = (ii * gs - si * gi) / det, (ss * gi - si * gs) / det
        for halving in range(30):
            scale = 0.5**halving
            trial = loss(slope - scale * step_s, intercept - scale * step_i)
            if trial < best:
                break
        else:
            break
        slope, intercept, best = slope - scale * step_s, intercept - scale * step_i, trial
    return {"slope": slope, "intercept": intercept}


def _isotonic(p: np.ndarray, is_class: np.ndarray) -> dict[str, list[float]]:
    fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(p, is_class.astype(float))
    return {"x": fitted.X_thresholds_.tolist(), "y": fitted.y_thresholds_.tolist()}
