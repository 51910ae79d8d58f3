"""Walk-forward cross-validation on a panel of one's own: an out-of-fold alpha beside its columns.

    from kairos.cv import MLExperimentConfig, MLModelConfig, run_time_series_cv
    found = run_time_series_cv(frame, MLExperimentConfig(n_splits=5), MLModelConfig("ridge", {"alpha": 0.1}))
    found["predictions_df"]   # timestamp, symbol, y_true, y_pred, split_index

The panel has one row per `timestamp` (UTC) and `symbol`, a label `fwd_return_{h}d` and numeric factors. Its days are
the distinct UTC dates in it. Test blocks are those of scikit-learn's TimeSeriesSplit over the days. A block's training
rows are the labelled ones before it whose label ends before it begins: h days after the row (entry_lag later where the
return is entered later), or on the symbol's own h-th next day where the symbol misses days. Whatever reaches into the
block is purged; a panel thinned to fewer days is purged more than it needs, never less.
Rows of a block are scored whether labelled or not. The rows before the first block have no alpha.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypedDict

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from sklearn.model_selection import TimeSeriesSplit

from kairos import executor
from kairos.errors import PanelError, SpecError
from kairos.families import family_named
from kairos.fitting import Preparation, code_version, training_rows
from kairos.panel import PanelFiles, write_panel
from kairos.progress import Progress
from kairos.statistics import newey_west_error

LABEL = re.compile(r"fwd_return_([1-9]\d*)d")
# Columns that look forward: never a factor.
FORWARD = ("fwd_", "outperform_", "updown_", "label_", "net_logret", "realized_", "matured_")
# Names with a score and a label below which a date has no IC.
MIN_NAMES = 5
UTC = ("UTC", "Etc/UTC", "+00:00", "Z")


@dataclass(frozen=True)
class MLModelConfig:
    """The estimator: a family with a regression task, its parameters (any it has; others keep their defaults), seed."""

    model_type: str
    params: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 7


@dataclass(frozen=True)
class MLExperimentConfig:
    """What is learned from what.

    Attributes:
        label_col: fwd_return_{h}d, default the only one there is.
        feature_cols: factors, default every numeric column that neither looks forward nor begins with ml_alpha_.
        n_splits: test blocks, one after the other, of equal length, up to the panel's end.
        train_size: days a training window has at most (rolling), default all before the block (expanding).
        standardize: inputs are standardised with the training rows' mean and deviation.
        entry_lag: days between a row and the entry of its return; 0 where the return begins at the row's own close.
        alpha_col: name of the alpha, default ml_alpha_{family}_{h}d; no column of the panel may have it.
    """

    label_col: str | None = None
    feature_cols: Sequence[str] | None = None
    n_splits: int = 5
    train_size: int | None = None
    standardize: bool = True
    entry_lag: int = 0
    alpha_col: str | None = None


class CVResult(TypedDict):
    """What a cross-validation found.

    predictions_df: timestamp, symbol, y_true, y_pred, split_index; the rows of the test blocks in order.
    metrics_df: one row per block: its training and test days, rows learned from and purged, IC and rank IC (means over
        its timestamps), mean squared error. global_metrics: the same over all blocks.
    last_model, feature_names: the last block's fitted estimator and its inputs.
    column: the alpha's name. params: those used, with defaults. dataset: what was learned from.
    """

    predictions_df: pd.DataFrame
    metrics_df: pd.DataFrame
    global_metrics: dict[str, float | int | None]
    last_model: Any
    feature_names: list[str]
    column: str
    params: dict[str, Any]
    dataset: MLDataset


@dataclass(frozen=True)
class MLDataset:
    """A panel that was checked: rows in order of timestamp and symbol, the label, its horizon in days, the factors."""

    table: pa.Table
    label: str
    horizon: int
    features: list[str]


def read_panel(path: Path) -> pa.Table:
    """A panel's file, Parquet or CSV. Raises PanelError when it is not there or cannot be read."""
    if not path.is_file():
        raise PanelError(f"{path}: there is no such file. Name a Parquet or CSV panel with --panel.")
    try:
        return pyarrow.csv.read_csv(path) if path.suffix.lower() == ".csv" else pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise PanelError(f"{path} cannot be read as {path.suffix or 'Parquet'}: {error}. Write it anew.") from error


