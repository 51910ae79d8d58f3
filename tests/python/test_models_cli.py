"""Exported fits, read by their libraries alone, say what the warehouse stores."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import duckdb
import lightgbm
import numpy as np
import pytest
import skops.io
import synthetic_learning as synthetic
import xgboost

from kairos.cli import main
from kairos.fitting import fit_folds
from kairos.scoring import score_folds

NAMES = ("panel", "labels", "folds", "specs", "params", "feature_sets")
STARTS = (150, 220)
ALPHAS = {
    "a_ridge": ("ridge", "regression"),
    "b_logistic": ("logistic", "classification"),
    "c_forest": ("random_forest", "regression"),
    "d_xgboost": ("xgboost", "classification"),
    "e_xgboost_quantile": ("xgboost", "quantile"),
    "f_lightgbm": ("lightgbm", "multiclass"),
    "g_lightgbm_quantile": ("lightgbm", "quantile"),
}


@pytest.fixture(scope="module")
def learned(tmp_path_factory) -> dict:
    """A warehouse with nothing but ml_served_fits, and the panel and scores it goes with."""
    with pytest.MonkeyPatch.context() as one_process:
        one_process.setenv("KAIROS_WORKERS", "1")
        return learn(tmp_path_factory.mktemp("warehouse") / "kairos.duckdb")


def learn(warehouse: Path) -> dict:
    """Fit every alpha on an invented market, into that file."""
    market = synthetic.make(sessions=260, names=12)
    specs = [synthetic.spec(name, family, task) for name, (family, task) in ALPHAS.items()]
    folds = [synthetic.fold(name, market["days"], start) for name in ALPHAS for start in STARTS]
    rounds = [{"alpha_name": n, "param": "n_estimators", "value": "8"} for n in ALPHAS if n[0] not in "ab"]
    made = synthetic.relations(market, specs, folds, rounds)
    made["connection"].execute(f"attach '{warehouse}' as built; create schema built.ml")
    for family in sorted({family for family, _ in ALPHAS.values()}):
        made["connection"].register("fitted", fit_folds(family, **{name: made[name] for name in NAMES}))
        is_first = family == "lightgbm"
        made["connection"].execute(
            ("create table built.ml.ml_served_fits as" if is_first else "insert into built.ml.ml_served_fits")
            + " from fitted"
        )
    fits = made["connection"].sql("from built.ml.ml_served_fits")
    scores = score_folds(fits, made["panel"], made["specs"]).to_pandas()
    made["connection"].execute("detach built")
    return {"warehouse": warehouse, "panel": market["panel"].to_pandas(), "scores": scores, "days": market["days"]}


@pytest.fixture
def exported(learned, tmp_path, monkeypatch):
    """Export an alpha by the command; returns the description and the files."""
    monkeypatch.setenv("KAIROS_DB", str(learned["warehouse"]))

    def export(*arguments: str):
        assert main(["models", "export", *arguments, "--out", str(tmp_path)]) == 0
        (described,) = tmp_path.glob("*.json")
        told = json.loads(described.read_text())
        return told, [tmp_path / name for name in told["files"]]

    return export


def inputs(told: dict, rows) -> np.ndarray:
    """What the description says to do before the estimator is asked."""
    X = rows[told["features"]].fillna(told["medians"])
    if told["scaler"]:
        mean, scale = (
            np.array([told["scaler"][part][name] for name in told["features"]]) for part in ("mean", "scale")
        )
        X = (X - mean) / scale
    return X.to_numpy()


def said_by_the_library(told: dict, files, X: np.ndarray) -> np.ndarray:
    """What a program without this project would compute."""
    if told["family"] == "xgboost":
        return xgboost.Booster(model_file=files[0]).predict(xgboost.DMatrix(X.astype(np.float32)))
    if told["family"] == "lightgbm":
        said = [lightgbm.Booster(model_file=file).predict(X) for file in files]
        return said[0] if len(said) == 1 else np.column_stack(said)
    estimator = skops.io.load(files[0], trusted=told["trusted_types"])
    return estimator.predict_proba(X)[:, 1] if told["task"] == "classification" else estimator.predict(X)


STORED = {
    "regression": ["score"],
    "classification": ["prob_up"],
    "multiclass": ["prob_down", "prob_flat", "prob_up"],
    "quantile": ["q10", "q50", "q90"],
}


@pytest.mark.parametrize("alpha", ALPHAS)
def test_the_library_alone_reproduces_the_stored_predictions(alpha, learned, exported):
    told, files = exported(alpha)
    start = learned["days"][STARTS[-1]]
    rows = learned["panel"][learned["panel"]["as_of_date"] >= start]
    stored = learned["scores"].query("alpha_name == @alpha and as_of_date >= @start")
    said = said_by_the_library(told, files, inputs(told, rows))
    if told["task"] == "quantile":
        said = np.sort(said, axis=1)
    assert len(rows) > 300
    assert rows[told["features"]].isna().any(axis=None), "medians stand for something"
    expected = stored[STORED[told["task"]]].to_numpy().reshape(said.shape)
    np.testing.assert_allclose(said, expected, rtol=1e-9, atol=1e-15)


def test_the_newest_fold_is_exported_or_the_one_that_is_named(learned, exported, tmp_path):
    told, files = exported("d_xgboost", "--fold", learned["days"][STARTS[0]].isoformat())
    assert told["fold_id"] == learned["days"][STARTS[0]].isoformat()
    assert files == [tmp_path / f"d_xgboost_{told['fold_id']}.ubj"]
    (tmp_path / f"d_xgboost_{told['fold_id']}.json").unlink()
    assert exported("d_xgboost")[0]["fold_id"] == learned["days"][STARTS[1]].isoformat()


def test_a_fit_that_was_chosen_by_hand_is_the_one_that_serves(learned, tmp_path, monkeypatch):
    """A version of an earlier fold, promoted from a later session on, is what goes out without --fold."""
    warehouse = tmp_path / "promoted.duckdb"
    shutil.copyfile(learned["warehouse"], warehouse)
    with duckdb.connect(str(warehouse)) as con:
        con.execute(
            """insert into ml.ml_served_fits select * replace (date '2030-01-02' as effective_date)
            from ml.ml_served_fits where alpha_name = 'a_ridge' order by effective_date limit 1"""
        )
    monkeypatch.setenv("KAIROS_DB", str(warehouse))
    assert main(["models", "export", "a_ridge", "--out", str(tmp_path)]) == 0
    told = json.loads(next(tmp_path.glob("*.json")).read_text())
    assert (told["fold_id"], told["effective_date"]) == (learned["days"][STARTS[0]].isoformat(), "2030-01-02")


def test_quantiles_are_a_file_each(exported):
    told, files = exported("g_lightgbm_quantile")
    assert [file.name.rsplit("_", 1)[1] for file in files] == ["q10.txt", "q50.txt", "q90.txt"]
    assert told["quantiles"] == [0.1, 0.5, 0.9]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a_rigde"], "Alpha 'a_rigde' has no fit; alphas with fits: a_ridge, .*set is_active"),
        (["a_ridge", "--fold", "1999-01-01"], "a_ridge has no fit of fold '1999-01-01'; its folds: 2015-"),
    ],
)
def test_what_is_not_there_is_answered_with_what_is(arguments, message, learned, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KAIROS_DB", str(learned["warehouse"]))
    assert main(["models", "export", *arguments, "--out", str(tmp_path)]) == 1
    assert re.search(message, capsys.readouterr().err)


def test_a_folder_that_cannot_be_written_says_so(learned, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KAIROS_DB", str(learned["warehouse"]))
    (tmp_path / "file").write_text("")
    assert main(["models", "export", "a_ridge", "--out", str(tmp_path / "file")]) == 1
    assert re.search(r"a_ridge_.*\.skops cannot be written: .*--out", capsys.readouterr().err)


def test_a_warehouse_without_fits_says_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KAIROS_DB", str(tmp_path / "kairos.duckdb"))
    assert main(["models", "export", "a_ridge"]) == 1
    assert "there is no warehouse. Run make build first" in capsys.readouterr().err
    duckdb.connect(str(tmp_path / "kairos.duckdb")).close()
    assert main(["models", "export", "a_ridge"]) == 1
    assert "has no table ml.ml_served_fits. Run make build first" in capsys.readouterr().err
