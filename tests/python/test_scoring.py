"""score_folds: every member row to the last date, by the fit in force, whatever the workers."""

from __future__ import annotations

import datetime as dt

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import synthetic_learning as synthetic

from kairos.errors import SpecError
from kairos.families import family_named
from kairos.kept import Kept
from kairos.panel import member_panel
from kairos.schemas import SCORES
from kairos.scoring import ranks_by_date, score_folds, served_rows

STARTS = (150, 220)
OUTPUTS = ("prob_up", "prob_flat", "prob_down", "q10", "q50", "q90")


@pytest.fixture(scope="module")
def learned():
    """Fits of three alphas on one market, as a relation beside the panel."""
    market = synthetic.make(sessions=300, names=12)
    specs = [
        synthetic.spec("a_ridge", "ridge", "regression"),
        synthetic.spec("b_logistic", "logistic", "classification"),
        synthetic.spec("c_xgboost", "xgboost", "classification"),
        synthetic.spec("d_multiclass", "logistic", "multiclass"),
        synthetic.spec("e_quantile", "xgboost", "quantile"),
    ]
    folds = [synthetic.fold(spec["alpha_name"], market["days"], start) for spec in specs for start in STARTS]
    params = [{"alpha_name": name, "param": "n_estimators", "value": "10"} for name in ("c_xgboost", "e_quantile")]
    made = synthetic.relations(market, specs, folds, params)
    return market | made | {"fits": synthetic.fits_of(made, ("ridge", "logistic", "xgboost"))}


def scores_of(learned, panel=None, kept=None):
    table = score_folds(learned["fits"], panel or learned["panel"], learned["specs"], kept)
    assert table.schema == SCORES
    return table


def test_scores_reach_the_last_date_labelled_or_not(learned):
    scores = scores_of(learned).to_pandas()
    for _, rows in scores.groupby("alpha_name", observed=True):
        assert len(rows) == (300 - STARTS[0]) * 12
        assert rows["as_of_date"].min() == learned["days"][STARTS[0]]
        assert rows["as_of_date"].max() == learned["days"][299]
        assert rows["score"].notna().all()
    assert scores["is_out_of_sample"].all()


def test_each_date_is_served_by_the_newest_fit_in_force(learned):
    scores = scores_of(learned).to_pandas()
    starts = [learned["days"][start] for start in STARTS]
    due = [starts[1] if date >= starts[1] else starts[0] for date in scores["as_of_date"]]
    assert scores["fold_id"].tolist() == [date.isoformat() for date in due]


def test_a_fit_serves_from_its_own_day_to_the_one_before_the_next():
    """Of two alphas; one row is served too, and a fit that begins after the last day serves none."""
    day = dt.date(1970, 1, 1)
    starts = [("a", 2), ("a", 4), ("a", 9), ("b", 4), ("b", 5)]
    fits = [{"alpha_name": alpha, "effective_date": day + dt.timedelta(days=start)} for alpha, start in starts]
    dates = np.array([1, 2, 3, 3, 4, 5, 5], dtype=np.int32)
    got = [(fits.index(fit), rows) for fit, rows in served_rows(fits, dates)]
    assert got == [(0, (1, 4)), (1, (4, 7)), (3, (4, 5)), (4, (5, 7))]


def test_scores_are_ordered_and_unique(learned):
    scores = scores_of(learned).to_pandas().astype({"alpha_name": str})
    keys = ["alpha_name", "as_of_date", "security_id"]
    assert scores[keys].equals(scores.sort_values(keys)[keys])
    assert not scores.duplicated(keys).any()


def test_ranks_are_those_of_pandas(learned):
    """Of every alpha and date, and of equal scores: the first of them in key order has the better place."""
    scores = scores_of(learned).to_pandas()
    by_date = scores.groupby(["alpha_name", "as_of_date"], observed=True)["score"]
    assert (scores["score_rank"] == by_date.rank(method="first", ascending=False)).all()
    assert (scores["scored_names"] == by_date.transform("size")).all()
    random = np.random.default_rng(3)
    dates, equal = np.sort(random.integers(0, 40, 500)), random.integers(-2, 3, 500) / 2
    frame = pd.DataFrame({"date": dates, "score": equal})
    places, names = ranks_by_date(dates, equal)
    assert (places == frame.groupby("date")["score"].rank(method="first", ascending=False)).all()
    assert (names == frame.groupby("date")["score"].transform("size")).all()