def prepare_ml_dataset(panel: pd.DataFrame | pa.Table, experiment: MLExperimentConfig) -> MLDataset:
    """Check a panel and find its label and factors.

    Raises:
        PanelError: a column is missing, timestamps are not UTC, keys are NULL or repeated, values are infinite, or the
            label or a factor cannot be found; says the rule, what was found and the cure.
    """
    table = _columns(panel) if isinstance(panel, pa.Table) else pa.Table.from_pandas(panel, preserve_index=False)
    _check_keys(table)
    label = _label(table, experiment.label_col)
    features = _features(table, experiment.feature_cols)
    for name in (label, *features):
        values = table[name].cast(pa.float64(), safe=False).to_numpy()
        if bad := int(np.isinf(values).sum()):
            row = int(np.flatnonzero(np.isinf(values))[0])
            example = f"{table['symbol'][row]} on {table['timestamp'][row]}"
            raise PanelError(f"Values must be finite or NULL: {name} is infinite in {bad} rows, e.g. {example}.")
    keys = pa.table({"timestamp": table["timestamp"], "symbol": table["symbol"].cast(pa.string())})
    order = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in keys.column_names])
    return MLDataset(table.take(order), label, int(LABEL.fullmatch(label)[1]), features)


def run_time_series_cv(
    panel: pd.DataFrame | pa.Table, experiment: MLExperimentConfig, model: MLModelConfig
) -> CVResult:
    """Fit the family before each test block and score the block. The panel is not changed.

    NULL factors get the medians of the block's training rows; rows without a label are scored and not learned from. The
    same panel gives the same bits, whatever the number of workers (KAIROS_WORKERS).

    Raises:
        PanelError: the panel cannot be used, or is too short for the splits.
        SpecError: no such family or parameter, or the family has no regression.
    """
    family = family_named(model.model_type)
    if "regression" not in family.tasks:
        raise SpecError(
            f"Family '{family.name}' does {', '.join(family.tasks)}; a forward return needs regression. Name a family"
            " that does it, for example ridge."
        )
    if experiment.entry_lag < 0:
        raise PanelError(
            f"The entry lag is 0 sessions or more, asked for: {experiment.entry_lag}. A return that begins before its"
            " row would reach into the block it is judged on. Correct --entry-lag."
        )
    params = family.typed_params({name: str(value) for name, value in model.params.items()}, "--param")
    dataset = prepare_ml_dataset(panel, experiment)
    column = experiment.alpha_col or f"ml_alpha_{family.name}_{dataset.horizon}d"
    if column in dataset.table.column_names:
        raise PanelError(
            f"The panel has a column {column}, as the alpha is to be called. Name another with --alpha-col."
        )
    factors = [f"factor_{position}" for position in range(len(dataset.features))]
    shared = {"family": family.name, "params": params, "seed": model.seed, "standardize": experiment.standardize}
    shared |= {"horizon": dataset.horizon, "factors": factors}
    with executor.shared_folder() as folder, duckdb.connect() as connection:
        files = _write(connection, dataset, experiment.entry_lag, factors, folder)
        index, y_true = np.array(files.column("session_index")), np.array(files.column("label"))
        days = np.unique(files.column("as_of_date"))
        folds = _folds(days, dataset.horizon + experiment.entry_lag, experiment)
        progress = Progress(f"cv {family.name}", [fold["train_before_index"] for fold in folds])
        told: dict[int, dict[str, Any]] = {}
        for position, block in executor.run(fit_block, [{**shared, "files": files, "fold": fold} for fold in folds]):
            told[position] = block
            progress.step(position, f"from {_date(days[folds[position]['test_start']])} on", block["began_at"])
    blocks = [told[position] for position in range(len(folds))]
    predictions = _predictions(dataset, blocks, y_true)
    return {
        "predictions_df": predictions,
        "metrics_df": _metrics(predictions, folds, blocks, days, index, y_true),
        "global_metrics": _summary(predictions, dataset.horizon),
        "last_model": family.deserialize(blocks[-1]["estimator"]),
        "feature_names": [dataset.features[factors.index(name)] for name in blocks[-1]["features"]],
        "column": column,
        "params": params,
        "dataset": dataset,
    }


