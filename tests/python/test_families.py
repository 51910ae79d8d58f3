"""One suite for every estimator family and task: what kairos/families/_base.py promises."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from sklearn.metrics import mean_pinball_loss
from skops.io.exceptions import UntrustedTypesFoundException

from kairos.errors import SpecError
from kairos.families import CLASSES, FAMILIES, QUANTILES, family_named
from kairos.families import _skops_bytes as skops_bytes
from kairos.scoring import columns_of

CASES = [(name, task) for name, family in FAMILIES.items() for task in family.tasks]


def make_rows(task: str, rows: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """X (rows, 4) and y driven by the first column, as the task's label would be."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 4))
    value = X[:, 0] + rng.normal(size=rows)
    if task in CLASSES:
        return X, np.digitize(value, [0.0] if task == "classification" else [-0.5, 0.5]).astype(float)
    return X, 0.02 * value


# Fewer trees where a test is about anything but their number.
FEW = {"random_forest": {"n_estimators": 20}, "xgboost": {"n_estimators": 60}, "lightgbm": {"n_estimators": 60}}


def fit(name: str, task: str, **params):
    family = family_named(name)
    X, y = make_rows(task)
    params = FEW.get(name, {}) | params
    typed = family.typed_params({key: str(value) for key, value in params.items()}, "an_alpha")
    return family, family.fit(family.build(task, typed, seed=7), X, y, np.ones(len(y)) if task in CLASSES else None)


@pytest.mark.parametrize(("name", "task"), CASES)
def test_fit_learns_what_is_there_on_rows_it_has_not_seen(name, task):
    family, fitted = fit(name, task)
    X, y = make_rows(task, seed=1)
    assert np.corrcoef(columns_of(task, family.predict(task, fitted, X))["score"], y)[0, 1] > 0.4


@pytest.mark.parametrize(("name", "task"), CASES)
def test_predictions_are_finite_doubles_of_the_tasks_shape(name, task):
    family, fitted = fit(name, task)
    said = family.predict(task, fitted, make_rows(task, seed=1)[0])
    assert said.dtype == np.float64
    assert said.shape == ((600, 3) if task in ("multiclass", "quantile") else (600,))
    assert np.isfinite(said).all()
    if task in CLASSES:
        assert ((said >= 0) & (said <= 1)).all()
        assert len(np.unique(said.round(6))) > 20
    if task == "multiclass":
        np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("name", [name for name, task in CASES if task == "multiclass"])
def test_class_probabilities_stand_in_the_order_of_the_classes(name):
    """Where the driver is lowest DOWN is likeliest, in the middle FLAT, where it is highest UP."""
    family, fitted = fit(name, "multiclass", **{"c": 1} if name == "logistic" else {})
    X = make_rows("multiclass", seed=1)[0]
    said = family.predict("multiclass", fitted, X)
    means = [said[part].mean(axis=0) for part in (X[:, 0] < -1, abs(X[:, 0]) < 0.3, X[:, 0] > 1)]
    assert means[0].argmax() == 0
    assert means[2].argmax() == 2
    assert means[1][1] > max(means[0][1], means[2][1])


@pytest.mark.parametrize("name", [name for name, task in CASES if task == "quantile"])
def test_quantiles_cover_their_share(name):
    family, fitted = fit(name, "quantile")
    X, y = make_rows("quantile", rows=5000, seed=1)
    shares = (y[:, None] < family.predict("quantile", fitted, X)).mean(axis=0)
    np.testing.assert_allclose(shares, QUANTILES, atol=0.06)


@pytest.mark.parametrize("name", [name for name, task in CASES if task == "quantile"])
def test_quantiles_never_cross_and_lose_nothing_by_it(name):
    """What a hasty fit says crosses before it is put in order; in order its pinball loss is no higher."""
    hasty = {"learning_rate": 0.5} | ({"min_child_samples": 5} if name == "lightgbm" else {"min_child_weight": 1})
    family, fitted = fit(name, "quantile", **hasty)
    X, y = make_rows("quantile", rows=5000, seed=1)
    crossing, ordered = family.outputs(fitted, X), family.predict("quantile", fitted, X)
    assert (np.diff(crossing, axis=1) < 0).any()
    assert (np.diff(ordered, axis=1) >= 0).all()
    losses = [sum(mean_pinball_loss(y, q[:, k], alpha=QUANTILES[k]) for k in range(3)) for q in (crossing, ordered)]
    assert losses[1] < losses[0]


@pytest.mark.parametrize(("name", "task"), CASES)
def test_bytes_read_back_predict_the_same_bits(name, task):
    family, fitted = fit(name, task)
    content = family.serialize(fitted)
    X = make_rows(task, seed=1)[0]
    again = family.deserialize(content)
    np.testing.assert_array_equal(family.predict(task, again, X), family.predict(task, fitted, X))
    assert family.serialize(again) == content


@pytest.mark.parametrize(("name", "task"), CASES)
def test_a_score_does_not_depend_on_the_rows_asked_with_it(name, task):
    """A row dated before a cut must have the same bits whether or not later rows stand in the same batch."""
    family, fitted = fit(name, task)
    X = make_rows(task, rows=203, seed=1)[0]
    whole = family.predict(task, fitted, X)
    for stop in (1, 2, 3, 7, 64, 65, 130):
        np.testing.assert_array_equal(family.predict(task, fitted, X[:stop].copy()), whole[:stop])
    np.testing.assert_array_equal(family.predict(task, fitted, X[::-1].copy()), whole[::-1])


