"""Calibration against scikit-learn's, and that it learns from later rows which the estimator has not seen."""

from __future__ import annotations

import datetime as dt
import json

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sql_model
import synthetic_learning as synthetic
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import brier_score_loss, log_loss

from kairos import calibration
from kairos.errors import SpecError
from kairos.families import family_named
from kairos.fitting import base_and_calibration, fit_folds
from kairos.scoring import columns_of

NAMES = ("panel", "labels", "folds", "specs", "params", "feature_sets")


class Odds(ClassifierMixin, BaseEstimator):
    """A classifier of two or three classes whose log-odds are its inputs."""

    def __init__(self, classes=2):
        self.classes = classes

    def fit(self, X, y):
        self.classes_ = np.arange(self.classes)
        return self

    def predict(self, X):
        return self.classes_[self.decision_function(X).reshape(len(X), -1).argmax(axis=1)]

    def decision_function(self, X):
        return X[:, 0] if self.classes == 2 else X


def overconfident(rows: int, classes: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(log-odds three times too strong, classes) of rows whose true log-odds are normal."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(size=(rows, 1 if classes == 2 else 3))
    if classes == 2:
        return 3 * odds, (rng.random(rows) < expit(odds[:, 0])).astype(float)
    p = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
    return 3 * odds, (rng.random(rows)[:, None] > p.cumsum(axis=1)).sum(axis=1).astype(float)


@pytest.mark.parametrize(("method", "theirs"), [("platt", "sigmoid"), ("isotonic", "isotonic")])
@pytest.mark.parametrize("classes", [2, 3])
def test_maps_equal_scikit_learns(method, theirs, classes):
    odds, y = overconfident(800, classes)
    # between its corners theirs runs over log-odds and ours over probabilities: isotonic is held at the rows themselves
    asked = odds if method == "isotonic" else overconfident(300, classes, seed=1)[0]
    expected = CalibratedClassifierCV(FrozenEstimator(Odds(classes).fit(odds, y)), method=theirs).fit(odds, y)
    expected = expected.predict_proba(asked)
    task = "classification" if classes == 2 else "multiclass"
    said, fresh = (expit(part[:, 0] if classes == 2 else part) for part in (odds, asked))
    got = calibration.apply(calibration.learn(method, task, said, y), fresh)
    np.testing.assert_allclose(got, expected[:, 1] if classes == 2 else expected, atol=1e-4)


@pytest.mark.parametrize("method", calibration.METHODS)
@pytest.mark.parametrize("classes", [2, 3])
def test_fresh_rows_are_better_off(method, classes):
    task = "classification" if classes == 2 else "multiclass"
    (odds, y), (fresh, true) = overconfident(3000, classes), overconfident(3000, classes, seed=1)

    def said(part):
        if classes == 2:
            return expit(part[:, 0])
        return np.exp(part) / np.exp(part).sum(axis=1, keepdims=True)

    maps = calibration.learn(method, task, said(odds), y)
    after = calibration.apply(maps, said(fresh))
    own = true.astype(int)
    of_own = [(p[np.arange(3000), own] if classes == 3 else np.where(own, p, 1 - p)) for p in (after, said(fresh))]
    losses = [-np.log(np.maximum(p, 1e-6)).mean() for p in of_own]
    assert losses[0] < losses[1] - 0.05
    if classes == 3:
        np.testing.assert_allclose(after.sum(axis=1), 1, atol=1e-12)


@pytest.mark.parametrize("method", calibration.METHODS)
def test_json_keeps_every_bit_and_rows_stand_alone(method):
    odds, y = overconfident(500, 3)
    said = expit(odds)
    maps = calibration.learn(method, "multiclass", said, y)
    whole = calibration.apply(maps, said)
    np.testing.assert_array_equal(calibration.apply(json.loads(json.dumps(maps)), said), whole)
    for stop in (1, 2, 7, 64):
        np.testing.assert_array_equal(calibration.apply(maps, said[:stop].copy()), whole[:stop])


def test_a_row_of_which_no_map_sees_anything_gives_each_class_a_third():
    """Isotonic maps begin at 0 where no row below a corner was of the class: all three may."""
    maps = [{"x": [0.5, 0.9], "y": [0.0, 0.8]}] * 3
    got = calibration.apply(maps, np.array([[0.3, 0.3, 0.4], [0.7, 0.2, 0.1], [0.6, 0.7, 0.1]]))
    np.testing.assert_allclose(got, [[1 / 3, 1 / 3, 1 / 3], [1, 0, 0], [1 / 3, 2 / 3, 0]], rtol=1e-12)


def test_what_cannot_be_calibrated_is_refused():
    p, y = np.array([0.2, 0.8]), np.array([0.0, 1.0])
    with pytest.raises(SpecError, match="calibration 'beta' of task 'classification'; it is one of platt, isotonic"):
        calibration.learn("beta", "classification", p, y)
    with pytest.raises(SpecError, match="calibration 'platt' of task 'regression'"):
        calibration.learn("platt", "regression", p, y)
    with pytest.raises(SpecError, match=r"rows per class \[2, 0\]"):
        calibration.learn("platt", "classification", p, np.zeros(2))


def test_score_is_what_the_estimator_said_and_probabilities_are_calibrated():
    odds, y = overconfident(500, 3)
    said = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
    maps = calibration.learn("platt", "multiclass", said, y)
    columns = columns_of("multiclass", said, maps)
    np.testing.assert_array_equal(columns["score"], said[:, 2] - said[:, 0])
    np.testing.assert_array_equal(columns["raw_prob_up"], said[:, 2])
    np.testing.assert_array_equal(columns["prob_up"], calibration.apply(maps, said)[:, 2])
    assert "raw_prob_up" not in columns_of("multiclass", said)


# --- which rows it learns from ------------------------------------------------------------------------------------

START, SLICE = 240, 200  # test start; first session of the slice


@pytest.fixture(scope="module")
def market() -> dict:
    return synthetic.make(sessions=300, names=40)


def fitted(market: dict, **changes) -> dict:
    """The one fit of a calibrated logistic alpha."""
    spec = synthetic.spec("an_alpha", "logistic", "classification", calibration="platt")
    fold = synthetic.fold("an_alpha", market["days"], START)
    fold |= {"calibration_start_date": market["days"][SLICE], "base_before_index": SLICE - 6} | changes
    made = synthetic.relations(market, [spec], [fold])
    return fit_folds("logistic", **{name: made[name] for name in NAMES}).to_pylist()[0]


def with_labels(market: dict, sessions: range) -> dict:
    """The market with the classes of those sessions turned round."""
    labels = market["labels"].to_pandas()
    index = market["panel"]["session_index"].to_numpy()
    changed = (index >= sessions.start) & (index < sessions.stop)
    labels.loc[changed, "outperform_5d"] = 1 - labels.loc[changed, "outperform_5d"]
    return market | {"labels": pa.Table.from_pandas(labels, schema=market["labels"].schema, preserve_index=False)}


def test_the_slice_is_later_disjoint_and_purged(market):
    fit = fitted(market)
    base = [i for i in range(0, SLICE, 5) if i + 6 < SLICE]
    held = [i for i in range(SLICE, START, 5) if i + 6 < START]
    assert fit["n_train_rows"] == len(base) * 40
    assert fit["n_calibration_rows"] == len(held) * 40
    assert fit["train_end_date"] == market["days"][base[-1]]


def test_what_is_settled_when_the_slice_has_begun_is_neither_learned_from_nor_calibrated_on(market):
    """One label of a base date is settled on the slice's first session, one of the slice on the test start, and one of
    each a session sooner. One that was due in the slice is settled before it, as those of events are: out all the same.
    """
    labels = market["labels"].to_pandas()
    for session, ends in ((100, SLICE), (210, START)):
        for place in (0, 1):
            labels.loc[session * 40 + place, "label_end_date_5d"] = market["days"][ends - place]
    labels.loc[195 * 40, "label_end_date_5d"] = market["days"][SLICE - 2]
    changed = market | {"labels": pa.Table.from_pandas(labels, schema=market["labels"].schema, preserve_index=False)}
    before, after = fitted(market), fitted(changed)
    assert after["n_train_rows"] == before["n_train_rows"] - 1
    assert after["n_calibration_rows"] == before["n_calibration_rows"] - 1


def test_the_estimator_does_not_see_the_slice_and_the_calibration_does(market):
    before, after = fitted(market), fitted(with_labels(market, range(SLICE, START - 6)))
    assert after["estimator"] == before["estimator"]
    assert after["medians"] == before["medians"]
    assert (
        json.loads(after["calibration"])["maps"][0]["slope"] < 0 < json.loads(before["calibration"])["maps"][0]["slope"]
    )
    assert after["training_data_hash"] != before["training_data_hash"]


@pytest.mark.parametrize("null_feature", [None, "alpha_one"])
def test_maps_are_learned_from_what_the_estimator_says_of_prepared_rows(null_feature):
    """By hand, with a feature dropped before the others or with none: filled, standardised, said, and mapped."""
    market = synthetic.make(sessions=300, names=40, null_feature=null_feature)
    fit = fitted(market)
    panel, labels = market["panel"].to_pandas(), market["labels"].to_pandas()
    index = panel["session_index"]
    chosen = (index % 5 == 0) & (index >= SLICE) & (index + 6 < START)
    X = panel.loc[chosen, fit["feature_names"]].astype(float)
    X = (X.fillna(dict(zip(X, fit["medians"], strict=True))) - fit["scaler_mean"]) / fit["scaler_scale"]
    estimator = family_named("logistic").deserialize(fit["estimator"])
    said = expit(X.to_numpy() @ estimator.coef_[0] + estimator.intercept_[0])
    (expected,) = calibration.learn(
        "platt", "classification", said, labels.loc[chosen, "outperform_5d"].to_numpy(float)
    )
    (got,) = json.loads(fit["calibration"])["maps"]
    assert got == pytest.approx(expected, rel=1e-6)


def test_nothing_from_the_test_window_enters_and_a_slice_that_reached_into_it_is_seen(market):
    """The planted leak: a fold whose deadlines lie twenty sessions after its test start."""
    changed = with_labels(market, range(START - 6, 300))
    assert fitted(changed) == fitted(market)
    late = {"train_before_index": START + 14, "labels_settled_before_date": market["days"][START + 20]}
    assert fitted(changed, **late)["calibration"] != fitted(market, **late)["calibration"]


def test_without_calibration_a_fold_is_taken_whole():
    fold = {"train_before_index": 9}
    assert base_and_calibration(fold, "none") == (fold, None)


# --- the tables -----------------------------------------------------------------------------------------------------


def test_tables_equal_scikit_learns_scores():
    """Two folds of two alphas, one calibrated; rows without a label take no part."""
    rng = np.random.default_rng(3)
    rows = []
    for alpha, task in (("two", "classification"), ("three", "multiclass")):
        for k in range(1130):
            p, raw = np.round(rng.random(2), 3)
            top = 1 if task == "classification" else 2
            label = None if k % 11 == 0 else top if rng.random() < p else rng.integers(0, top)
            rows.append(
                {
                    "alpha_name": alpha,
                    "as_of_date": dt.date(2020, 1, 1) + dt.timedelta(days=k // 10),
                    "security_id": k % 10,
                    "fold_id": "one" if k < 600 else "two",
                    "prob_up": p,
                    "raw_prob_up": raw if task == "multiclass" else None,
                    "label_value": label,
                    "task": task,
                }
            )
    frame = pd.DataFrame(rows).astype({"label_value": float, "raw_prob_up": float})
    con = duckdb.connect()
    con.execute("create table ml_predictions as select * replace (if(isnan(raw_prob_up), null, raw_prob_up) as"
                " raw_prob_up) from frame")  # fmt: skip
    con.execute("create table ml_training_rows as select alpha_name, as_of_date, security_id,"
                " if(isnan(label_value), null, label_value) as label_value from ml_predictions")  # fmt: skip
    con.execute("create table alpha_specs as select distinct alpha_name, task from ml_predictions")
    for model in ("ml_calibration_bins", "ml_calibration"):
        sql_model.run(con, f"ml/{model}")
    got = con.sql("from ml_calibration").df().set_index(["alpha_name", "fold_id", "stage"])
    assert set(got.index) == {("two", f, "raw") for f in ("one", "two")} | {
        ("three", f, stage) for f in ("one", "two") for stage in ("raw", "calibrated")
    }
    known = frame[frame["label_value"].notna()]
    for (alpha, fold, stage), row in got.iterrows():
        part = known[(known["alpha_name"] == alpha) & (known["fold_id"] == fold)]
        happened = (part["label_value"] == (2 if alpha == "three" else 1)).to_numpy()
        p = part["raw_prob_up" if (alpha, stage) == ("three", "raw") else "prob_up"].to_numpy()
        assert row["names"] == len(part)
        assert row["share_happened"] == pytest.approx(happened.mean(), abs=1e-12)
        assert row["brier"] == pytest.approx(brier_score_loss(happened, p), abs=1e-10)
        assert row["log_loss"] == pytest.approx(log_loss(happened, np.clip(p, 1e-15, 1 - 1e-15)), abs=1e-9)
        bins = np.array_split(np.lexsort((part["security_id"], part["as_of_date"], p)), 10)
        ece = sum(len(b) * abs(p[b].mean() - happened[b].mean()) for b in bins) / len(p)
        assert row["ece"] == pytest.approx(ece, abs=1e-10)
