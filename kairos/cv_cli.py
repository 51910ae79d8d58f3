"""`kairos cv`: the command line of kairos.cv, which is loaded only when it runs (the libraries take seconds)."""

from __future__ import annotations

import argparse
from pathlib import Path

from kairos import machine
from kairos.errors import SpecError

FOLDER = "exports/ml_alpha_factors"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `kairos cv`; second names are those of export_ml_alpha_factor.py."""
    parser.add_argument("--panel", "--factor-panel-file", type=Path, required=True, help="Parquet or CSV file")
    parser.add_argument("--family", "--model-type", required=True, help="estimator family, for example ridge")
    parser.add_argument(
        "--param", "--model-param", nargs="+", action="extend", default=[], metavar="NAME=VALUE", help="its parameters"
    )
    parser.add_argument("--n-splits", type=int, default=5, help="test blocks, default 5")
    parser.add_argument("--train-size", type=int, help="days of a rolling training window, default all before")
    parser.add_argument("--no-standardize", dest="standardize", action="store_false", help="leave inputs as they are")
    parser.add_argument("--label", "--label-col", help="default the only fwd_return_<h>d")
    parser.add_argument("--features", nargs="+", metavar="COLUMN", help="factors, default every numeric column")
    parser.add_argument("--entry-lag", type=int, default=0, help="days from a row to its return's entry, default 0")
    parser.add_argument("--alpha-col", help="name of the alpha, default ml_alpha_<family>_<h>d")
    parser.add_argument("--seed", type=int, default=7, help="of families that draw, default 7")
    parser.add_argument("--out", "--output-file", type=Path, help=f"Parquet file or folder, default {FOLDER}")


def main(args: argparse.Namespace) -> int:
    """Run the command."""
    from kairos.cv import MLExperimentConfig, MLModelConfig, export_ml_alpha, metadata_file

    pairs = [pair.partition("=") for pair in args.param]
    if wrong := [name for name, separator, value in pairs if not (separator and value)]:
        raise SpecError(f"--param {wrong[0]!r}: write name=value, for example --param alpha=0.1.")
    experiment = MLExperimentConfig(
        args.label, args.features, args.n_splits, args.train_size, args.standardize, args.entry_lag, args.alpha_col
    )
    model = MLModelConfig(args.family, {name: value for name, _, value in pairs}, args.seed)
    out, result = export_ml_alpha(args.panel, experiment, model, args.out or machine.root() / FOLDER)
    dataset = result["dataset"]
    print(f"{dataset.label} from {len(dataset.features)} factors: {', '.join(dataset.features)}")
    print(result["metrics_df"].to_string(index=False, float_format="{:.4f}".format))
    told = {
        name: f"{value:.4f}" if isinstance(value, float) else value for name, value in result["global_metrics"].items()
    }
    print(", ".join(f"{name} {value}" for name, value in told.items()))
    print(f"Wrote {out} and {metadata_file(out)}")
    return 0