def test_probabilities_stand_where_they_mean_something(learned):
    scores = scores_of(learned).to_pandas()
    for name, rows in scores.groupby("alpha_name", observed=True):
        filled = set(rows.columns[rows.notna().all()]) & set(OUTPUTS)
        assert rows[list(set(OUTPUTS) - filled)].isna().all(axis=None)
        if name == "d_multiclass":
            assert filled == {"prob_up", "prob_flat", "prob_down"}
            np.testing.assert_allclose(rows[["prob_up", "prob_flat", "prob_down"]].sum(axis=1), 1, atol=1e-12)
            assert (rows["score"] == rows["prob_up"] - rows["prob_down"]).all()
        elif name == "e_quantile":
            assert filled == {"q10", "q50", "q90"}
            assert (rows["score"] == rows["q50"]).all()
            assert (rows["q10"] <= rows["q50"]).all() and (rows["q50"] <= rows["q90"]).all()
        elif name == "a_ridge":
            assert not filled
        else:
            assert filled == {"prob_up"}
            assert (rows["prob_up"] == rows["score"]).all()


def test_a_score_is_the_fit_applied_to_the_imputed_row(learned):
    """By hand for the last row: its NULLs replaced by the newest fit's medians, standardised, times coefficients."""
    fit = (
        learned["connection"]
        .sql("from fits where alpha_name = 'a_ridge' order by fold_id")
        .to_arrow_table()
        .to_pylist()[-1]
    )
    row = learned["panel"].to_arrow_table().to_pylist()[-1]
    values = [m if row[f] is None else row[f] for f, m in zip(fit["feature_names"], fit["medians"], strict=True)]
    estimator = family_named("ridge").deserialize(fit["estimator"])
    z = (np.array(values) - fit["scaler_mean"]) / fit["scaler_scale"]
    expected = float(z @ estimator.coef_ + estimator.intercept_)
    scores = scores_of(learned).to_pandas()
    got = scores[(scores["alpha_name"] == "a_ridge") & (scores["security_id"] == row["security_id"])]["score"].iloc[-1]
    assert got == pytest.approx(expected, rel=1e-12)


def test_scores_are_the_same_for_one_worker_and_two(learned, monkeypatch):
    monkeypatch.setenv("KAIROS_WORKERS", "1")
    one = scores_of(learned)
    monkeypatch.setenv("KAIROS_WORKERS", "2")
    assert scores_of(learned).equals(one)


def test_scores_of_a_shorter_panel_are_the_same_bits(learned):
    """Take the future away: what is left is unchanged."""
    cut = learned["days"][240]
    whole = scores_of(learned).to_pandas()
    shorter = scores_of(learned, learned["panel"].filter(f"as_of_date <= date '{cut}'")).to_pandas()
    kept = whole[whole["as_of_date"] <= cut].reset_index(drop=True)
    np.testing.assert_array_equal(shorter["score"], kept["score"])
    assert len(shorter) == len(kept)


def test_no_fits_give_an_empty_table(learned, capsys):
    none = learned["connection"].sql("from fits where false")
    assert score_folds(none, learned["panel"], learned["specs"]).num_rows == 0
    assert "no fits" in capsys.readouterr().err


