"""kairos.explain: contributions add up and follow closed forms, permutation and marginal against scipy, per fit."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pytest
import synthetic_learning as synthetic
import xgboost as xgb
from scipy import stats
from scipy.special import expit

from kairos import explain
from kairos.families import CLASSES, family_named
from kairos.fitting import TrainingRows, fit_rows
from kairos.kept import Kept
from kairos.schemas import IMPORTANCES

STARTS = (150, 220)
ROWS, NAMES = 300, ["first", "second", "third", "void"]
MANY = {"n_estimators": "12", "min_child_samples": "5"}
FAMILIES = [
    (family, task)
    for family in ("linear", "ridge", "lasso", "elastic_net", "logistic", "xgboost", "lightgbm", "random_forest")
    for task in family_named(family).tasks
]
EXACT = [(family, task) for family, task in FAMILIES if family != "random_forest"]


def data(task: str) -> tuple[np.ndarray, np.ndarray]:
    """X (rows, 4) with gaps, the last column empty; y that rises with the first and falls with the second."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, 4))
    y = X[:, 0] - 0.4 * X[:, 1] + 0.1 * X[:, 0] * X[:, 2] + 0.5 * rng.normal(size=ROWS)
    X[rng.random(ROWS) < 0.1, 1] = np.nan
    X[:, 3] = np.nan
    classes = CLASSES.get(task)
    return X, np.digitize(y, [0] if classes == 2 else [-0.5, 0.5]).astype(float) if classes else y


def model_of(family: str, task: str) -> tuple[explain.Model, np.ndarray]:
    """A fit of data(), read back from its bytes as from a row of ml_fits, and X of the kept features."""
    X, y = data(task)
    algorithm = family_named(family)
    given = {name: value for name, value in MANY.items() if name in algorithm.defaults}
    rows = TrainingRows(np.arange(ROWS), np.arange(ROWS), X, y, NAMES)
    preparation, fitted = fit_rows(algorithm, task, algorithm.typed_params(given, "a"), 7, rows)
    fit = {
        "task": task,
        "family": family,
        "estimator": algorithm.serialize(fitted),
        "feature_names": preparation.features,
        "dropped_features": preparation.dropped,
        "medians": preparation.medians,
        "scaler_mean": preparation.mean,
        "scaler_scale": preparation.scale,
    }
    return explain.Model(fit), X[:, :3]


def margin(model: explain.Model, X: np.ndarray) -> np.ndarray:
    """The sum before any link, as the library itself gives it."""
    prepared, fitted, task = model.preparation.apply(X), model.fitted, model.task
    if isinstance(fitted, xgb.Booster):
        said = fitted.predict(xgb.DMatrix(prepared.astype(np.float32)), output_margin=True)
    elif isinstance(fitted, list) and isinstance(fitted[0], lgb.Booster):
        said = np.column_stack([booster.predict(prepared, raw_score=True) for booster in fitted])
        said = said[:, 0] if said.shape[1] == 1 else said
    else:
        said = fitted.decision_function(prepared) if hasattr(fitted, "decision_function") else fitted.predict(prepared)
    if task == "multiclass":
        return said[:, 2] - said[:, 0]
    return said[:, 1] if task == "quantile" else said


@pytest.mark.parametrize(("family", "task"), EXACT)
def test_contributions_add_up_to_the_margin(family, task):
    model, X = model_of(family, task)
    parts = model.contributions(X)
    assert parts.shape == (ROWS, 4)
    np.testing.assert_allclose(parts.sum(axis=1), margin(model, X), rtol=1e-4, atol=2e-5)
    if task == "classification":
        np.testing.assert_allclose(expit(parts.sum(axis=1)), model.score(X), rtol=1e-4, atol=1e-5)
    if task == "regression":
        np.testing.assert_allclose(parts.sum(axis=1), model.score(X), rtol=1e-4, atol=2e-5)


def test_every_kind_of_estimator_is_explained_or_says_that_it_is_not():
    for family, task in FAMILIES:
        model, X = model_of(family, task)
        assert (model.contributions(X) is None) == (family == "random_forest")
    with pytest.raises(TypeError, match="register one"):
        explain.contributions(object(), "regression", np.zeros((1, 1)))


def test_linear_contributions_are_what_a_row_is_above_the_mean_row():
    """Closed form for features that move apart: coefficient times the distance from the training mean."""
    model, X = model_of("ridge", "regression")
    filled = np.where(np.isnan(X), model.preparation.medians, X)
    coefficients = model.fitted.coef_ / model.preparation.scale
    np.testing.assert_allclose(model.contributions(X)[:, :3], (filled - filled.mean(axis=0)) * coefficients, atol=1e-12)


