"""Walk-forward fits: one row per alpha and fold, learned from the fold's training rows and nothing else."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import kairos
from kairos import calibration, executor
from kairos.errors import SpecError
from kairos.families import CLASSES, Family, family_named
from kairos.kept import Kept, digest, digest_of_rows
from kairos.panel import PanelFiles, active_specs, features_of, rows_of, write_panel
from kairos.progress import Progress, say
from kairos.schemas import FITS

_EPOCH = dt.date(1970, 1, 1)


@dataclass(frozen=True)
class TrainingRows:
    """Rows of a fold's training window, in key order (as_of_date, security_id).

    dates int32 days since 1970 and securities int64 (rows,); X float64 (rows, features) with NaN for NULL;
    y float64 (rows,) without NaN.
    """

    dates: np.ndarray
    securities: np.ndarray
    X: np.ndarray
    y: np.ndarray
    features: list[str]

    def digest(self) -> str:
        """sha256 of names and values, NaN written one way."""
        return digest_of_rows(self.features, self.dates, self.securities, self.X, self.y)


@dataclass(frozen=True)
class Preparation:
    """What is learned about the inputs: kept features, their medians, and mean and deviation where a family scales."""

    features: list[str]
    dropped: list[str]
    medians: np.ndarray
    mean: np.ndarray = field(default_factory=lambda: np.empty(0))
    scale: np.ndarray = field(default_factory=lambda: np.empty(0))

    @classmethod
    def learn(cls, X: np.ndarray, features: list[str], is_scaled: bool) -> tuple[Preparation, np.ndarray]:
        """From training rows X (rows, features): a feature that is NULL in all of them is dropped; and X prepared."""
        missing = np.isnan(X)
        present = ~missing.all(axis=0)
        kept = [name for name, is_present in zip(features, present, strict=True) if is_present]
        dropped = [name for name, is_present in zip(features, present, strict=True) if not is_present]
        if dropped:
            X, missing = X[:, present], missing[:, present]
        medians = np.nanmedian(X, axis=0) if kept else np.empty(0)
        prepared = np.where(missing, medians, X)
        if not (is_scaled and kept):
            return cls(kept, dropped, medians), prepared
        mean, deviation = prepared.mean(axis=0), prepared.std(axis=0)
        scale = np.where(deviation > 0, deviation, 1.0)
        prepared -= mean
        prepared /= scale
        return cls(kept, dropped, medians, mean, scale), prepared

    @classmethod
    def of_fit(cls, fit: dict[str, Any]) -> Preparation:
        """What a row of ml_fits says was learned."""
        learned = (np.array(fit[name]) for name in ("medians", "scaler_mean", "scaler_scale"))
        return cls(fit["feature_names"], fit["dropped_features"], *learned)

    def apply(self, X: np.ndarray) -> np.ndarray:
        """X (rows, kept features) with medians for NaN, standardised where mean and scale were learned."""
        filled = np.where(np.isnan(X), self.medians, X)
        return (filled - self.mean) / self.scale if len(self.mean) else filled


def fit_folds(
    family: str, panel, labels, folds, specs, params, feature_sets, kept: Kept | None = None, state: Path | None = None
) -> pa.Table:
    """Fit every fold of status 'fitted' of the family's active alphas, but those of which the same fit was kept.

    Arguments are DuckDB relations: ml_panel, labels, ml_folds, and the seeds alpha_specs, alpha_params, feature_sets.
    kept: fits of earlier builds, known by fit_id. A new one is kept as it arrives: a build that fails loses none.
    state: the market's state, where trials are recorded; needed where a spec sets tune_trials.
    Rows whose label is NULL take no part, whatever the task; NULL features get the training rows' medians.
    Returns schemas.FITS in the order alpha_name, fold_id; empty when the family has no active alpha, or, with a line on
    stderr that says why, when none of their folds can be fitted. Raises SpecError when a spec does not fit its family.
    """
    algorithm = family_named(family)
    all_specs = rows_of(specs)
    alphas = [spec for spec in active_specs(all_specs) if spec["family"] == family]
    all_folds, all_params, sets = rows_of(folds), rows_of(params), rows_of(feature_sets)
    for spec in alphas:
        if spec["task"] not in algorithm.tasks:
            raise SpecError(
                f"seeds/alpha_specs.csv: {spec['alpha_name']} asks family '{family}' for task '{spec['task']}'; "
                f"it does {', '.join(algorithm.tasks)}. Correct the row."
            )
    tasks = [
        {
            "family": family,
            "spec": spec,
            "fold": fold,
            "features": features_of(spec["feature_set"], sets),
            "params": algorithm.typed_params(
                {row["param"]: row["value"] for row in all_params if row["alpha_name"] == spec["alpha_name"]},
                f"alpha_params.csv: {spec['alpha_name']}",
            ),
        }
        for spec in alphas
        for fold in all_folds
        if fold["alpha_name"] == spec["alpha_name"] and fold["status"] == "fitted"
    ]
    if not tasks:
        if alphas:
            say(_why_nothing_is_fitted(family, alphas, all_folds))
        return FITS.empty_table()
    tasks.sort(key=lambda task: task["fold"]["train_rows"], reverse=True)  # the longest first (kairos/executor.py)
    with executor.shared_folder() as folder:
        files = _training_files(panel, labels, alphas, sorted({f for t in tasks for f in t["features"]}), folder)
        tasks = _tuned([{**task, "files": files} for task in tasks], state)
        rows = _kept_fits(tasks, kept) if kept else []
        if rows:
            say(f"fit {family}: {len(rows)} of {len(tasks)} folds are as they were")
        have = {(row["alpha_name"], row["fold_id"]) for row in rows}
        tasks = [task for task in tasks if (task["spec"]["alpha_name"], task["fold"]["fold_id"]) not in have]
        progress = Progress(f"fit {family}", [task["fold"]["train_rows"] for task in tasks])
        for position, row in executor.run(fit_one, tasks):
            rows.append(row)
            if kept:
                table = pa.Table.from_pylist([row], schema=FITS)
                kept.put(row["alpha_name"], row["fold_id"], row["fit_id"], table)
            progress.step(position, f"{row['alpha_name']} {row['fold_id']}")
    if kept:
        kept.prune({spec["alpha_name"] for spec in all_specs}, {(row["alpha_name"], row["fold_id"]) for row in rows})
    rows.sort(key=lambda row: (row["alpha_name"], row["fold_id"]))
    return pa.Table.from_pylist(rows, schema=FITS)


def _tuned(tasks: list[dict[str, Any]], state: Path | None) -> list[dict[str, Any]]:
    """The tasks, those of tuned specs with the parameters their studies chose."""
    asked = [position for position, task in enumerate(tasks) if task["spec"]["tune_trials"]]
    if not asked:
        return tasks
    if not state:
        raise SpecError(
            f"seeds/alpha_specs.csv: {tasks[asked[0]]['spec']['alpha_name']} is tuned, which needs a state."
        )
    from kairos.tuning import tuned  # Optuna is loaded where something is tuned

    out = list(tasks)
    for position, task in zip(asked, tuned([tasks[position] for position in asked], state), strict=True):
        out[position] = task
    return out


def _kept_fits(tasks: list[dict[str, Any]], kept: Kept) -> list[dict[str, Any]]:
    """Rows of schemas.FITS of those tasks whose fit was kept, made of what these would be made of."""
    asked = [task for task in tasks if kept.may_hold(task["spec"]["alpha_name"], task["fold"]["fold_id"])]
    rows = []
    for _, known in executor.run(identity, asked):
        table = kept.get(known["alpha_name"], known["fold_id"], known["fit_id"], FITS)
        rows += table.to_pylist() if table else []
    return rows


def rows_to_learn(task: dict[str, Any]) -> tuple[TrainingRows, TrainingRows | None]:
    """Rows of a fold's estimator and of its calibration; None without one."""
    base, later = base_and_calibration(task["fold"], task["spec"]["calibration"])
    rows = training_rows(task["files"], task["spec"], base, task["features"])
    return rows, training_rows(task["files"], task["spec"], later, task["features"]) if later else None


