"""Search of parameters inside a fold's training window: one Optuna study per alpha and fold (docs/decisions/0017).

A trial is judged by walking forward inside the training window: the dates of its rows are cut into blocks, each of
the last INNER_FOLDS blocks is scored by a fit on the dates before it, purged as the fold itself is, and a trial's value
is the mean rank IC. Neither the fold's test window nor its calibration slice is read.

Trials are asked in batches of the spec's tune_batch and told in their order: a study does not depend on workers.
Each is appended to the state as soon as its batch is done, under a digest of all that shapes the study: a study goes on
where it stopped, and a finished one is read, never run again.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import importlib.metadata
import json
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pyarrow as pa
from scipy.stats import rankdata

from kairos import executor, state
from kairos.errors import SpecError, StateError
from kairos.families import CLASSES, family_named
from kairos.fitting import base_and_calibration, fit_rows, training_rows
from kairos.kept import digest
from kairos.panel import PanelFiles
from kairos.progress import Progress, say
from kairos.schemas import TUNING_TRIALS
from kairos.scoring import columns_of, scoring_code

FOLDER = "ml_trials"
INNER_FOLDS = 3
# Trials that are drawn at random before the sampler learns from them, and complete ones before the pruner may end one.
_RANDOM_TRIALS, _UNPRUNED_TRIALS = 10, 5
# Rows an inner fit needs; a trial of fewer says nothing.
_LEAST_ROWS = 100
_EPOCH = dt.date(1970, 1, 1)


@dataclass
class Study:
    """One search: its task, its key, what a trial learns from and is judged on, and the trials the state has of it."""

    task: dict[str, Any]
    study_id: str
    inner: list[tuple[dict[str, Any], dict[str, Any]]]
    data_hash: str
    recorded: dict[int, dict[str, Any]]
    trials: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self):
        spec = self.task["spec"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # constant_liar: pinned, and tested
            sampler = optuna.samplers.TPESampler(seed=spec["seed"], n_startup_trials=_RANDOM_TRIALS, constant_liar=True)
        pruner = optuna.pruners.MedianPruner(n_startup_trials=_UNPRUNED_TRIALS)
        self.optuna = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)

    @property
    def is_open(self) -> bool:
        return len(self.trials) < self.task["spec"]["tune_trials"]

    def ask(self) -> list[optuna.Trial]:
        """The next batch of trials."""
        spec = self.task["spec"]
        space = {name: _distribution(range_) for name, range_ in family_named(self.task["family"]).space.items()}
        count = min(spec["tune_batch"], spec["tune_trials"] - len(self.trials))
        return [self.optuna.ask(space) for _ in range(count)]

    def row(self, trial: optuna.Trial, values: list[float], is_pruned: bool) -> dict[str, Any]:
        """A row of schemas.TUNING_TRIALS."""
        task, spec, fold = self.task, self.task["spec"], self.task["fold"]
        return {
            "study_id": self.study_id,
            "trial_number": trial.number,
            "alpha_name": spec["alpha_name"],
            "fold_id": fold["fold_id"],
            "test_start_date": fold["test_start_date"],
            "family": task["family"],
            "params": json.dumps(trial.params, sort_keys=True),
            "inner_rank_ics": values,
            "mean_rank_ic": None if is_pruned else float(np.mean(values)),
            "status": "pruned" if is_pruned else "complete",
            "training_data_hash": self.data_hash,
        }

    def best(self) -> dict[str, Any]:
        """Parameters of the complete trial with the highest mean rank IC; of equals the first."""
        complete = [trial for trial in self.trials if trial["status"] == "complete"]
        return json.loads(max(complete, key=lambda trial: (trial["mean_rank_ic"], -trial["trial_number"]))["params"])


def tuned(tasks: list[dict[str, Any]], place: Path) -> list[dict[str, Any]]:
    """The tasks of kairos.fitting with the parameters that their studies chose, and the study's id.

    tasks: of specs with tune_trials above 0, with their files. place: the market's state. A fold whose window is too
    short to be divided keeps the spec's parameters and says so in a warning.
    Raises SpecError for a family without a search space, StateError where the record of trials cannot be used.
    """
    for task in tasks:
        if not family_named(task["family"]).space:
            raise SpecError(
                f"seeds/alpha_specs.csv: {task['spec']['alpha_name']} sets tune_trials; family '{task['family']}' has "
                "nothing to tune. Set it to 0."
            )
    known = state.read(place, FOLDER, TUNING_TRIALS).to_pylist()
    out: list[dict[str, Any]] = list(tasks)
    studies: dict[int, Study] = {}
    for position, prepared in executor.run(prepare, tasks):
        if prepared["reason"]:
            out[position] = {**tasks[position], "warning": f"not tuned: {prepared['reason']}"}
            continue
        recorded = {row["trial_number"]: row for row in known if row["study_id"] == prepared["study_id"]}
        studies[position] = Study(
            tasks[position], prepared["study_id"], prepared["inner"], prepared["data_hash"], recorded
        )
    _search([studies[position] for position in sorted(studies)], place)
    for position, study in studies.items():
        task = study.task
        out[position] = {**task, "params": task["params"] | study.best(), "study_id": study.study_id}
    return out


def _search(studies: list[Study], place: Path) -> None:
    """Run all studies side by side, batch by batch, inner fold by inner fold; what the state has is not run again."""
    trials = sum(max(study.task["spec"]["tune_trials"] - len(study.recorded), 0) for study in studies)
    if studies and not trials:
        say(f"tune: {len(studies)} studies are as they were")
    # at most so many: a trial that is ended early has fewer
    progress = Progress("tune", [1.0] * (trials * INNER_FOLDS), piece="inner fit")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        while any(study.is_open for study in studies):
            asked = [(study, trial) for study in studies if study.is_open for trial in study.ask()]
            rows = _judge(asked, progress)
            pairs = zip(asked, rows, strict=True)
            new = [row for (study, trial), row in pairs if trial.number not in study.recorded]
            if new:
                state.append(place, FOLDER, pa.Table.from_pylist(new, schema=TUNING_TRIALS))


def _judge(asked: list[tuple[Study, optuna.Trial]], progress: Progress) -> list[dict[str, Any]]:
    """Rows of the trials asked, told to their studies in order.

    Trials that are worse than the median of the complete ones after an inner fold are ended there: decided in the order
    of trials when all have finished that inner fold, never in the order of arrival.
    """
    values: list[list[float]] = [[] for _ in asked]
    pruned = [False] * len(asked)
    for step in range(INNER_FOLDS):
        running = [k for k in range(len(asked)) if not pruned[k]]
        todo = []
        for k in running:
            study, trial = asked[k]
            if (row := study.recorded.get(trial.number)) is None:
                todo.append(k)
                continue
            values[k].append(_recorded(row, trial, step))
        tasks = [_trial_task(*asked[k], step) for k in todo]
        for place, value in executor.run(judge_one, tasks):
            study, trial = asked[todo[place]]
            values[todo[place]].append(value)
            alpha, fold = study.task["spec"]["alpha_name"], study.task["fold"]["fold_id"]
            progress.step(progress.done, f"{alpha} {fold} trial {trial.number}")
        for k in running:
            asked[k][1].report(values[k][-1], step)
        if step < INNER_FOLDS - 1:
            for k in running:
                pruned[k] = asked[k][1].should_prune()
    rows = []
    for (study, trial), said, is_pruned in zip(asked, values, pruned, strict=True):
        row = study.row(trial, said, is_pruned)
        if is_pruned:
            study.optuna.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.optuna.tell(trial, row["mean_rank_ic"])
        study.trials.append(row)
        rows.append(row)
    return rows


def _recorded(row: dict[str, Any], trial: optuna.Trial, step: int) -> float:
    """What the state has of a trial's inner fold. Raises StateError where that is not the trial the study asks for."""
    if json.loads(row["params"]) != trial.params or step >= len(row["inner_rank_ics"]):
        raise StateError(
            f"{FOLDER}: trial {trial.number} of study {row['study_id']} is recorded otherwise than the study asks "
            "for it. A file of the state was changed: restore it from a backup, or move the folder away."
        )
    return row["inner_rank_ics"][step]