def shapley_of_trees(booster: xgb.Booster, x: np.ndarray) -> np.ndarray:
    """Shapley values of one row by their definition: over all subsets of known features, each tree's mean over the
    training rows (cover) that go its way where a feature is unknown."""
    trees = booster.trees_to_dataframe().set_index("ID")

    def value(node: str, known: frozenset[int]) -> float:
        row = trees.loc[node]
        if row["Feature"] == "Leaf":
            return row["Gain"]
        j = int(row["Feature"][1:])
        if j in known:
            return value(row["Yes"] if np.float32(x[j]) < np.float32(row["Split"]) else row["No"], known)
        yes, no = trees.loc[row["Yes"], "Cover"], trees.loc[row["No"], "Cover"]
        return (value(row["Yes"], known) * yes + value(row["No"], known) * no) / (yes + no)

    roots = [node for node in trees.index if node.endswith("-0")]
    worth = {
        known: sum(value(root, known) for root in roots)
        for known in (frozenset(j for j in range(3) if mask >> j & 1) for mask in range(8))
    }
    # of three features: orders in which j comes after exactly these
    share = {0: 1 / 3, 1: 1 / 6, 2: 1 / 3}
    return np.array([sum(share[len(k)] * (worth[k | {j}] - worth[k]) for k in worth if j not in k) for j in range(3)])


def test_contributions_of_trees_are_shapley_values_by_their_definition():
    model, X = model_of("xgboost", "regression")
    prepared, parts = model.preparation.apply(X), model.contributions(X)
    for row in (0, 7, 100):
        np.testing.assert_allclose(parts[row, :3], shapley_of_trees(model.fitted, prepared[row]), rtol=1e-3, atol=1e-5)


def test_directions_are_the_signs_of_the_coefficients():
    model, X = model_of("ridge", "regression")
    got = explain.shap_columns(model, X, np.random.default_rng(0))
    assert got["shap_rows"] == explain.SHAP_ROWS
    assert got["shap_share"].sum() == pytest.approx(1)
    np.testing.assert_allclose(got["shap_direction"], np.sign(model.fitted.coef_), atol=1e-12)
    assert got["mean_abs_shap"].argmax() == 0


