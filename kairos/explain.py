"""What moves each fit's scores in its test window: exact contributions, permutation, and the feature by itself.

Contributions are Shapley values in the units of the estimator's own sum, which they add up to with their bias: the
libraries' TreeSHAP for boosted trees (Lundberg and others 2020, Nature Machine Intelligence 2), and for linear models
coefficient times standardised value, which is exact where features move apart from each other (Strumbelj and Kononenko
2014). scikit-learn's forests have no exact method of their own and are explained by permutation alone.
"""

from __future__ import annotations

import functools
import hashlib
import zlib
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import xgboost as xgb
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import ElasticNet, LinearRegression, LogisticRegression, Ridge

from kairos import executor, quality
from kairos.families import family_named
from kairos.fitting import Preparation
from kairos.kept import Kept, digest, digest_of_rows
from kairos.panel import rows_of, write_panel
from kairos.progress import say
from kairos.quality import EVERY_SESSIONS, centred_ranks, rank_ic
from kairos.schemas import IMPORTANCES
from kairos.scoring import columns_of, served_rows, what_speaks

# Rows of a test window whose contributions are taken, and dates and names of each that are permuted.
SHAP_ROWS = 100
PERMUTED_DATES, PERMUTED_NAMES = 5, 60


def importances(fits, panel, labels, specs, settings: dict[str, Any], kept: Kept | None = None) -> pa.Table:
    """One row per fit and feature: schemas.IMPORTANCES ordered by alpha_name, fold_id, feature_name.

    kept: what was found in earlier builds, taken where the fit, the code and every value asked about are the same.

    Arguments are DuckDB relations ml_fits, ml_panel, labels, alpha_specs; settings: min_cross_section. The test window
    of a fit is what its schedule has it serve so far, on every fifth session. Contributions need no label; the rest is
    of the rows whose return over the alpha's horizon is known, and NULL where there are none.
    """
    horizons = {spec["alpha_name"]: spec["horizon_days"] for spec in rows_of(specs)}
    served = sorted(rows_of(fits), key=lambda fit: (fit["alpha_name"], fit["effective_date"]))
    if not served:
        return IMPORTANCES.empty_table()
    features = sorted({name for fit in served for name in fit["feature_names"]})
    returns = sorted({f"fwd_ret_{horizons[fit['alpha_name']]}d" for fit in served})
    with executor.shared_folder() as folder:
        files = write_panel(
            _rows(panel, labels, served, features, returns), features, folder, dict.fromkeys(returns, "double")
        )
        if files is None:
            return IMPORTANCES.empty_table()
        fewest = int(settings["min_cross_section"])
        tasks = [
            {
                "files": files,
                "fit": fit,
                "rows": rows,
                "returns": f"fwd_ret_{horizons[fit['alpha_name']]}d",
                "fewest": fewest,
            }
            for fit, rows in served_rows(served, np.array(files.column("as_of_date")))
        ]
        found = kept.tables(tasks, _piece_of, importance_key, lambda _: IMPORTANCES) if kept else {}
        taken = len(found)
        rest = [position for position in range(len(tasks)) if position not in found]
        left = [tasks[position] for position in rest]
        # the feature by itself is the same for all fits that served the same dates
        alike = list({(task["rows"], task["returns"]): task for task in left}.values())
        alone = {(alike[i]["rows"], alike[i]["returns"]): columns for i, columns in executor.run(marginal_one, alike)}
        for place, (rows, key) in executor.run(explain_one, left):
            task = left[place]
            by_feature = alone[task["rows"], task["returns"]]
            table = pa.Table.from_pylist([row | by_feature[row["feature_name"]] for row in rows], schema=IMPORTANCES)
            found[rest[place]] = table
            if kept:
                kept.put(*_piece_of(task), key, table)
    if kept:
        kept.prune(set(horizons), {_piece_of(task) for task in tasks})
    say(f"explain: {len(tasks)} fits; what was found of {taken} is as it was")
    return pa.concat_tables([IMPORTANCES.empty_table(), *(found[position] for position in range(len(tasks)))])


def _piece_of(task: dict[str, Any]) -> tuple[str, str]:
    return task["fit"]["alpha_name"], task["fit"]["fold_id"]


def importance_key(task: dict[str, Any]) -> str:
    """Digest of all that shapes the rows of a task: the fit whole, its window's values and returns, the code."""
    fit, files, window = task["fit"], task["files"], slice(*task["rows"])
    sources = [hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in (__file__, quality.__file__)]
    values = [
        files.matrix()[window][:, files.positions(fit["feature_names"])],
        *(np.array(files.column(name)[window]) for name in ("as_of_date", task["returns"])),
    ]
    asked = [task["fewest"], task["returns"], digest_of_rows(fit["feature_names"], *values)]
    return digest([*what_speaks(fit), sources, asked])


