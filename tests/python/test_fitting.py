"""fit_folds: which rows it learns from, what it keeps of them, and that workers do not matter."""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import synthetic_learning as synthetic
from scipy import stats
from sklearn.utils.class_weight import compute_sample_weight

import kairos
from kairos.errors import MarketError, SpecError
from kairos.families import family_named
from kairos.fitting import (
    Preparation,
    TrainingRows,
    class_weights,
    code_version,
    fit_folds,
    fit_rows,
    identity,
    label_end_column,
)
from kairos.schemas import FITS
from kairos.scoring import score_folds

NAMES = ("panel", "labels", "folds", "specs", "params", "feature_sets")
FAMILIES = {"xgboost": "classification", "lightgbm": "quantile", "ridge": "regression", "logistic": "multiclass"}


def relations_of(family: str, task: str, market: dict, folds: list[dict], **changes) -> dict:
    few_rounds = [{"alpha_name": "an_alpha", "param": "n_estimators", "value": "10"}]
    spec = synthetic.spec("an_alpha", family, task, **changes)
    return synthetic.relations(market, [spec], folds, few_rounds if family in ("xgboost", "lightgbm") else None)


def fits_of(family: str, market: dict, folds: list[dict], **changes) -> list[dict]:
    made = relations_of(family, changes.pop("task", FAMILIES[family]), market, folds, **changes)
    table = fit_folds(family, **{name: made[name] for name in NAMES})
    assert table.schema == FITS
    return table.to_pylist()


@pytest.fixture(scope="module")
def market() -> dict:
    return synthetic.make(sessions=300, names=12)


@pytest.fixture(scope="module")
def folds(market) -> list[dict]:
    return [synthetic.fold("an_alpha", market["days"], start) for start in (150, 220, 280)]


def test_fits_and_scores_are_the_same_bytes_for_one_two_and_three_workers(market, folds, monkeypatch):
    """Three folds to fit, so that three workers have one each; every family, and what its fits say. A worker more would
    get no task of another kind, and starting one costs more CPU than all the fits.
    """

    def learned(workers: int) -> dict:
        monkeypatch.setenv("KAIROS_WORKERS", str(workers))
        said = {}
        for family, task in FAMILIES.items():
            made = relations_of(family, task, market, folds)
            fits = fit_folds(family, **{name: made[name] for name in NAMES})
            made["connection"].register("fits", fits)
            said[family] = (fits, score_folds(made["connection"].table("fits"), made["panel"], made["specs"]))
        return said

    one = learned(1)
    assert [fit["fold_id"] for fit in one["ridge"][0].to_pylist()] == [fold["fold_id"] for fold in folds]
    for workers in (2, 3):
        for family, (fits, scores) in learned(workers).items():
            assert fits.equals(one[family][0]), (family, workers)
            assert scores.equals(one[family][1]), (family, workers)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_fit_does_not_change_with_anything_after_its_deadline(family, market, folds):
    """Features and labels after the last training row may be anything, and say something else of each other there."""
    whole = fits_of(family, market, folds[:1])[0]
    rng = np.random.default_rng(5)
    panel, labels = market["panel"].to_pandas(), market["labels"].to_pandas()
    later = (panel["session_index"] >= folds[0]["train_before_index"]).to_numpy()
    for name in synthetic.FEATURES:
        panel.loc[later, name] = rng.normal(size=later.sum()) * 100 + 50
    labels.loc[later, "fwd_ret_5d"] = (panel["alpha_two"] + panel["alpha_three"])[later]
    labels.loc[later, ["outperform_5d", "updown_5d"]] = 0
    changed = {
        "panel": pa.Table.from_pandas(panel, schema=market["panel"].schema, preserve_index=False),
        "labels": pa.Table.from_pandas(labels, schema=market["labels"].schema, preserve_index=False),
    }
    assert fits_of(family, market | changed, folds[:1])[0] == whole