def _trial_task(study: Study, trial: optuna.Trial, step: int) -> dict[str, Any]:
    learn, judged = study.inner[step]
    return {**study.task, "params": study.task["params"] | trial.params, "learn": learn, "judged": judged}


def judge_one(task: dict[str, Any]) -> float:
    """Mean rank IC of one inner fold under a trial's parameters, in whatever process."""
    algorithm, spec = family_named(task["family"]), task["spec"]
    rows = training_rows(task["files"], spec, task["learn"], task["features"])
    later = training_rows(task["files"], spec, task["judged"], task["features"])
    with executor.one_thread():
        preparation, estimator = fit_rows(algorithm, spec["task"], task["params"], spec["seed"], rows)
        kept = [later.features.index(name) for name in preparation.features]
        said = algorithm.predict(spec["task"], estimator, preparation.apply(later.X[:, kept]))
    return mean_rank_ic(later.dates, columns_of(spec["task"], said)["score"], later.y)


def mean_rank_ic(dates: np.ndarray, score: np.ndarray, y: np.ndarray) -> float:
    """Mean over dates of the Spearman correlation of score and label, average ties; 0 on a date where one is constant.

    dates: (rows,) in order; score, y: float64 (rows,).
    """
    ics = []
    for part in np.split(np.arange(len(dates)), np.flatnonzero(np.diff(dates)) + 1):
        a, b = (rankdata(values[part]) - (len(part) + 1) / 2 for values in (score, y))
        scale = np.sqrt(float((a * a).sum()) * float((b * b).sum()))
        ics.append(float((a * b).sum()) / scale if scale else 0.0)
    return float(np.mean(ics))


