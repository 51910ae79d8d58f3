"""Scores of every member row by the fit that was in force on its date, labelled or not."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kairos import calibration, executor
from kairos.errors import SpecError
from kairos.families import family_named
from kairos.fitting import Preparation, code_version
from kairos.kept import Kept, digest, digest_of_rows
from kairos.panel import PanelFiles, rows_of, write_panel
from kairos.progress import say
from kairos.schemas import SCORES

_EPOCH = dt.date(1970, 1, 1)


def score_folds(fits, panel, specs, kept: Kept | None = None) -> pa.Table:
    """Score ml_panel with ml_served_fits: each date by the newest fit whose effective_date is not after it.

    Arguments are DuckDB relations ml_served_fits, ml_panel, alpha_specs. Rows before an alpha's first effective_date
    have no score; every later one has, to the last date of the panel. NULL features get the fit's medians.
    kept: what fits said in earlier builds, taken where the fit and every value it was asked about are the same.
    Raises SpecError when a fit needs a feature that the panel has not.
    Returns schemas.SCORES ordered by alpha_name, as_of_date, security_id; what a task says stands in the columns of
    columns_of(), and those of other tasks are NULL. score_rank and scored_names are those of ranks_by_date().
    """
    horizons = {spec["alpha_name"]: spec["horizon_days"] for spec in rows_of(specs)}
    served = sorted(rows_of(fits), key=lambda fit: (fit["alpha_name"], fit["effective_date"]))
    if not served:
        say("score: no fits, so no predictions")
        return SCORES.empty_table()
    features = sorted({name for fit in served for name in fit["feature_names"]})
    if missing := [name for name in features if name not in panel.columns]:
        raise SpecError(
            f"A fit that serves or served needs {', '.join(missing)}, which ml_panel no longer has: it was chosen by "
            "hand before its alpha's feature set changed. Name the features in the set of an active alpha again."
        )
    with executor.shared_folder() as folder:
        first = min(fit["effective_date"] for fit in served)
        relation = panel.filter(f"as_of_date >= date '{first}'").order("as_of_date, security_id")
        files = write_panel(relation, features, folder)
        if files is None:
            return SCORES.empty_table()
        dates = np.array(files.column("as_of_date"))
        tasks = [{"files": files, "fit": fit, "rows": rows} for fit, rows in served_rows(served, dates)]
        if kept:
            _digest_values(tasks)
        scores: dict[int, np.ndarray] = _kept_scores(tasks, kept) if kept else {}
        taken = len(scores)
        rest = [position for position in range(len(tasks)) if position not in scores]
        for place, (said, key) in executor.run(score_one, [tasks[position] for position in rest]):
            scores[rest[place]] = said
            if kept:
                kept.put(*_piece_of(tasks[rest[place]]), key, _table_of(said))
        if kept:
            kept.prune(set(horizons), {_piece_of(task) for task in tasks})
        rows = sum(map(len, scores.values()))
        say(f"score: {len(tasks)} fits, {rows} rows; what {taken} of them say is as it was")
        securities = np.array(files.column("security_id"))
    pieces = [
        _piece(
            task["fit"],
            horizons[task["fit"]["alpha_name"]],
            dates[slice(*task["rows"])],
            securities[slice(*task["rows"])],
            scores[position],
        )
        for position, task in enumerate(tasks)
    ]
    return pa.concat_tables(pieces).unify_dictionaries()


def served_rows(fits: list[dict[str, Any]], dates: np.ndarray) -> list[tuple[dict[str, Any], tuple[int, int]]]:
    """Rows of the sorted dates (int32 days) that each fit serves: (fit, (start, stop)), without fits that serve none.

    fits: sorted by alpha_name, effective_date. A fit serves from its effective_date to the day before the next one's.
    """
    found = []
    for fit, following in pairwise([*fits, None]):
        start = np.searchsorted(dates, _days(fit["effective_date"]))
        is_last = following is None or following["alpha_name"] != fit["alpha_name"]
        stop = len(dates) if is_last else np.searchsorted(dates, _days(following["effective_date"]))
        if stop > start:
            found.append((fit, (int(start), int(stop))))
    return found


def score_one(task: dict[str, Any]) -> tuple[np.ndarray, str]:
    """What the fit says of the rows it serves, as Family.predict() returns it, and its key; in whatever process."""
    fit = task["fit"]
    algorithm = family_named(fit["family"])
    preparation = Preparation.of_fit(fit)
    X = _values(task["files"], task["rows"], fit["feature_names"])
    with executor.one_thread():
        estimator = algorithm.deserialize(fit["estimator"])
        return algorithm.predict(fit["task"], estimator, preparation.apply(X)), score_key(task)


def score_key(task: dict[str, Any]) -> str:
    """Digest of all that shapes the scores of a task: the fit whole, the values it is asked about, the code. Of use
    after _digest_values()."""
    return digest([*what_speaks(task["fit"]), task.get("values")])


def what_speaks(fit: dict[str, Any]) -> list[Any]:
    """All but the values asked about that shapes what a fit says of them: the fit whole, the code, the libraries."""
    learned = {name: str(value) for name, value in fit.items() if name != "estimator"}  # its sha256 is there
    return [learned, scoring_code(fit["family"]), family_named(fit["family"]).versions()]


def scoring_code(family: str) -> list[str]:
    """The source that shapes what a fit of the family says."""
    return [code_version(family), hashlib.sha256(Path(__file__).read_bytes()).hexdigest()]


def _values(files: PanelFiles, rows: tuple[int, int], names: list[str]) -> np.ndarray:
    """Inputs of the rows a fit serves, float64 (rows, features) with NaN for NULL."""
    return files.matrix()[slice(*rows)][:, files.positions(names)]


def _digest_values(tasks: list[dict[str, Any]]) -> None:
    """Give each task the digest of the values its fit is asked about, as `values`. Most alphas are asked about the
    same: what all of them read is read and digested once, not once for each."""
    asked: dict[tuple, list[dict[str, Any]]] = {}
    for task in tasks:
        asked.setdefault((task["rows"], tuple(task["fit"]["feature_names"])), []).append(task)
    questions = [(alike[0]["files"], rows, list(names)) for (rows, names), alike in asked.items()]
    places = list(asked.values())
    for place, found in executor.run(_digest_of_values, questions):
        for task in places[place]:
            task["values"] = found


def _digest_of_values(question: tuple[PanelFiles, tuple[int, int], list[str]]) -> str:
    return digest_of_rows(question[2], _values(*question))


def _kept_scores(tasks: list[dict[str, Any]], kept: Kept) -> dict[int, np.ndarray]:
    """What the fits of these tasks said of the same values before, by position."""
    found = {}
    for position, table in kept.tables(tasks, _piece_of, score_key, _schema_of).items():
        columns = [column.to_numpy() for column in table.columns]
        found[position] = columns[0] if len(columns) == 1 else np.column_stack(columns)
    return found


def _schema_of(task: dict[str, Any]) -> pa.Schema:
    """Of what is kept of a task, as _table_of() makes it."""
    width = 3 if task["fit"]["task"] in ("multiclass", "quantile") else 1
    return pa.schema([(f"said_{k}", pa.float64()) for k in range(width)])


def _piece_of(task: dict[str, Any]) -> tuple[str, str]:
    return task["fit"]["alpha_name"], task["fit"]["effective_date"].isoformat()


def _table_of(said: np.ndarray) -> pa.Table:
    columns = said.reshape(len(said), -1).T
    return pa.table({f"said_{k}": pa.array(column) for k, column in enumerate(columns)})


def columns_of(task: str, said: np.ndarray, maps: list[dict[str, Any]] | None = None) -> dict[str, np.ndarray]:
    """Columns of SCORES, each float64 (rows,), from what Family.predict() said; score is high where attractive.

    classification: score = prob_up, the probability of class 1. multiclass: score = P(UP) - P(DOWN), and prob_up,
    prob_flat, prob_down. regression: score, the predicted value. quantile: score = q50, and q10, q50, q90.
    maps: of kairos.calibration; with them the probabilities are calibrated, raw_prob_up is what prob_up was, and score
    stays what the estimator said.
    """
    if task == "regression":
        return {"score": said}
    if task == "quantile":
        first, second, third = said.T
        return {"score": second, "q10": first, "q50": second, "q90": third}
    likely = calibration.apply(maps, said) if maps else said
    if task == "classification":
        columns, raw = {"score": said, "prob_up": likely}, said
    else:
        raw = said[:, 2]
        columns = {"score": raw - said[:, 0]}
        columns |= dict(zip(("prob_down", "prob_flat", "prob_up"), likely.T, strict=True))
    return columns | ({"raw_prob_up": raw} if maps else {})


def ranks_by_date(dates: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place of each row's score on its date, from 1, and how many the date has: int32 (rows,), (rows,).

    dates: (rows,) sorted. scores: float64 (rows,) without NaN; of equal ones the row that comes first has the better
    place.
    """
    firsts, names = np.unique(dates, return_index=True, return_counts=True)[1:]
    # date by date: a sort of all rows by date and score takes twice as long
    order = np.concatenate(
        [
            np.arange(0),
            *(
                first + np.argsort(-scores[first : first + n], kind="stable")
                for first, n in zip(firsts, names, strict=True)
            ),
        ]
    )
    names_of_row = np.repeat(names, names)
    places = np.empty(len(dates), dtype=np.int32)
    places[order] = np.arange(1, len(dates) + 1) - np.repeat(firsts, names)
    return places, names_of_row.astype(np.int32)