def fit_block(task: dict[str, Any]) -> dict[str, Any]:
    """Fit before one test block and score its rows, in whatever process."""
    began_at = time.time()
    family, files, fold = family_named(task["family"]), task["files"], task["fold"]
    spec = {"train_every_sessions": 1, "label": "label", "horizon_days": task["horizon"]}
    rows = training_rows(files, spec, fold, task["factors"])
    preparation, learned = Preparation.learn(rows.X, rows.features, task["standardize"])
    if not (len(rows.y) and preparation.features):
        found = f"{len(rows.y)} labelled rows" + (", every factor NULL in all of them" if len(rows.y) else "")
        raise PanelError(
            f"A test block needs labelled rows with factors before it; before {fold['labels_settled_before_date']}"
            f" there are {found}. Use fewer splits, or a panel whose labels and factors begin earlier."
        )
    start, stop = np.searchsorted(files.column("session_index"), [fold["test_start"], fold["test_stop"]])
    X = files.matrix()[start:stop][:, files.positions(preparation.features)]
    with executor.one_thread():
        fitted = family.learn("regression", task["params"], task["seed"], learned, rows.y)
        said = family.predict("regression", fitted, preparation.apply(X))
    return {
        "rows": slice(int(start), int(stop)),
        "said": said,
        "n_train": len(rows.y),
        "train_end": rows.dates[-1],
        "features": preparation.features,
        "estimator": family.serialize(fitted),
        "began_at": began_at,
    }


def alpha_panel(result: CVResult) -> pa.Table:
    """The panel with its alpha after timestamp and symbol; NULL before the first test block."""
    table, column, predictions = result["dataset"].table, result["column"], result["predictions_df"]
    alpha = np.full(table.num_rows, np.nan)
    alpha[table.num_rows - len(predictions) :] = predictions["y_pred"]  # the blocks reach to the end
    named = {"timestamp": table["timestamp"], "symbol": table["symbol"], column: pa.array(alpha, from_pandas=True)}
    return pa.table(named | {name: table[name] for name in table.column_names if name not in named})


def export_ml_alpha(
    panel: Path, experiment: MLExperimentConfig, model: MLModelConfig, out: Path
) -> tuple[Path, CVResult]:
    """Cross-validate on a panel's file; write the panel with its alpha, and a JSON of metadata beside it.

    Args:
        out: the Parquet file, or a folder for {alpha}_{name of the panel}.parquet. The metadata beside
            it, <out>_metadata.json: both configurations, the blocks, the metrics, the digest of the panel.

    Returns:
        The Parquet file, and what was found.

    Raises:
        PanelError, SpecError: as run_time_series_cv; PanelError also where nothing can be written there.
    """
    result = run_time_series_cv(read_panel(panel), experiment, model)
    table, dataset, family = alpha_panel(result), result["dataset"], family_named(model.model_type)
    name = f"{result['column']}_{panel.stem.removeprefix('factor_panel_')}.parquet"
    out = out if out.suffix == ".parquet" else out / name
    told = {
        "alpha": result["column"],
        "horizon_days": dataset.horizon,
        "panel": {"file": panel.name, "sha256": hashlib.sha256(panel.read_bytes()).hexdigest(), "rows": table.num_rows},
        "model_config": asdict(model) | {"params": result["params"]},
        "experiment_config": asdict(experiment) | {"label_col": dataset.label, "feature_cols": dataset.features},
        "metrics": json.loads(result["metrics_df"].to_json(orient="records", double_precision=15)),
        "global_metrics": result["global_metrics"],
        "code_version": code_version(family.name),
        "library_versions": family.versions(),
    }
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, out)
        metadata_file(out).write_text(json.dumps(told, indent=2) + "\n")
    except OSError as error:
        raise PanelError(f"{out} cannot be written: {error}. Name another file or folder with --out.") from error
    return out, result