@pytest.mark.parametrize(("name", "task"), CASES)
def test_the_same_rows_give_the_same_bytes_twice(name, task):
    first, second = fit(name, task), fit(name, task)
    assert first[0].serialize(first[1]) == second[0].serialize(second[1])


def test_bytes_are_the_same_in_another_process():
    """skops bytes hold memory addresses and the time of day until they are made canonical."""
    code = (
        "import hashlib, json; from test_families import CASES, fit\n"
        "print(json.dumps([hashlib.sha256(f.serialize(e)).hexdigest() for f, e in (fit(*case) for case in CASES)]))"
    )
    here = Path(__file__).resolve()
    environment = os.environ | {"PYTHONPATH": f"{here.parents[2]}{os.pathsep}{here.parent}"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    own = [hashlib.sha256(f.serialize(e)).hexdigest() for f, e in (fit(*case) for case in CASES)]
    assert json.loads(done.stdout) == own


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
@pytest.mark.filterwarnings("ignore:Objective did not converge")
@pytest.mark.parametrize("name", FAMILIES)
def test_every_parameter_changes_the_fit(name):
    """A parameter that changes nothing would be a lie in alpha_params.csv."""
    changed = {
        "n_estimators": 10,
        "min_samples_leaf": 5,
        "max_features": 1.0,
        "l1_ratio": 0.9,
        "max_depth": 2,
        "num_leaves": 2,
        "learning_rate": 0.2,
        "subsample": 0.5,
        "colsample_bytree": 0.5,
        "min_child_weight": 40,
        "min_child_samples": 20,
        "reg_alpha": 50.0,
        "reg_lambda": 50.0,
        "max_bin": 16,
        "alpha": 0.01,
        "c": 1.0,
        "max_iter": 1,
    }
    family = family_named(name)
    task = family.tasks[0]
    X = make_rows(task, seed=1)[0]
    plain = family.predict(task, fit(name, task)[1], X)
    for param in family.defaults:
        assert (family.predict(task, fit(name, task, **{param: changed[param]})[1], X) != plain).any(), param


def test_trees_use_the_seed():
    for name, few in FEW.items():
        family = family_named(name)
        X, y = make_rows("regression")
        params = family.typed_params({key: str(value) for key, value in few.items()}, "an_alpha")
        one, two = (family.serialize(family.fit(family.build("regression", params, s), X, y, None)) for s in (1, 2))
        assert one != two


def test_an_unknown_family_is_named_with_the_cure():
    with pytest.raises(
        SpecError, match=r"Unknown estimator family 'xgbost'; known: .*'xgboost'.*kairos/families/xgbost.py"
    ):
        family_named("xgbost")


def test_an_unknown_parameter_is_named_with_those_there_are():
    with pytest.raises(
        SpecError, match=r"ml_alpha_x sets 'dept', which family 'xgboost' does not have; it has .*max_depth"
    ):
        family_named("xgboost").typed_params({"dept": "3"}, "ml_alpha_x")


def test_a_parameter_of_the_wrong_type_is_named():
    with pytest.raises(SpecError, match="ml_alpha_x sets max_depth='deep', which is not int"):
        family_named("xgboost").typed_params({"max_depth": "deep"}, "ml_alpha_x")


def test_skops_refuses_types_it_does_not_trust():
    """Nothing is unpickled: bytes that name another type are refused."""
    content = skops_bytes.dump(family_named("ridge").build("regression", {"alpha": 1.0}, 0))
    forged = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(forged, "w") as other:
        schema = archive.read("schema.json").decode()
        other.writestr(
            "schema.json", schema.replace('"sklearn.linear_model._ridge"', '"posix"').replace('"Ridge"', '"system"')
        )
    with pytest.raises(UntrustedTypesFoundException, match=r"posix\.system"):
        skops_bytes.load(forged.getvalue())


def test_a_forest_whose_nodes_point_outside_is_refused():
    """skops leaves the check of a tree's nodes to its reader: a child that is not there would be read all the same."""
    family, forest = fit("random_forest", "regression")
    content = family.serialize(forest)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    nodes = {name: np.load(io.BytesIO(part)) for name, part in parts.items() if name.endswith(".npy")}
    name, tree = next((name, array) for name, array in nodes.items() if "left_child" in (array.dtype.names or ()))
    tree["left_child"][0] = 1_000_000
    buffer, forged = io.BytesIO(), io.BytesIO()
    np.save(buffer, tree)
    with zipfile.ZipFile(forged, "w") as archive:
        for other, part in parts.items():
            archive.writestr(other, buffer.getvalue() if other == name else part)
    with pytest.raises(SpecError, match="nodes point outside their tree"):
        family.deserialize(forged.getvalue())


def test_families_are_the_same_in_the_package_in_dbt_and_in_the_list():
    """kairos/families, python_models/ml/ml_fits__<family>.py and var estimator_families name the same families."""
    root = Path(__file__).resolve().parents[2]
    models = {path.stem.removeprefix("ml_fits__") for path in (root / "python_models" / "ml").glob("ml_fits__*.py")}
    listed = yaml.safe_load((root / "dbt_project.yml").read_text())["vars"]["estimator_families"]
    assert set(FAMILIES) == models == set(listed)