def _piece(fit: dict[str, Any], horizon: int, dates: np.ndarray, securities: np.ndarray, said: np.ndarray) -> pa.Table:
    rows = len(dates)
    constants = {"alpha_name": fit["alpha_name"], "fit_id": fit["fit_id"], "fold_id": fit["fold_id"]}
    columns = {
        "as_of_date": pa.array(dates).cast(pa.date32()),
        "security_id": pa.array(securities),
        "horizon_days": pa.array(np.full(rows, horizon, dtype=np.int32)),
        "is_out_of_sample": pa.array(dates >= _days(fit["effective_date"])),
    }
    columns |= {
        name: pa.DictionaryArray.from_arrays(np.zeros(rows, dtype=np.int32), [text]) for name, text in constants.items()
    }
    maps = json.loads(fit["calibration"])["maps"] if fit["calibration"] else None
    values = columns_of(fit["task"], said, maps)
    values["score_rank"], values["scored_names"] = ranks_by_date(dates, values["score"])
    columns |= {name: pa.array(column) for name, column in values.items()}
    return pa.table(
        [columns[field.name] if field.name in columns else pa.nulls(rows, field.type) for field in SCORES],
        schema=SCORES,
    )


def _days(date: dt.date) -> int:
    return (date - _EPOCH).days