def identity(
    task: dict[str, Any], rows: TrainingRows | None = None, held: TrainingRows | None = None
) -> dict[str, Any]:
    """Columns of schemas.FITS that say what a fit is made of, and the digest of them all: fit_id. Nothing is fitted.

    Whatever shapes a fit stands in here, the training rows by their values, or a kept fit would be taken for another.
    """
    if rows is None:
        rows, held = rows_to_learn(task)
    spec, fold = task["spec"], task["fold"]
    known = {
        "alpha_name": spec["alpha_name"],
        "fold_id": fold["fold_id"],
        "family": task["family"],
        "task": spec["task"],
        "label": spec["label"],
        "params": json.dumps({**task["params"], "seed": spec["seed"]}, sort_keys=True),
        "study_id": task.get("study_id"),
        "training_data_hash": digest([rows.digest(), held.digest() if held else None]),
        "code_version": code_version(task["family"]),
        "library_versions": json.dumps(family_named(task["family"]).versions(), sort_keys=True),
    }
    others = [spec["calibration"], str(fold["test_start_date"]), task.get("warning")]
    return known | {"fit_id": digest([known, others])[:32]}


def fit_one(task: dict[str, Any]) -> dict[str, Any]:
    """Fit one fold, in whatever process: a row of schemas.FITS as a dict."""
    algorithm, spec, fold = family_named(task["family"]), task["spec"], task["fold"]
    rows, held = rows_to_learn(task)
    with executor.one_thread():
        preparation, estimator = fit_rows(algorithm, spec["task"], task["params"], spec["seed"], rows)
        maps = calibrate(algorithm, spec, preparation, estimator, held) if held else None
    content = algorithm.serialize(estimator)
    warnings = [task["warning"]] if task.get("warning") else []
    if preparation.dropped:
        warnings.append(f"NULL in every training row, dropped: {', '.join(preparation.dropped)}")
    return {
        **identity(task, rows, held),
        "effective_date": fold["test_start_date"],
        "feature_names": preparation.features,
        "dropped_features": preparation.dropped,
        "medians": preparation.medians.tolist(),
        "scaler_mean": preparation.mean.tolist(),
        "scaler_scale": preparation.scale.tolist(),
        "calibration": json.dumps({"method": spec["calibration"], "maps": maps}) if maps else None,
        "n_train_rows": len(rows.y),
        "n_calibration_rows": len(held.y) if held else 0,
        "train_end_date": _EPOCH + dt.timedelta(days=int(rows.dates[-1])),
        "estimator_format": algorithm.estimator_format,
        "estimator": content,
        "estimator_sha256": hashlib.sha256(content).hexdigest(),
        "warning": "; ".join(warnings) or None,
    }