def test_a_feature_the_fit_does_not_use_loses_nothing_when_permuted():
    model, X = model_of("ridge", "regression")
    model.fitted.coef_ = np.array([0.3, 0.0, 0.0])
    rng = np.random.default_rng(2)
    dates = np.repeat(np.arange(6), ROWS // 6)
    realized = X[:, 0] + 0.1 * rng.normal(size=ROWS)
    realized[dates == 5] = np.nan
    got = explain.permutation_columns(model, X, dates, realized, 20, rng)
    assert got["permuted_rows"] == 5 * (ROWS // 6)
    expected = np.mean([stats.spearmanr(X[dates == d, 0], realized[dates == d]).statistic for d in range(5)])
    assert got["permutation_rank_ic"] == pytest.approx(expected, abs=1e-12)
    assert got["permutation_drop"][1:].tolist() == [0, 0]
    assert got["permutation_drop"][0] == pytest.approx(expected, abs=0.2)


def test_permuted_values_stay_with_their_date():
    """The feature is the date: permuting within dates changes nothing."""
    model, X = model_of("ridge", "regression")
    dates = np.repeat(np.arange(6), ROWS // 6)
    X = np.column_stack([dates * 1.0, np.random.default_rng(0).normal(size=(ROWS, 2))])
    got = explain.permutation_columns(model, X, dates, X[:, 1], 20, np.random.default_rng(1))
    assert got["permutation_drop"][0] == 0
    assert got["permutation_drop"][1] != 0


@pytest.fixture(scope="module")
def learned():
    """Fits of two alphas on one market, as a relation beside the panel, and their rows of IMPORTANCES."""
    market = synthetic.make(sessions=300, names=24)
    specs = [
        synthetic.spec("a_ridge", "ridge", "regression"),
        synthetic.spec("b_forest", "random_forest", "regression"),
        synthetic.spec("c_xgboost", "xgboost", "classification"),
    ]
    folds = [synthetic.fold(spec["alpha_name"], market["days"], start) for spec in specs for start in STARTS]
    params = [{"alpha_name": name, "param": "n_estimators", "value": "10"} for name in ("b_forest", "c_xgboost")]
    made = synthetic.relations(market, specs, folds, params)
    return market | made | {"fits": synthetic.fits_of(made, ("ridge", "random_forest", "xgboost"))}


def importances_of(learned, labels=None, kept=None):
    relations = (learned["fits"], learned["panel"], labels or learned["labels"], learned["specs"])
    table = explain.importances(*relations, {"min_cross_section": "20"}, kept)
    assert table.schema == IMPORTANCES
    return table


def test_every_fit_and_feature_has_its_row_and_the_planted_one_stands_out(learned):
    got = importances_of(learned).to_pandas()
    assert len(got) == 3 * 2 * 3
    assert got["shap_rows"].where(got["alpha_name"] != "b_forest").dropna().eq(explain.SHAP_ROWS).all()
    for (alpha, _), rows in got.groupby(["alpha_name", "fold_id"]):
        rows = rows.set_index("feature_name")
        assert rows["permutation_drop"].idxmax() == "alpha_one"
        assert rows["marginal_rank_ic"].idxmax() == "alpha_one"
        if alpha == "b_forest":
            assert rows["mean_abs_shap"].isna().all()
        else:
            assert rows["mean_abs_shap"].idxmax() == "alpha_one"
            assert rows.loc["alpha_one", "shap_direction"] > 0.7


def test_the_feature_by_itself_is_scipys_over_the_dates_the_fit_served(learned):
    got = importances_of(learned).to_pandas()
    frame = learned["panel"].df().merge(learned["labels"].df(), on=["as_of_date", "security_id"])
    frame = frame[(frame["session_index"] % explain.EVERY_SESSIONS == 0) & frame["fwd_ret_5d"].notna()]
    for start, stop in ((STARTS[0], STARTS[1]), (STARTS[1], 300)):
        window = frame[(frame["session_index"] >= start) & (frame["session_index"] < stop)]
        ics = [
            stats.spearmanr(day["alpha_two"], day["fwd_ret_5d"]).statistic for _, day in window.groupby("as_of_date")
        ]
        rows = got[(got["feature_name"] == "alpha_two") & (got["fold_id"] == learned["days"][start].isoformat())]
        assert rows["marginal_dates"].eq(len(ics)).all()
        np.testing.assert_allclose(rows["marginal_rank_ic"], np.mean(ics), atol=1e-12)


def test_what_is_not_settled_is_explained_without_returns(learned):
    """A fit that has served only dates without a return yet: contributions, and no permutation."""
    last = learned["days"][STARTS[1] + 2]
    labels = learned["connection"].sql(
        f"select * replace (case when as_of_date < date '{learned['days'][STARTS[1]]}'"
        " then fwd_ret_5d end as fwd_ret_5d) from labels"
    )
    relations = (learned["fits"], learned["panel"].filter(f"as_of_date <= date '{last}'"), labels, learned["specs"])
    got = explain.importances(*relations, {"min_cross_section": "20"}).to_pandas()
    newest = got[(got["fold_id"] == learned["days"][STARTS[1]].isoformat()) & (got["alpha_name"] == "a_ridge")]
    assert newest["mean_abs_shap"].notna().all()
    assert newest[["permutation_drop", "marginal_rank_ic"]].isna().all(axis=None)
    assert newest[["permuted_rows", "marginal_dates"]].eq(0).all(axis=None)


def test_the_same_fits_are_explained_the_same_whatever_the_workers(learned, monkeypatch):
    monkeypatch.setenv("KAIROS_WORKERS", "1")
    alone = importances_of(learned)
    monkeypatch.setenv("KAIROS_WORKERS", "2")
    assert importances_of(learned).equals(alone)


def test_what_was_found_of_the_same_fit_and_values_is_kept(learned, tmp_path, monkeypatch, capsys):
    """A return that comes in later is asked about anew, of the fits whose window it is in."""
    monkeypatch.setenv("KAIROS_WORKERS", "1")
    whole = importances_of(learned)
    for _ in range(2):
        assert importances_of(learned, kept=Kept(tmp_path)).equals(whole)
    changed = learned["connection"].sql(
        f"select * replace (case when as_of_date = date '{learned['days'][155]}' then fwd_ret_5d + 1e-9"
        " else fwd_ret_5d end as fwd_ret_5d) from labels"
    )
    assert importances_of(learned, changed, Kept(tmp_path)).equals(importances_of(learned, changed))
    assert importances_of(learned, kept=Kept(tmp_path, is_read=False)).equals(whole)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("explain: ")]
    assert [line.split("; ")[1] for line in lines] == [
        f"what was found of {count} is as it was" for count in (0, 0, 6, 3, 0, 0)
    ]


def test_no_fits_no_rows(learned):
    assert explain.importances(
        learned["fits"].filter("false"),
        learned["panel"],
        learned["labels"],
        learned["specs"],
        {"min_cross_section": 20},
    ).equals(IMPORTANCES.empty_table())