def metadata_file(out: Path) -> Path:
    """Where the metadata of an exported panel stand."""
    return out.with_name(f"{out.stem}_metadata.json")


def _columns(table: pa.Table) -> pa.Table:
    """The columns of a file as they stand in it.

    pandas writes beside them which were its index, and takes those away again as soon as the table becomes a frame;
    an index without a name is the number of a row and nothing to learn from.
    """
    stored = json.loads((table.schema.metadata or {}).get(b"pandas", b"{}")).get("index_columns", [])
    unnamed = [name for name in stored if isinstance(name, str) and re.fullmatch(r"__index_level_\d+__", name)]
    return table.drop_columns([name for name in unnamed if name in table.column_names]).replace_schema_metadata(None)


def _check_keys(table: pa.Table) -> None:
    """timestamp in UTC and symbol as text, never NULL, no row twice."""
    if missing := [name for name in ("timestamp", "symbol") if name not in table.column_names]:
        raise PanelError(
            f"A panel needs the columns timestamp (UTC) and symbol; {' and '.join(missing)} is not among"
            f" {', '.join(table.column_names)}. Rename or add it."
        )
    if not table.num_rows:
        raise PanelError("A panel needs rows; this one has none. Write it anew.")
    kind = table.schema.field("timestamp").type
    if not pa.types.is_timestamp(kind) or kind.tz not in UTC:
        raise PanelError(
            f"timestamp must be a timestamp in UTC; it is {kind}. In pandas: df['timestamp'] ="
            " pd.to_datetime(df['timestamp'], utc=True)."
        )
    kind = table.schema.field("symbol").type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind)):
        raise PanelError(f"symbol must be text; it is {kind}. In pandas: df['symbol'] = df['symbol'].astype(str).")
    keys = table.select(["timestamp", "symbol"]).to_pandas()
    if empty := int(keys.isna().any(axis=1).sum()):
        raise PanelError(f"timestamp and symbol must never be NULL; they are in {empty} rows. Drop or fill these.")
    if repeated := int((twice := keys.duplicated()).sum()):
        example = keys[twice].iloc[0]
        raise PanelError(
            f"A timestamp and symbol must stand once; {repeated} rows repeat one, for example {example['symbol']} on"
            f" {example['timestamp']}. Drop the copies, or add up what belongs together."
        )


def _label(table: pa.Table, asked: str | None) -> str:
    """The column that is learned."""
    numeric = pa.types.is_floating, pa.types.is_integer
    named = [field for field in table.schema if LABEL.fullmatch(field.name)]
    there = [field.name for field in named if any(is_kind(field.type) for is_kind in numeric)]
    if asked is None and len(there) == 1:
        return there[0]
    if asked in there:
        return asked
    cure = "Name one with --label." if there else "Add it: the return of the h days after the row, fwd_return_20d."
    rule = "The label must be a column of the panel called fwd_return_<h>d, of numbers; asked for: "
    rule += asked or "the only one"
    raise PanelError(f"{rule}; found: {', '.join(there) or 'none'}. {cure}")