def test_training_rows_are_thinned_labelled_and_settled(market, folds):
    """Counted by hand: every fifth session, up to the last whose label ends before the test start."""
    fit = fits_of("ridge", market, folds)[0]
    sessions = [i for i in range(0, 150) if i % synthetic.STRIDE == 0 and i + synthetic.LAG + synthetic.HORIZON < 150]
    assert fit["n_train_rows"] == len(sessions) * 12
    assert fit["train_end_date"] == market["days"][sessions[-1]]
    assert fit["effective_date"] == market["days"][150]


def test_alphas_of_a_family_have_rows_windows_and_parameters_of_their_own(market):
    """One on every fifth session of all the past, one on every second session from the 51st on, which is itself in."""
    days = market["days"]
    specs = [
        synthetic.spec("a_fifth", "ridge", "regression"),
        synthetic.spec("b_second", "ridge", "regression", train_every_sessions=2),
    ]
    folds = [synthetic.fold("b_second", days, 150, window_start_date=days[50]), synthetic.fold("a_fifth", days, 150)]
    params = [
        {"alpha_name": name, "param": "alpha", "value": value}
        for name, value in (("a_fifth", "10"), ("b_second", "20"))
    ]
    made = synthetic.relations(market, specs, folds, params)
    fits = fit_folds("ridge", **{name: made[name] for name in NAMES}).to_pylist()
    assert [fit["alpha_name"] for fit in fits] == ["a_fifth", "b_second"]
    assert [fit["n_train_rows"] for fit in fits] == [len(range(0, 144, 5)) * 12, len(range(50, 144, 2)) * 12]
    assert [fit["train_end_date"] for fit in fits] == [days[140], days[142]]
    assert [json.loads(fit["params"])["alpha"] for fit in fits] == [10, 20]


def test_a_label_settled_late_is_not_learned_from(market, folds):
    """One label of an otherwise good date ends on the test start itself, another the day before."""
    labels = market["labels"].to_pandas()
    position = 100 * 12
    labels.loc[position, "label_end_date_5d"] = market["days"][150]
    labels.loc[position + 1, "label_end_date_5d"] = market["days"][149]
    changed = market | {"labels": pa.Table.from_pandas(labels, schema=market["labels"].schema, preserve_index=False)}
    before, after = fits_of("ridge", market, folds)[0], fits_of("ridge", changed, folds)[0]
    assert after["n_train_rows"] == before["n_train_rows"] - 1


def test_a_label_settled_early_is_purged_by_its_schedule(market):
    """The row of session 145 is due on the test start: that an event of it was over sooner does not save it."""
    labels = market["labels"].to_pandas()
    labels.loc[labels["as_of_date"] == market["days"][145], "label_end_date_5d"] = market["days"][147]
    changed = market | {"labels": pa.Table.from_pandas(labels, schema=market["labels"].schema, preserve_index=False)}
    fit = fits_of("ridge", changed, [synthetic.fold("an_alpha", market["days"], 151)])[0]
    assert fit["train_end_date"] == market["days"][140]


def test_null_labels_are_dropped_never_class_zero(market, folds):
    labels = market["labels"].to_pandas()
    labels.loc[labels.index % 3 == 0, "updown_5d"] = None
    changed = market | {"labels": pa.Table.from_pandas(labels, schema=market["labels"].schema, preserve_index=False)}
    before, after = fits_of("logistic", market, folds)[0], fits_of("logistic", changed, folds)[0]
    assert after["n_train_rows"] == before["n_train_rows"] * 2 // 3


def test_medians_and_scalers_are_those_of_the_training_rows(market, folds):
    fit = fits_of("ridge", market, folds)[1]
    panel = market["panel"].to_pandas()
    rows = panel[(panel["session_index"] % 5 == 0) & (panel["session_index"] + 6 < 220)][fit["feature_names"]]
    np.testing.assert_array_equal(fit["medians"], rows.median().to_numpy())
    filled = rows.fillna(rows.median())
    np.testing.assert_allclose(fit["scaler_mean"], filled.mean(), rtol=1e-12)
    np.testing.assert_allclose(fit["scaler_scale"], filled.std(ddof=0), rtol=1e-12)


