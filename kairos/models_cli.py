"""`kairos models`: what was fitted, outside of the warehouse."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import duckdb

from kairos import machine, registry
from kairos.backtest.adhoc import open_warehouse, state_of
from kairos.errors import MarketError, SpecError

FOLDER = "exports/models"
# The fits that serve, those that were promoted or rolled back to by hand among them.
NEWEST_LAST = "select alpha_name, fold_id, effective_date from ml.ml_served_fits order by effective_date"


def export_fit(warehouse: Path, alpha_name: str, fold_id: str | None, folder: Path) -> list[Path]:
    """Write a fit as files its library reads, and what goes before and after it as JSON beside them.

    <alpha>_<fold>.ubj (xgboost.Booster), .txt (lightgbm.Booster; of quantiles one file each), .skops (skops.io), and
    <alpha>_<fold>.json: the features in the estimator's order, the medians that stand for NULL, mean and scale where
    inputs are standardised, the calibration's maps, the parameters and the versions of the libraries.

    Args:
        warehouse: DuckDB file of a finished build; read only.
        fold_id: a fold of the alpha, default the one whose fit serves the newest dates.
        folder: where to write; made if it is not there.

    Returns:
        The files, the JSON last.

    Raises:
        SpecError: no such alpha or fold; names those there are.
        MarketError: no warehouse, a locked one, or one without fits.
        OutputError: nothing can be written there.
    """
    from kairos.families import family_named  # here: the libraries take seconds, which no other command should

    fit = _fit(warehouse, alpha_name, fold_id)
    family = family_named(fit["family"])
    stem = f"{fit['alpha_name']}_{fit['fold_id']}"
    files = {folder / f"{stem}{ending}": content for ending, content in family.files(fit["estimator"]).items()}
    told = json.dumps(_description(fit, [path.name for path in files]), indent=2) + "\n"
    files[folder / f"{stem}.json"] = told.encode()
    for file, content in files.items():
        with machine.whole_file(file) as draft:
            draft.write_bytes(content)
    return list(files)


def _fit(warehouse: Path, alpha_name: str, fold_id: str | None) -> dict[str, Any]:
    """The row of ml_fits."""
    with open_warehouse(warehouse) as connection:
        try:
            fits = connection.sql(NEWEST_LAST).fetchall()
        except duckdb.Error as error:
            raise MarketError(f"{warehouse} has no table ml.ml_served_fits. Run make build first. ({error})") from error
        folds = {fold: effective for alpha, fold, effective in fits if alpha == alpha_name}
        if not folds:
            names = ", ".join(sorted({alpha for alpha, *_ in fits})) or "none"
            raise SpecError(
                f"Alpha {alpha_name!r} has no fit; alphas with fits: {names}. Name one of these, or set is_active of"
                " its row in seeds/alpha_specs.csv and build."
            )
        fold = fold_id or max(folds, key=lambda name: (folds[name], name))
        if fold not in folds:
            raise SpecError(f"{alpha_name} has no fit of fold {fold_id!r}; its folds: {', '.join(sorted(folds))}.")
        question = """select * from ml.ml_served_fits where alpha_name = $1 and fold_id = $2
            order by effective_date desc limit 1"""
        return connection.sql(question, params=[alpha_name, fold]).to_arrow_table().to_pylist()[0]


def _description(fit: dict[str, Any], files: list[str]) -> dict[str, Any]:
    """What a program needs beside the files to say what the fit says."""
    import skops.io

    from kairos.families import QUANTILES

    names = fit["feature_names"]
    plain = ("alpha_name", "fold_id", "fit_id", "family", "task", "label", "n_train_rows", "estimator_sha256")
    described = {name: fit[name] for name in plain}
    described |= {name: str(fit[name]) for name in ("effective_date", "train_end_date")}
    described |= {
        "files": files,
        "how_to_ask": "features in this order, NULL becomes the median, then (x - mean) / scale if there is a scaler",
        "features": names,
        "medians": dict(zip(names, fit["medians"], strict=True)),
        "scaler": None,
        "dropped_features": fit["dropped_features"],
        "params": json.loads(fit["params"]),
        "library_versions": json.loads(fit["library_versions"]),
        "code_version": fit["code_version"],
        "calibration": json.loads(fit["calibration"]) if fit["calibration"] else None,
    }
    if fit["scaler_mean"]:
        pairs = {"mean": fit["scaler_mean"], "scale": fit["scaler_scale"]}
        described["scaler"] = {name: dict(zip(names, values, strict=True)) for name, values in pairs.items()}
    if fit["task"] == "multiclass":
        described["classes"] = ["DOWN", "FLAT", "UP"]
    if fit["task"] == "quantile":
        described["quantiles"] = list(QUANTILES)
    if fit["estimator_format"] == "skops":
        described["trusted_types"] = skops.io.get_untrusted_types(data=fit["estimator"])
    return described


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `kairos models`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="action")

    export = actions.add_parser("export", help="a fit as its library's own file, with its medians as JSON beside it")
    export.add_argument("alpha", help="the alpha, for example ml_alpha_ridge_20d")
    export.add_argument("--fold", help="its fold_id (ml.ml_fits), default that of the fit that serves the newest dates")
    export.add_argument("--out", type=Path, help=f"folder, default {FOLDER}")
    export.set_defaults(run=_export)

    listing = actions.add_parser("list", help="versions of the alphas, which one is active, what the gate says of each")
    listing.add_argument("alpha", nargs="?", help="one alpha, default all")
    listing.set_defaults(run=_list)

    for name, said in (("promote", "let a version serve from the next session on"), ("rollback", "go back to one")):
        choosing = actions.add_parser(name, help=said)
        choosing.add_argument("alpha", help="the alpha")
        optional = {} if name == "promote" else {"nargs": "?", "help": "default the one that served before"}
        choosing.add_argument("version", type=int, **optional)
        choosing.add_argument("--why", required=True, help="kept in the registry")
        choosing.set_defaults(run=_promote if name == "promote" else _rollback)


def _export(args: argparse.Namespace) -> int:
    for path in export_fit(machine.warehouse(), args.alpha, args.fold, args.out or machine.root() / FOLDER):
        print(path)
    return 0


def _list(args: argparse.Namespace) -> int:
    shown = ("alpha_name", "version", "status", "fold_id", "served_from_date", "rank_ic", "age_days", "gate_result")
    rows, state = registry.versions(machine.warehouse(), args.alpha), state_of(machine.warehouse())
    cells = [shown, *(tuple(_cell(row[name]) for name in shown) for row in rows)]
    widths = [max(len(line[k]) for line in cells) for k in range(len(shown))]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    for event in registry.pending(machine.warehouse(), state):
        if args.alpha in (None, event["alpha_name"]):
            print(f"{event['event']} of {event['alpha_name']} to version {event['version']}: {event['why']}")
    return 0


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)


def _promote(args: argparse.Namespace) -> int:
    warehouse = machine.warehouse()
    return _said(registry.promote(warehouse, state_of(warehouse), args.alpha, args.version, args.why))


def _rollback(args: argparse.Namespace) -> int:
    warehouse = machine.warehouse()
    return _said(registry.rollback(warehouse, state_of(warehouse), args.alpha, args.why, version=args.version))


def _said(choice: registry.Choice) -> int:
    print(
        f"{choice.alpha_name}: version {choice.version} serves from {choice.effective_date} on"
        f" ({choice.event}), until a newer scheduled fit does. The next build scores with it."
    )
    if choice.is_taken_over:
        print(
            "But a scheduled fold begins on that very session: unless it cannot be fitted, its fit takes over at once."
            f" To choose against it, build with {choice.effective_date} first and choose then."
        )
    return 0