def _features(table: pa.Table, asked: Sequence[str] | None) -> list[str]:
    """The factors, in the panel's order or as asked for."""
    numeric = [
        name
        for name, kind in zip(table.column_names, table.schema.types, strict=True)
        if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    ]
    there = [name for name in numeric if not name.startswith(FORWARD)]
    if asked is not None and (wrong := [name for name in asked if name not in there]):
        raise PanelError(
            "Factors must be numeric columns that do not look forward (columns that do begin with"
            f" {', '.join(FORWARD)}); asked for: {', '.join(wrong)}; there are: {', '.join(there) or 'none'}. Correct"
            " the names."
        )
    found = list(asked) if asked is not None else [name for name in there if not name.startswith("ml_alpha_")]
    if not found:
        raise PanelError("A panel needs a numeric factor beside its label; there is none. Add the factors' columns.")
    return found


def _write(
    connection: duckdb.DuckDBPyConnection, dataset: MLDataset, entry_lag: int, factors: list[str], folder: str
) -> PanelFiles:
    """The panel as memory-mapped files for the workers, with the day on which each row's label ends."""
    table, gap = dataset.table, dataset.horizon + entry_lag
    columns = {"position": pa.array(np.arange(table.num_rows)), "moment": table["timestamp"]}
    columns |= {"symbol": table["symbol"].cast(pa.string()), "label": table[dataset.label]}
    columns |= {factor: table[name] for factor, name in zip(factors, dataset.features, strict=True)}
    connection.execute("set TimeZone = 'UTC'")
    connection.register("panel", pa.table(columns))
    relation = connection.sql(
        f"""with
        days as (
            select day, row_number() over (order by day) - 1 as day_index
            from (select distinct moment::date as day from panel)
        ),
        own_days as (
            select symbol, day, day_index,
                greatest(
                    day_index + {gap}, lead(day_index, {gap}) over (partition by symbol order by day_index)
                ) as end_index
            from (select distinct symbol, moment::date as day from panel) join days using (day)
        )
        select panel.*, own_days.day as as_of_date, own_days.day_index as session_index,
            dense_rank() over (order by panel.symbol) as security_id, ends.day as label_end_date_{dataset.horizon}d
        from panel
        join own_days on panel.symbol = own_days.symbol and panel.moment::date = own_days.day
        left join days as ends on own_days.end_index = ends.day_index
        order by position"""
    )
    others = {"label": "double", f"label_end_date_{dataset.horizon}d": "date"}
    return write_panel(relation, factors, folder, others)


def _folds(days: np.ndarray, gap: int, experiment: MLExperimentConfig) -> list[dict[str, Any]]:
    """Blocks of TimeSeriesSplit, as training_rows() reads them. days: int32 days since 1970 (days,), ascending."""
    splits = experiment.n_splits
    length = len(days) // (splits + 1) if splits >= 2 else 0
    if not length or len(days) - splits * length - gap < 1:
        raise PanelError(
            f"Splits must be 2 or more and leave days to learn from before the first block: {len(days)} days in"
            f" {splits} splits, of which the {gap} before a block are purged. Use fewer splits, or a longer panel."
        )
    if experiment.train_size is not None and experiment.train_size < 1:
        raise PanelError(
            f"A training window has at least 1 day; asked for: {experiment.train_size}. Correct train_size."
        )
    return [
        {
            "window_start_date": _date(days[train[0]]),
            "train_before_index": int(test[0]) - gap,
            "labels_settled_before_date": _date(days[test[0]]),
            "test_start": int(test[0]),
            "test_stop": int(test[-1]) + 1,
        }
        for train, test in TimeSeriesSplit(splits, max_train_size=experiment.train_size, gap=gap).split(days)
    ]


def _predictions(dataset: MLDataset, blocks: list[dict[str, Any]], y_true: np.ndarray) -> pd.DataFrame:
    """Rows of the test blocks, in order."""
    first = blocks[0]["rows"].start
    keys = dataset.table.select(["timestamp", "symbol"]).slice(first).to_pandas()
    return keys.assign(
        y_true=y_true[first:],
        y_pred=np.concatenate([block["said"] for block in blocks]),
        split_index=np.repeat(np.arange(len(blocks)), [len(block["said"]) for block in blocks]),
    )