def base_and_calibration(fold: dict[str, Any], method: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The fold as the estimator sees it, and as its calibration does: without one the whole fold and None.

    The slice is the newest part of the training window; the estimator's rows end, by their schedule, before it begins.
    """
    if method == "none":
        return fold, None
    start = fold["calibration_start_date"]
    base = fold | {"train_before_index": fold["base_before_index"], "labels_settled_before_date": start}
    return base, fold | {"window_start_date": start}


def calibrate(
    algorithm: Family, spec: dict[str, Any], preparation: Preparation, estimator: Any, held: TrainingRows
) -> list[dict[str, Any]]:
    """Maps of kairos.calibration, learned from rows the estimator has not seen."""
    kept = [held.features.index(name) for name in preparation.features]
    said = algorithm.predict(spec["task"], estimator, preparation.apply(held.X[:, kept]))
    return calibration.learn(spec["calibration"], spec["task"], said, held.y)


def fit_rows(
    algorithm: Family, task: str, params: dict[str, Any], seed: int, rows: TrainingRows
) -> tuple[Preparation, Any]:
    """Learn the preparation and the estimator from training rows. Raises SpecError where there is nothing to learn."""
    preparation, X = Preparation.learn(rows.X, rows.features, algorithm.is_scaled)
    if not preparation.features:
        raise SpecError(f"Every feature is NULL in all {len(rows.y)} training rows: {', '.join(rows.features)}.")
    weight = class_weights(rows.y, CLASSES[task]) if task in CLASSES else None
    return preparation, algorithm.learn(task, params, seed, X, rows.y, weight)


def class_weights(y: np.ndarray, classes: int) -> np.ndarray:
    """Weight of each row so that classes 0 to classes - 1 count alike: n / (classes x rows of the row's class).

    Raises SpecError when a class has no row.
    """
    counts = np.bincount(y.astype(int), minlength=classes)
    if not counts.all():
        raise SpecError(
            f"Rows per class {counts.tolist()}: a classifier needs rows of each. ml_folds skips such folds."
        )
    return (len(y) / (classes * counts))[y.astype(int)]


def training_rows(files: PanelFiles, spec: dict[str, Any], fold: dict[str, Any], features: list[str]) -> TrainingRows:
    """The fold's training rows: thinned, inside the window, label there and settled before the fold's deadline.

    The same four conditions as ml_folds counts by; tests/ml/assert_fits_use_the_rows_of_their_fold.sql compares.
    """
    session, dates = files.column("session_index"), files.column("as_of_date")
    first = np.searchsorted(dates, (fold["window_start_date"] - _EPOCH).days)
    last = np.searchsorted(session, fold["train_before_index"])
    window = slice(int(first), max(int(first), int(last)))
    label, label_end = files.column(spec["label"])[window], files.column(label_end_column(spec))[window]
    chosen = (
        (session[window] % spec["train_every_sessions"] == 0)
        & ~np.isnan(label)
        & (label_end < (fold["labels_settled_before_date"] - _EPOCH).days)
    )
    rows = np.flatnonzero(chosen) + window.start
    X = files.matrix()[rows][:, files.positions(features)]
    return TrainingRows(dates[rows], files.column("security_id")[rows], X, label[chosen], features)


def label_end_column(spec: dict[str, Any]) -> str:
    """The column of labels that says when the spec's label is settled."""
    kind = "event_" if spec["label"].startswith("net_logret") else ""
    return f"label_end_date_{kind}{spec['horizon_days']}d"


def code_version(family: str) -> str:
    """Package version and a digest of the source that shapes a fit."""
    package = Path(kairos.__file__).parent
    shared = sorted(path.relative_to(package).as_posix() for path in (package / "families").glob("_[a-z]*.py"))
    sources = ["calibration.py", "fitting.py", "panel.py", *shared, f"families/{family}.py"]
    digest = hashlib.sha256(b"".join((package / source).read_bytes() for source in sources))
    return f"{kairos.__version__}+{digest.hexdigest()[:12]}"


def _training_files(panel, labels, alphas, features: list[str], folder: str) -> PanelFiles:
    """Thinned members with features and the labels of these alphas, on disk for the workers."""
    columns = {spec["label"]: "double" for spec in alphas} | {label_end_column(spec): "date" for spec in alphas}
    if missing := [name for name in columns if name not in labels.columns]:
        raise SpecError(f"seeds/alpha_specs.csv asks for {', '.join(missing)}; the labels have no such column.")
    strides = sorted({spec["train_every_sessions"] for spec in alphas})
    keys = ["p.as_of_date", "p.security_id", "p.session_index"]
    relation = (
        panel.filter(" or ".join(f"session_index % {stride} = 0" for stride in strides))
        .set_alias("p")
        .join(
            labels.set_alias("l"),
            "p.as_of_date = l.as_of_date and p.security_id = l.security_id",
            how="inner",
        )
        .project(", ".join([*keys, *(f"p.{name}" for name in features), *(f"l.{name}" for name in columns)]))
        .order("as_of_date, security_id")
    )
    files = write_panel(relation, features, folder, columns)
    if files is None:
        raise SpecError("ml_folds counts training rows, but ml_panel and labels have none in common.")
    return files


def _why_nothing_is_fitted(family: str, alphas: list[dict[str, Any]], folds: list[dict[str, Any]]) -> str:
    """The reason for an empty table, for a person who expected fits."""
    names = {spec["alpha_name"] for spec in alphas}
    reasons = sorted({fold["reason"] for fold in folds if fold["alpha_name"] in names})
    if not reasons:
        return f"fit {family}: the market is too short: it ends before the first test start that has members before it"
    return f"fit {family}: every fold is skipped ({'; '.join(reasons)})"