def explain_one(task: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """Rows of IMPORTANCES of one fit, by feature_name, and their key; in whatever process."""
    fit, files = task["fit"], task["files"]
    window = slice(*task["rows"])
    X = files.matrix()[window][:, files.positions(fit["feature_names"])]
    dates, realized = np.array(files.column("as_of_date")[window]), np.array(files.column(task["returns"])[window])
    # drawn by the fold, not by the fit: a refit is explained on the same rows
    rng = np.random.default_rng(zlib.crc32(f"{fit['alpha_name']} {fit['fold_id']}".encode()))
    with executor.one_thread():
        model = Model(fit)
        columns = shap_columns(model, X, rng)
        columns |= permutation_columns(model, X, dates, realized, task["fewest"], rng)
    order = np.argsort(fit["feature_names"])
    key = {"alpha_name": fit["alpha_name"], "fold_id": fit["fold_id"], "effective_date": fit["effective_date"]}
    rows = [
        {
            **key,
            "feature_name": fit["feature_names"][j],
            **{name: _value(column, j) for name, column in columns.items()},
        }
        for j in order
    ]
    return rows, importance_key(task)


class Model:
    """A fitted estimator with what goes before it."""

    def __init__(self, fit: dict[str, Any]):
        self.task = fit["task"]
        self.family = family_named(fit["family"])
        self.fitted = self.family.deserialize(fit["estimator"])
        self.preparation = Preparation.of_fit(fit)

    def score(self, X: np.ndarray) -> np.ndarray:
        """Scores (rows,) of X (rows, features) with NaN, as kairos.scoring serves them."""
        return columns_of(self.task, self.family.predict(self.task, self.fitted, self.preparation.apply(X)))["score"]

    def contributions(self, X: np.ndarray) -> np.ndarray | None:
        """(rows, features + 1) for X with NaN: each feature's part of the margin and, last, what is there without any.

        The margin is the sum before any link: log-odds of class 1, those of UP less those of DOWN, the predicted
        return, the median.
        None where the estimator has no exact method.
        """
        return contributions(self.fitted, self.task, self.preparation.apply(X))


@functools.singledispatch
def contributions(fitted: Any, task: str, X: np.ndarray) -> np.ndarray | None:
    """Contributions (rows, features + 1) of a fitted estimator to its margin for prepared X (rows, features)."""
    raise TypeError(f"{type(fitted).__name__} has no explanation; register one in kairos/explain.py.")


@contributions.register(xgb.Booster)
def _(fitted: xgb.Booster, task: str, X: np.ndarray) -> np.ndarray:
    parts = fitted.predict(xgb.DMatrix(X.astype(np.float32), nthread=1), pred_contribs=True).astype(np.float64)
    return _of_score(task, parts) if parts.ndim == 3 else parts


@contributions.register(list)
def _(fitted: list[lgb.Booster], task: str, X: np.ndarray) -> np.ndarray:
    parts = np.stack([booster.predict(X, pred_contrib=True, num_threads=1) for booster in fitted], axis=1)
    if task == "multiclass":
        parts = parts.reshape(len(X), 3, -1)
    return _of_score(task, parts)


@contributions.register(LinearRegression)
@contributions.register(Ridge)
@contributions.register(ElasticNet)
@contributions.register(LogisticRegression)
def _(fitted: Any, task: str, X: np.ndarray) -> np.ndarray:
    weights, bias = np.atleast_2d(fitted.coef_), np.atleast_1d(fitted.intercept_)
    parts = np.concatenate([X[:, None, :] * weights, np.broadcast_to(bias[:, None], (len(X), len(bias), 1))], axis=2)
    return _of_score(task, parts)


@contributions.register(RandomForestClassifier)
@contributions.register(RandomForestRegressor)
def _(fitted: Any, task: str, X: np.ndarray) -> None:
    return None


def _of_score(task: str, parts: np.ndarray) -> np.ndarray:
    """Of parts (rows, outputs, features + 1) those of the score: UP less DOWN, the median, or the only output."""
    if task == "multiclass":
        return parts[:, 2] - parts[:, 0]
    return parts[:, 1] if task == "quantile" else parts[:, 0]


def shap_columns(model: Model, X: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    """mean_abs_shap, shap_share, shap_direction (features,) and shap_rows of a sample of X (rows, features) with NaN.

    shap_direction is Spearman's correlation of a feature's values and its contributions; NaN where one does not vary.
    """
    rows = np.sort(rng.choice(len(X), min(len(X), SHAP_ROWS), replace=False))
    parts = model.contributions(X[rows])
    if parts is None:
        return {"shap_rows": 0}
    size = np.abs(parts[:, :-1]).mean(axis=0)
    direction = rank_ic(X[rows].T, parts[:, :-1].T, 2)
    share = np.divide(size, size.sum(), out=np.full(len(size), np.nan), where=size.sum() > 0)
    return {"mean_abs_shap": size, "shap_share": share, "shap_direction": direction, "shap_rows": len(rows)}


def marginal_one(task: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Of every feature of the panel marginal_rank_ic, the mean over the window's dates of its own rank IC, and
    marginal_dates."""
    files, window = task["files"], slice(*task["rows"])
    row, place, shape = _cells(np.array(files.column("as_of_date")[window]))
    y = _spread(np.array(files.column(task["returns"])[window]), row, place, shape)
    dates = int(((~np.isnan(y)).sum(axis=1) >= task["fewest"]).sum())
    X = files.matrix()[window]
    ics = [_mean(rank_ic(_spread(X[:, j], row, place, shape), y, task["fewest"])) for j in range(X.shape[1])]
    return {
        name: {"marginal_rank_ic": _value(ic, 0), "marginal_dates": dates}
        for name, ic in zip(files.features, ics, strict=True)
    }


def permutation_columns(
    model: Model, X: np.ndarray, dates: np.ndarray, realized: np.ndarray, fewest: int, rng: np.random.Generator
) -> dict[str, Any]:
    """permutation_drop (features,): what the mean rank IC of the sampled dates loses when the feature's values change
    hands among the names of each date; and permutation_rank_ic before, permuted_rows.
    """
    chosen = _sample(np.flatnonzero(~np.isnan(realized)), dates, fewest, rng)
    if not len(chosen):
        return {"permuted_rows": 0}
    X, (row, place, shape) = X[chosen], _cells(dates[chosen])
    copies = np.repeat(X[None], X.shape[1] + 1, axis=0)  # the first stays as it is
    swapped = np.lexsort((rng.random(len(X)), row))  # rows are by date: each date's in another order
    for j in range(X.shape[1]):
        copies[j + 1, :, j] = X[swapped, j]
    scores = model.score(copies.reshape(-1, X.shape[1])).reshape(len(copies), len(X))
    y = centred_ranks(_spread(realized[chosen], row, place, shape))
    ics = np.array([_mean(_correlation(centred_ranks(_spread(said, row, place, shape)), y)) for said in scores])
    return {"permutation_rank_ic": ics[0], "permutation_drop": ics[0] - ics[1:], "permuted_rows": len(chosen)}


def _sample(rows: np.ndarray, dates: np.ndarray, fewest: int, rng: np.random.Generator) -> np.ndarray:
    """Some of the rows (ascending, by date): of PERMUTED_DATES dates with at least `fewest`, PERMUTED_NAMES each."""
    days, counts = np.unique(dates[rows], return_counts=True)
    days = days[counts >= fewest]
    drawn = np.sort(rng.choice(days, min(len(days), PERMUTED_DATES), replace=False))
    pieces = [rows[dates[rows] == day] for day in drawn]
    picked = [np.sort(rng.choice(piece, min(len(piece), PERMUTED_NAMES), replace=False)) for piece in pieces]
    return np.concatenate(picked) if picked else np.empty(0, dtype=int)


def _cells(dates: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """(date's number, place within it, shape): where ascending dates (rows,) stand in a matrix with a line per date."""
    _, first, row, counts = np.unique(dates, return_index=True, return_inverse=True, return_counts=True)
    return row, np.arange(len(dates)) - first[row], (len(first), int(counts.max(initial=0)))


def _spread(values: np.ndarray, row: np.ndarray, place: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    matrix = np.full(shape, np.nan)
    matrix[row, place] = values
    return matrix


def _correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Per line of centred ranks; 0 where a side does not vary: a constant score says nothing."""
    lengths = np.sqrt((x * x).sum(axis=1)) * np.sqrt((y * y).sum(axis=1))
    return np.divide((x * y).sum(axis=1), lengths, out=np.zeros(len(x)), where=lengths > 0)


def _mean(values: np.ndarray) -> float:
    """Of those that are not NaN, NaN without any."""
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if len(kept) else float("nan")


def _value(column: Any, j: int) -> Any:
    value = column[j] if np.ndim(column) else column
    return None if isinstance(value, float) and np.isnan(value) else value


def _rows(panel, labels, fits: list[dict[str, Any]], features: list[str], returns: list[str]):
    """Members on every fifth session from the first fit on, with their returns, in key order."""
    first = min(fit["effective_date"] for fit in fits)
    keys = ["p.as_of_date", "p.security_id", "p.session_index"]
    return (
        panel.filter(f"as_of_date >= date '{first}' and session_index % {EVERY_SESSIONS} = 0")
        .set_alias("p")
        .join(
            labels.filter(f"as_of_date >= date '{first}'").set_alias("l"),
            "p.as_of_date = l.as_of_date and p.security_id = l.security_id",
            how="left",
        )
        .project(", ".join([*keys, *(f"p.{name}" for name in features), *(f"l.{name}" for name in returns)]))
        .order("as_of_date, security_id")
    )