def test_ridge_solves_the_penalised_normal_equations(market, folds):
    """An independent solution: (Z'Z + alpha I) b = Z'(y - mean y) on standardised features."""
    fit = fits_of("ridge", market, folds)[2]
    both = market["panel"].to_pandas().merge(market["labels"].to_pandas(), on=["as_of_date", "security_id"])
    rows = both[(both["session_index"] % 5 == 0) & (both["session_index"] + 6 < 280)]
    X = rows[fit["feature_names"]]
    Z = stats.zscore(X.fillna(X.median()).to_numpy())
    y = rows["fwd_ret_5d"].to_numpy()
    beta = np.linalg.solve(Z.T @ Z + 1000 * np.eye(Z.shape[1]), Z.T @ (y - y.mean()))
    estimator = family_named("ridge").deserialize(fit["estimator"])
    np.testing.assert_allclose(estimator.coef_, beta, rtol=1e-9)


def test_a_feature_null_in_all_training_rows_is_dropped_and_named(folds):
    market = synthetic.make(sessions=300, names=12, null_feature="alpha_two")
    for family in FAMILIES:
        fit = fits_of(family, market, folds[:1])[0]
        assert fit["dropped_features"] == ["alpha_two"]
        assert fit["warning"] == "NULL in every training row, dropped: alpha_two"
        assert fit["feature_names"] == ["alpha_one", "alpha_three"]


def test_fit_id_follows_data_and_parameters(market, folds):
    plain = fits_of("ridge", market, folds)[0]
    other_seed = fits_of("ridge", market, folds, seed=8)[0]
    other_data = fits_of("ridge", synthetic.make(sessions=300, names=12, seed=1), folds)[0]
    assert len({plain["fit_id"], other_seed["fit_id"], other_data["fit_id"]}) == 3
    assert plain["training_data_hash"] == other_seed["training_data_hash"] != other_data["training_data_hash"]


def test_no_fold_is_an_empty_table_that_says_why(market, capsys):
    assert fits_of("ridge", market, []) == []
    assert "the market is too short" in capsys.readouterr().err
    skipped = [synthetic.fold("an_alpha", market["days"], 150, status="skipped", reason="fewer than 500 training rows")]
    assert fits_of("ridge", market, skipped) == []
    assert "every fold is skipped (fewer than 500 training rows)" in capsys.readouterr().err


def test_a_family_says_fold_alpha_elapsed_and_estimate(market, folds, capsys):
    fits_of("ridge", market, folds)
    lines = capsys.readouterr().err.splitlines()
    for k, line in enumerate(lines, start=1):
        assert re.fullmatch(rf"fit ridge: fold {k} of 3, an_alpha \d{{4}}-\d\d-\d\d, [\d.]+ s, about \d+ s to go", line)


def test_a_task_the_family_does_not_do_is_refused(market, folds):
    with pytest.raises(SpecError, match="asks family 'ridge' for task 'classification'; it does regression"):
        fits_of("ridge", market, folds, task="classification")


def test_a_label_that_does_not_exist_is_refused(market, folds):
    with pytest.raises(SpecError, match="asks for fwd_ret_7d"):
        fits_of("ridge", market, folds, label="fwd_ret_7d")


def test_an_unknown_feature_set_is_refused(market, folds):
    with pytest.raises(SpecError, match=r"Feature set 'four' .* known sets: \['three'\]"):
        fits_of("ridge", market, folds, feature_set="four")


def test_an_infinite_feature_is_refused(market, folds):
    panel = market["panel"].to_pandas()
    panel.loc[5 * 12 * 10, "alpha_one"] = np.inf
    changed = market | {"panel": pa.Table.from_pandas(panel, schema=market["panel"].schema, preserve_index=False)}
    with pytest.raises(MarketError, match="infinite values: alpha_one 1"):
        fits_of("ridge", changed, folds)


def test_class_weights_make_classes_count_alike():
    y = np.array([0.0, 0.0, 0.0, 1.0])
    np.testing.assert_allclose(class_weights(y, 2), [2 / 3, 2 / 3, 2 / 3, 2.0])
    three = np.array([2.0, 0.0, 1.0, 2.0, 2.0, 0.0])
    np.testing.assert_allclose(class_weights(three, 3), compute_sample_weight("balanced", three))
    with pytest.raises(SpecError, match=r"Rows per class \[3, 0, 3\]"):
        class_weights(np.array([0.0, 2.0] * 3), 3)


