"""`python -m bench.learning [WAREHOUSE]`: what of the time of fitting is not the estimators' own, per family.

Each family fits one alpha, on all folds that the warehouse has of such an alpha, as the build does (kairos.fitting: the
panel read and written for workers, rows chosen, medians, digests, bytes), in a process of its own with one worker.
"Own" is the CPU time inside Family.fit() and predict(), which call the library and convert its input. The goal for what
is outside: at most 15% of all, or, for estimators that are solved faster than their rows can be read, at most 150
nanoseconds per training value (row x feature). Imports are apart: a worker process pays them once. Memory is the
process's peak.
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

ROOT = Path(__file__).resolve().parents[1]
# What may be outside the libraries: a share of all, or nanoseconds per training value.
SHARE, NANOSECONDS = 0.15, 150
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
    """Fit the family's alpha in this process: folds, rows, values, CPU seconds of imports, of all fitting and of the
    library, peak memory in MB."""
    started = time.process_time()
    import duckdb

    from kairos.families import family_named
    from kairos.fitting import fit_folds

    imported = time.process_time() - started
    algorithm, own = family_named(family), 0.0

    def timed(call):
        def inside(*args):
            nonlocal own
            before = time.process_time()
            said = call(*args)
            own += time.process_time() - before
            return said

        return inside

    algorithm.fit, algorithm.predict = timed(algorithm.fit), timed(algorithm.predict)
    alpha, folds_of = ALPHAS[family]
    with duckdb.connect(str(warehouse), read_only=True) as con:
        spec = f"select * replace (true as is_active) from seeds.alpha_specs where alpha_name = '{alpha}'"
        folds = f"select * replace ('{alpha}' as alpha_name) from ml.ml_folds where alpha_name = '{folds_of}'"
        started = time.process_time()
        fits = fit_folds(
            family,
            panel=con.table("ml.ml_panel"),
            labels=con.table("labels.labels"),
            folds=con.sql(folds),
            specs=con.sql(spec),
            params=con.table("seeds.alpha_params"),
            feature_sets=con.table("seeds.feature_sets"),
        )
        took = time.process_time() - started
    return {
        "folds": fits.num_rows,
        "rows": sum(fits["n_train_rows"].to_pylist()),
        "values": sum(row["n_train_rows"] * len(row["feature_names"]) for row in fits.to_pylist()),
        "imports": imported,
        "seconds": took,
        "own": own,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


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
    print("family         folds      rows   CPU s     own  outside  ns/value  goal  imports  peak MB")
    for family in args.families:
        command = [sys.executable, "-m", "bench.learning", str(args.warehouse), "--inside", "--families", family]
        one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "KAIROS_WORKERS": "1"}
        done = subprocess.run(command, cwd=ROOT, env=os.environ | one, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{family} failed:\n{done.stderr[-3000:]}")
        said = json.loads(done.stdout.splitlines()[-1])
        outside = said["seconds"] - said["own"]
        share, per_value = outside / said["seconds"], outside / said["values"] * 1e9
        goal = "yes" if share <= SHARE or per_value <= NANOSECONDS else "no"
        print(
            f"{family:14} {said['folds']:5} {said['rows']:9,} {said['seconds']:7.2f} {said['own']:7.2f} {share:8.1%}"
            f" {per_value:9.0f} {goal:>5} {said['imports']:8.2f} {said['peak_mb']:8.0f}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