def date_ics(predictions: pd.DataFrame) -> pd.DataFrame:
    """IC (Pearson) and rank IC (Spearman, average ties) by timestamp, of the names with a label and a score.

    Timestamps with at least MIN_NAMES such names; NaN where either side does not vary.
    """
    known = predictions.dropna(subset=["y_true", "y_pred"])
    known = known[known.groupby("timestamp")["symbol"].transform("size") >= MIN_NAMES]
    pairs = known[["y_true", "y_pred"]]
    found = {}
    for name, xy in (("ic", pairs), ("rank_ic", pairs.groupby(known["timestamp"]).rank())):
        centred = xy - xy.groupby(known["timestamp"]).transform("mean")
        x, y = centred["y_true"], centred["y_pred"]
        sums = pd.DataFrame({"xy": x * y, "xx": x * x, "yy": y * y}).groupby(known["timestamp"]).sum()
        found[name] = sums["xy"] / np.sqrt((sums["xx"] * sums["yy"]).replace(0, np.nan))
    return pd.DataFrame(found)


def _metrics(
    predictions: pd.DataFrame,
    folds: list[dict[str, Any]],
    blocks: list[dict[str, Any]],
    days: np.ndarray,
    index: np.ndarray,
    y_true: np.ndarray,
) -> pd.DataFrame:
    """One row per test block."""
    rows = []
    for split, (fold, block) in enumerate(zip(folds, blocks, strict=True)):
        window = np.searchsorted(days, (fold["window_start_date"] - dt.date(1970, 1, 1)).days)
        before = (index >= window) & (index < fold["test_start"]) & ~np.isnan(y_true)
        said = predictions[predictions["split_index"] == split]
        ics = date_ics(said).mean()
        rows.append(
            {
                "split_index": split,
                "train_start": str(fold["window_start_date"]),
                "train_end": str(_date(block["train_end"])),
                "test_start": str(_date(days[fold["test_start"]])),
                "test_end": str(_date(days[fold["test_stop"] - 1])),
                "n_train": block["n_train"],
                "n_purged": int(before.sum()) - block["n_train"],
                "n_test": len(said),
                "ic": ics["ic"],
                "rank_ic": ics["rank_ic"],
                "mse": ((said["y_true"] - said["y_pred"]) ** 2).mean(),
            }
        )
    return pd.DataFrame(rows)


def _summary(predictions: pd.DataFrame, horizon: int) -> dict[str, float | int | None]:
    """Over all blocks: means of the timestamps' ICs, mean over sample deviation, t after Newey and West.

    Its lag reaches over all timestamps within h days, whose returns overlap: h - 1 where a day has one.
    """
    ics = date_ics(predictions).dropna()
    days = predictions["timestamp"].dt.floor("D").unique()
    day = np.searchsorted(days, ics.index.floor("D"))
    lag = int((np.searchsorted(day, day + horizon) - np.arange(len(day))).max(initial=1)) - 1
    told: dict[str, float | int | None] = {"dates": len(ics), "rows": len(predictions)}
    for name in ("ic", "rank_ic"):
        series = ics[name].to_numpy()
        error = newey_west_error(series, lag) if len(series) > 1 else 0.0
        told[name] = float(series.mean()) if len(series) else None
        told[f"{name}_ir"] = float(series.mean() / series.std(ddof=1)) if len(series) > 1 else None
        told[f"{name}_t"] = float(series.mean() / error) if error > 0 else None
    squares = ((predictions["y_true"] - predictions["y_pred"]) ** 2).dropna()
    return told | {"mse": float(squares.mean()) if len(squares) else None}


def _date(day: int) -> dt.date:
    """Date of int32 days since 1970."""
    return dt.date(1970, 1, 1) + dt.timedelta(days=int(day))