def test_what_a_fit_said_of_the_same_values_is_kept(learned, tmp_path, monkeypatch, capsys):
    """A new day scores one fit per alpha; a value changed by the last bit scores its piece anew."""
    monkeypatch.setenv("KAIROS_WORKERS", "1")
    whole = scores_of(learned)
    scores_of(learned, learned["panel"].filter("session_index < 299"), Kept(tmp_path))
    assert scores_of(learned, kept=Kept(tmp_path)).equals(whole)
    assert scores_of(learned, kept=Kept(tmp_path)).equals(whole)
    changed = learned["panel"].project(
        "as_of_date, security_id, session_index, is_member, alpha_two, alpha_three,"
        " alpha_one * case when session_index = 160 and security_id = 7 then 1 + 3e-16 else 1 end as alpha_one"
    )
    assert scores_of(learned, changed, Kept(tmp_path)).equals(scores_of(learned, changed))
    assert scores_of(learned, kept=Kept(tmp_path, is_read=False)).equals(whole)
    said = [line.split("what ")[1] for line in capsys.readouterr().err.splitlines() if "score: " in line]
    assert said == [f"{n} of them say is as it was" for n in (0, 0, 5, 10, 5, 0, 0)]


def test_values_that_several_alphas_are_asked_about_are_digested_once(learned, tmp_path, monkeypatch):
    monkeypatch.setenv("KAIROS_WORKERS", "1")
    digested = []
    monkeypatch.setattr("kairos.scoring._digest_of_values", lambda question: digested.append(question) or "the same")
    scores_of(learned, kept=Kept(tmp_path))
    assert len(digested) == len(STARTS)  # five alphas on one set of features
    assert scores_of(learned, kept=Kept(tmp_path)).equals(scores_of(learned))


def test_kept_scores_of_another_fit_are_not_taken(learned, tmp_path, monkeypatch):
    monkeypatch.setenv("KAIROS_WORKERS", "1")
    scores_of(learned, kept=Kept(tmp_path))
    swapped = learned | {"fits": learned["fits"].project("* replace (md5(fit_id) as fit_id)")}
    assert scores_of(swapped, kept=Kept(tmp_path)).equals(scores_of(swapped))
    monkeypatch.setattr("kairos.scoring.code_version", lambda family: "another")
    monkeypatch.setattr("kairos.scoring.score_one", lambda task: pytest.fail("scored"))
    with pytest.raises(pytest.fail.Exception):
        scores_of(swapped, kept=Kept(tmp_path))


def test_the_panel_is_of_members_in_order_with_the_features_that_are_asked_for():
    """Of active alphas and of the bundles; a feature nobody asks for and a name that is no member stay out."""
    connection = duckdb.connect()
    connection.execute(
        """create table features as select date '2020-01-02' + (i // 3)::integer as as_of_date,
        3 - i % 3 as security_id, i <> 4 as is_member, timestamp '2020-01-02 21:00:00' as decided_at, i::double as f,
        2.0 * i as g, 3.0 * i as h, 4.0 * i as k from range(9) as r (i) order by security_id, as_of_date"""
    )
    connection.execute(
        """create table sessions as select date '2020-01-02' + i::integer as session_date, 10 + i as session_index
        from range(5) as r (i)"""
    )
    specs = [{"alpha_name": name, "feature_set": name, "is_active": name == "a"} for name in "ab"]
    sets = [{"feature_set": "a", "feature_name": "g"}, {"feature_set": "b", "feature_name": "h"}]
    tables = {"specs": specs, "sets": sets, "members": [{"factor_name": "f"}]}
    for name, rows in tables.items():
        connection.register(name, pa.Table.from_pylist(rows))
    panel = member_panel(*(connection.table(name) for name in ("features", "sessions", "specs", "sets", "members")))
    assert panel.columns == ["as_of_date", "security_id", "session_index", "is_member", "decided_at", "f", "g"]
    found = [(row[1], row[2], row[5], row[6]) for row in panel.fetchall()]
    days = [(3 - i % 3, 10 + i // 3, float(i), 2.0 * i) for i in (2, 1, 0, 5, 3, 8, 7, 6)]
    assert found == days
    missing = connection.table("features").project("* exclude (f)")
    with pytest.raises(SpecError, match="names f, which no family computes"):
        member_panel(missing, *(connection.table(name) for name in ("sessions", "specs", "sets", "members")))
