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
from skops.io.exceptions import UntrustedTypesFoundException

from kairos.errors import SpecError
from kairos.families import FAMILIES, family_named
from kairos.families import _skops_bytes as skops_bytes

CASES = [(name, task) for name, family in FAMILIES.items() for task in family.tasks]


def make_rows(task: str, rows: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """X (rows, 4) and y driven by the first column."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 4))
    value = X[:, 0] + rng.normal(size=rows)
    return X, (value > 0).astype(float) if task == "classification" else 0.02 * value


def fit(name: str, task: str, **params):
    family = family_named(name)
    X, y = make_rows(task)
    typed = family.typed_params({key: str(value) for key, value in params.items()}, "an_alpha")
    return family, family.fit(
        family.build(task, typed, seed=7), X, y, np.ones(len(y)) if task == "classification" else None
    )


@pytest.mark.parametrize(("name", "task"), CASES)
def test_fit_learns_what_is_there_on_rows_it_has_not_seen(name, task):
    family, fitted = fit(name, task)
    X, y = make_rows(task, seed=1)
    assert np.corrcoef(family.predict(fitted, X), y)[0, 1] > 0.4


@pytest.mark.parametrize(("name", "task"), CASES)
def test_predictions_are_finite_doubles_and_probabilities_where_they_should_be(name, task):
    family, fitted = fit(name, task)
    score = family.predict(fitted, make_rows(task, seed=1)[0])
    assert score.dtype == np.float64
    assert score.shape == (600,)
    assert np.isfinite(score).all()
    if task == "classification":
        assert ((score > 0) & (score < 1)).all()


@pytest.mark.parametrize(("name", "task"), CASES)
def test_bytes_read_back_predict_the_same_bits(name, task):
    family, fitted = fit(name, task)
    content = family.serialize(fitted)
    X = make_rows(task, seed=1)[0]
    np.testing.assert_array_equal(family.predict(family.deserialize(content), X), family.predict(fitted, X))
    assert family.serialize(family.deserialize(content)) == content


@pytest.mark.parametrize(("name", "task"), CASES)
def test_a_score_does_not_depend_on_the_rows_asked_with_it(name, task):
    """A row dated before a cut must have the same bits whether or not later rows stand in the same batch."""
    family, fitted = fit(name, task)
    X = make_rows(task, rows=203, seed=1)[0]
    whole = family.predict(fitted, X)
    for stop in (1, 2, 3, 7, 64, 65, 130):
        np.testing.assert_array_equal(family.predict(fitted, X[:stop].copy()), whole[:stop])
    np.testing.assert_array_equal(family.predict(fitted, X[::-1].copy()), whole[::-1])


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
@pytest.mark.parametrize("name", FAMILIES)
def test_every_parameter_changes_the_fit(name):
    """A parameter that changes nothing would be a lie in alpha_params.csv."""
    changed = {
        "n_estimators": 20,
        "max_depth": 2,
        "num_leaves": 2,
        "learning_rate": 0.2,
        "subsample": 0.5,
        "colsample_bytree": 0.5,
        "min_child_weight": 40,
        "min_child_samples": 20,
        "reg_lambda": 50.0,
        "max_bin": 16,
        "alpha": 10.0,
        "c": 1.0,
        "max_iter": 2,
    }
    family = family_named(name)
    task = family.tasks[0]
    X = make_rows(task, seed=1)[0]
    plain = family.predict(fit(name, task)[1], X)
    for param in family.defaults:
        assert (family.predict(fit(name, task, **{param: changed[param]})[1], X) != plain).any(), param


def test_trees_use_the_seed():
    for name in ("xgboost", "lightgbm"):
        family = family_named(name)
        X, y = make_rows("regression")
        params = family.typed_params({}, "an_alpha")
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


def test_families_are_the_same_in_the_package_in_dbt_and_in_the_list():
    """kairos/families, python_models/ml/ml_fits__<family>.py and var estimator_families name the same families."""
    root = Path(__file__).resolve().parents[2]
    models = {path.stem.removeprefix("ml_fits__") for path in (root / "python_models" / "ml").glob("ml_fits__*.py")}
    listed = yaml.safe_load((root / "dbt_project.yml").read_text())["vars"]["estimator_families"]
    assert set(FAMILIES) == models == set(listed)