def test_a_constant_feature_is_not_divided_by_zero():
    rows = np.array([[1.0, 2.0], [1.0, 4.0], [np.nan, 6.0]])
    preparation, prepared = Preparation.learn(rows, ["flat", "moving"], True)
    np.testing.assert_array_equal(preparation.apply(rows), prepared)
    np.testing.assert_array_equal(preparation.scale[0], 1.0)
    assert np.isfinite(preparation.apply(np.array([[1.0, np.nan]]))).all()


def test_weights_of_classes_reach_the_estimator():
    """One row in ten is of class 1: weighed alike, its mean probability is near one half, and not near a tenth."""
    rng = np.random.default_rng(1)
    y = (np.arange(500) % 10 == 0).astype(float)
    rows = TrainingRows(np.arange(500), np.arange(500), rng.normal(size=(500, 2)), y, ["a", "b"])
    family = family_named("logistic")
    preparation, estimator = fit_rows(family, "classification", family.typed_params({}, "here"), 7, rows)
    assert family.predict("classification", estimator, preparation.apply(rows.X)).mean() == pytest.approx(0.5, abs=0.02)


def test_a_label_of_events_is_settled_when_its_event_is():
    ends = {label: label_end_column({"label": label, "horizon_days": 10}) for label in ("fwd_ret_10d", "updown_10d")}
    assert set(ends.values()) == {"label_end_date_10d"}
    for label in ("net_logret_10d", "net_logret_sign_10d"):
        assert label_end_column({"label": label, "horizon_days": 10}) == "label_end_date_event_10d"


def test_whatever_a_fit_is_made_of_is_in_its_fit_id():
    X, y = np.random.default_rng(2).normal(size=(8, 1)), np.arange(8.0)
    rows = TrainingRows(np.arange(8), np.arange(8), X, y, ["a"])
    spec = {"alpha_name": "an_alpha", "task": "regression", "label": "fwd_ret_5d", "seed": 7, "calibration": "none"}
    fold = {"fold_id": "2020-01-01", "test_start_date": dt.date(2020, 1, 2)}
    task = {"family": "ridge", "spec": spec, "fold": fold, "params": {"alpha": 1.0}}
    others = [
        (task | {"spec": spec | {name: value}}, rows, None)
        for name, value in (("seed", 8), ("calibration", "platt"), ("label", "fwd_ret_1d"), ("alpha_name", "another"))
    ]
    others += [
        (task | {"fold": fold | {"test_start_date": dt.date(2020, 1, 3)}}, rows, None),
        (task | {"params": {"alpha": 2.0}}, rows, None),
        (task | {"warning": "a study was cut off"}, rows, None),
        (task | {"study_id": "a study"}, rows, None),
        (task, replace(rows, y=y + 1e-16 * (y == 1)), None),
        (task, replace(rows, y=y[::-1].copy()), None),
        (task, replace(rows, features=["b"]), None),
        (task, rows, rows),
    ]
    known = [identity(*made)["fit_id"] for made in [(task, rows, None), *others]]
    assert known[0] == identity(task, rows)["fit_id"]
    assert len(set(known)) == len(known) - 1, "only the sum that rounds away makes the same fit"


def test_code_that_shapes_a_fit_is_in_its_version(tmp_path, monkeypatch):
    package = tmp_path / "kairos"
    shutil.copytree(Path(kairos.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(kairos, "__file__", str(package / "__init__.py"))
    version = code_version("ridge")
    for file in ("calibration.py", "fitting.py", "panel.py", "families/_base.py", "families/_linear.py"):
        content = (package / file).read_bytes()
        (package / file).write_bytes(content + b"\n# another\n")
        assert code_version("ridge") != version, file
        (package / file).write_bytes(content)
    for file, is_another in (("families/lasso.py", False), ("families/ridge.py", True)):
        (package / file).write_bytes(b"# another")
        assert (code_version("ridge") != version) == is_another, file


def test_days_are_business_days():
    assert synthetic.business_days(3, dt.date(2015, 1, 1)) == [dt.date(2015, 1, d) for d in (1, 2, 5)]
