"""`python -m bench.learning [WAREHOUSE]`: what of the time of fitting is not the estimators' own, per family.

Each family fits one alpha, on all folds that the warehouse has of such an alpha, as the build does (kairos.fitting: the
panel read and written for workers, rows chosen, medians, digests, bytes), in a process of its own with one worker.
"Own" is the CPU time inside Family.fit() and predict(), which call the library and convert its input; what is outside
of it has a goal of at most 15% of all. Where inputs are standardised, "own" is the solving alone, often less work than
the medians and deviations it needs. The same folds are therefore given, as arrays in memory, to scikit-learn's own
pipeline too (SimpleImputer, StandardScaler, estimator): "pipeline". The share of all our time beyond it has the same
goal; below 0% our fits cost less than the library's, reading and writing included. Both must learn the same, or nothing
is compared. Imports are apart: a worker process pays them once. Memory is the process's peak.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# What may be outside the libraries, a share of all.
SHARE = 0.15
# One alpha per family, and the active alpha whose folds it takes: equal windows, horizon and thinning.
ALPHAS = {
    "xgboost": ("ml_alpha_xgboost_5d_reg", "ml_alpha_xgboost_5d_reg"),
    "lightgbm": ("ml_alpha_lightgbm_5d_clf", "ml_alpha_lightgbm_5d_clf"),
    "random_forest": ("ml_alpha_random_forest_5d", "ml_alpha_xgboost_5d_reg"),
    "logistic": ("ml_alpha_logistic_5d", "ml_alpha_xgboost_5d_clf"),
    "linear": ("ml_alpha_linear_5d", "ml_alpha_xgboost_5d_reg"),
    "ridge": ("ml_alpha_ridge_5d", "ml_alpha_xgboost_5d_reg"),
    "lasso": ("ml_alpha_lasso_5d", "ml_alpha_xgboost_5d_reg"),
    "elastic_net": ("ml_alpha_elastic_net_5d", "ml_alpha_xgboost_5d_reg"),
}


def measure(family: str, warehouse: Path) -> dict[str, float]:
    """Fit the family's alpha in this process: folds, rows, CPU seconds of imports, of all fitting, of the library and
    (0 for a family that scales nothing) of the library's own pipeline on the same rows, peak memory in MB."""
    started = time.process_time()
    import duckdb

    from kairos import fitting
    from kairos.families import family_named

    imported = time.process_time() - started
    algorithm, fit_rows = family_named(family), fitting.fit_rows
    own = pipeline = comparing = 0.0

    def timed(call):
        def inside(*args):
            nonlocal own
            before = time.process_time()
            said = call(*args)
            own += time.process_time() - before
            return said

        return inside

    def beside(algorithm, task, params, seed, rows):
        nonlocal pipeline, comparing
        fit = fit_rows(algorithm, task, params, seed, rows)
        before = time.process_time()
        library = fit_pipeline(algorithm, task, params, seed, rows)
        pipeline += time.process_time() - before
        check_same(algorithm, task, fit, library, rows)
        comparing += time.process_time() - before
        return fit

    algorithm.fit, algorithm.predict = timed(algorithm.fit), timed(algorithm.predict)
    if algorithm.is_scaled:
        fitting.fit_rows = beside
    alpha, folds_of = ALPHAS[family]
    with duckdb.connect(str(warehouse), read_only=True) as con:
        spec = f"select * replace (true as is_active) from seeds.alpha_specs where alpha_name = '{alpha}'"
        folds = f"select * replace ('{alpha}' as alpha_name) from ml.ml_folds where alpha_name = '{folds_of}'"
        started = time.process_time()
        fits = fitting.fit_folds(
            family,
            panel=con.table("ml.ml_panel"),
            labels=con.table("labels.labels"),
            folds=con.sql(folds),
            specs=con.sql(spec),
            params=con.table("seeds.alpha_params"),
            feature_sets=con.table("seeds.feature_sets"),
        )
        took = time.process_time() - started - comparing
    return {
        "folds": fits.num_rows,
        "rows": sum(fits["n_train_rows"].to_pylist()),
        "imports": imported,
        "seconds": took,
        "own": own,
        "pipeline": pipeline,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def fit_pipeline(algorithm, task: str, params: dict[str, Any], seed: int, rows) -> Any:
    """scikit-learn's pipeline of the estimator the family builds, fitted on rows (kairos.fitting.TrainingRows)."""
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from kairos.families import CLASSES
    from kairos.fitting import class_weights

    estimator = algorithm.build(task, params, seed)
    y = rows.y.astype(int) if task in CLASSES else rows.y
    weight = class_weights(rows.y, CLASSES[task]) if task in CLASSES else None
    pipeline = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), estimator)
    return pipeline.fit(rows.X, y, **{f"{pipeline.steps[-1][0]}__sample_weight": weight})


def check_same(algorithm, task: str, fit: tuple[Any, Any], pipeline, rows) -> None:
    """Stop unless the pipeline learned what our fit did: then the two times are those of one job."""
    import numpy as np

    preparation, estimator = fit
    imputer, scaler, last = (step for _, step in pipeline.steps)
    kept = [rows.features.index(name) for name in preparation.features]
    X = rows.X[:1000]
    pairs = {
        "medians": (preparation.medians, imputer.statistics_[kept]),
        "means": (preparation.mean, scaler.mean_),
        "deviations": (preparation.scale, scaler.scale_),
        "predictions": (
            algorithm.outputs(estimator, preparation.apply(X[:, kept])),
            algorithm.outputs(last, scaler.transform(imputer.transform(X))),
        ),
    }
    for what, (ours, theirs) in pairs.items():
        if not np.allclose(ours, theirs, rtol=1e-9, atol=1e-12):
            raise SystemExit(f"{algorithm.name}: the library's pipeline learns other {what}; nothing is compared.")


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m bench.learning", description=__doc__.splitlines()[0])
    parser.add_argument("warehouse", type=Path, nargs="?", default=ROOT / "kairos.duckdb", help="of a finished build")
    parser.add_argument("--families", nargs="+", choices=ALPHAS, default=list(ALPHAS))
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.inside:
        print(json.dumps(measure(args.families[0], args.warehouse)))
        return 0
    print("family         folds      rows   CPU s     own  outside  pipeline  beyond  goal  imports  peak MB")
    for family in args.families:
        command = [sys.executable, "-m", "bench.learning", str(args.warehouse), "--inside", "--families", family]
        one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "KAIROS_WORKERS": "1"}
        done = subprocess.run(command, cwd=ROOT, env=os.environ | one, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{family} failed:\n{done.stderr[-3000:]}")
        said = json.loads(done.stdout.splitlines()[-1])
        outside, beyond = (1 - said[part] / said["seconds"] for part in ("own", "pipeline"))
        goal = "yes" if min(outside, beyond) <= SHARE else "no"
        compared = f"{said['pipeline']:9.2f} {beyond:7.1%}" if said["pipeline"] else f"{'':9} {'':7}"
        print(
            f"{family:14} {said['folds']:5} {said['rows']:9,} {said['seconds']:7.2f} {said['own']:7.2f} {outside:8.1%}"
            f" {compared} {goal:>5} {said['imports']:8.2f} {said['peak_mb']:8.0f}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