def prepare(task: dict[str, Any]) -> dict[str, Any]:
    """A study's inner folds and key, in whatever process: reason (why it cannot be), inner, data_hash, study_id."""
    algorithm, spec, files = family_named(task["family"]), task["spec"], task["files"]
    base, _ = base_and_calibration(task["fold"], spec["calibration"])
    inner = inner_folds(files, spec, base, task["features"], purge_of(task["fold"]))
    reasons = [] if inner else [f"fewer than {2 * INNER_FOLDS} training dates"]
    for learn, judged in inner:
        rows = training_rows(files, spec, learn, task["features"])
        later = training_rows(files, spec, judged, task["features"])
        if len(rows.y) < _LEAST_ROWS:
            reasons.append(f"an inner fold of {len(rows.y)} training rows")
        elif not len(later.y):
            reasons.append("an inner fold without rows to judge by")
        elif np.isnan(rows.X).all():
            reasons.append("an inner fold without a feature")
        elif spec["task"] in CLASSES and len(np.unique(rows.y)) < CLASSES[spec["task"]]:
            reasons.append("an inner fold that lacks a class")
    data_hash = training_rows(files, spec, base, task["features"]).digest()
    shapes = {
        "alpha": [spec[name] for name in ("alpha_name", "task", "label", "seed", "tune_batch")],
        "fold": task["fold"]["fold_id"],
        "fixed": {name: value for name, value in task["params"].items() if name not in algorithm.space},
        "space": algorithm.space,
        "inner": [[_window(learn), _window(judged)] for learn, judged in inner],
        "data": data_hash,
        "code": [*scoring_code(task["family"]), hashlib.sha256(Path(__file__).read_bytes()).hexdigest()],
        "libraries": [algorithm.versions(), importlib.metadata.version("optuna")],
    }
    return {
        "reason": next(iter(reasons), None),
        "inner": inner,
        "data_hash": data_hash,
        "study_id": digest(shapes)[:32],
    }


def purge_of(fold: dict[str, Any]) -> int:
    """Sessions that a training row keeps from the test start: entry lag, horizon and embargo."""
    return fold["test_start_index"] - fold["train_before_index"]


def inner_folds(
    files: PanelFiles, spec: dict[str, Any], base: dict[str, Any], features: list[str], purge: int
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(what a trial learns from, what it is judged on), windows as training_rows() takes them, in time order.

    The dates of the base fold's training rows are cut into 2 x INNER_FOLDS blocks of about as many; the later half is
    judged, block by block, each by the dates before it whose labels are due and settled before the block begins. Empty
    where there are fewer dates than blocks.
    """
    all_dates, all_sessions = files.column("as_of_date"), files.column("session_index")
    dates = np.unique(training_rows(files, spec, base, features).dates)
    if len(dates) < 2 * INNER_FOLDS:
        return []
    blocks = np.array_split(all_sessions[np.searchsorted(all_dates, dates)], 2 * INNER_FOLDS)[INNER_FOLDS:]
    ends = [int(block[0]) for block in blocks[1:]] + [base["train_before_index"]]
    folds = []
    for block, end in zip(blocks, ends, strict=True):
        start = int(block[0])
        begins, settled = (
            _EPOCH + dt.timedelta(days=int(all_dates[np.searchsorted(all_sessions, index, side="right") - 1]))
            for index in (start, start - spec["embargo_sessions"])
        )
        learn = base | {"train_before_index": start - purge, "labels_settled_before_date": settled}
        folds.append((learn, base | {"window_start_date": begins, "train_before_index": end}))
    return folds


def _window(fold: dict[str, Any]) -> list[str]:
    return [str(fold[name]) for name in ("window_start_date", "train_before_index", "labels_settled_before_date")]


def _distribution(range_: tuple) -> optuna.distributions.BaseDistribution:
    low, high, *scale = range_
    kind = optuna.distributions.IntDistribution if isinstance(low, int) else optuna.distributions.FloatDistribution
    return kind(low, high, log=bool(scale))
