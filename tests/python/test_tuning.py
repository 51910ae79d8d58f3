"""Studies of parameters: inside the training window, purged, the same whatever the workers, kept and gone on with."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pyarrow as pa
import pytest
import synthetic_learning as synthetic
from scipy.stats import spearmanr

from kairos import state, tuning
from kairos.errors import SpecError, StateError
from kairos.families import FAMILIES
from kairos.fitting import fit_folds
from kairos.schemas import TUNING_TRIALS

NAMES = ("panel", "labels", "folds", "specs", "params", "feature_sets")
STARTS = (240, 290)
TRIALS = 14  # ten at random, the sampler's from then on; pruning from the sixth


@pytest.fixture(scope="module")
def market() -> dict:
    return synthetic.make(sessions=300, names=20)


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """One worker, so that what is run can be counted."""
    monkeypatch.setenv("KAIROS_WORKERS", "1")


def tune(market, place, starts=STARTS, family="ridge", task="regression", folds=None, **changes) -> list[dict]:
    spec = synthetic.spec("an_alpha", family, task, **{"tune_trials": TRIALS} | changes)
    folds = folds or [synthetic.fold("an_alpha", market["days"], start) for start in starts]
    made = synthetic.relations(market, [spec], folds)
    return fit_folds(family, **{name: made[name] for name in NAMES}, state=place).to_pylist()


def trials_of(place) -> list[dict]:
    rows = state.read(place, tuning.FOLDER, TUNING_TRIALS).to_pylist()
    return sorted(rows, key=lambda row: (row["fold_id"], row["trial_number"]))


@pytest.fixture
def judged(monkeypatch) -> list[dict]:
    """Tasks of inner folds that were fitted, in order."""
    seen: list[dict] = []
    judge_one = tuning.judge_one

    def watching(task):
        seen.append(task)
        return judge_one(task)

    monkeypatch.setattr(tuning, "judge_one", watching)
    return seen


# --- what a trial may see


def test_inner_folds_are_purged(market, tmp_path, monkeypatch):
    """No label that a trial learns from ends in the block it is judged on, or after; all lie before the test start."""
    windows = []
    training_rows = tuning.training_rows

    def watching(files, spec, fold, features):
        rows = training_rows(files, spec, fold, features)
        windows.append((fold, rows))
        return rows

    monkeypatch.setattr(tuning, "training_rows", watching)
    tune(market, tmp_path, starts=[240], tune_trials=1)
    pairs = windows[-2 * tuning.INNER_FOLDS :]
    days = [(day - dt.date(1970, 1, 1)).days for day in market["days"]]
    place = {day: index for index, day in enumerate(days)}
    for (_, learned), (_, judge) in zip(pairs[::2], pairs[1::2], strict=True):
        last, first = place[learned.dates[-1]], place[judge.dates[0]]
        assert last + synthetic.LAG + synthetic.HORIZON < first
        assert last + synthetic.LAG + synthetic.HORIZON >= first - synthetic.STRIDE - 1, "and no more is left out"
        assert place[judge.dates[-1]] + synthetic.LAG + synthetic.HORIZON < 240
    blocks = [set(judge.dates) for _, judge in pairs[1::2]]
    assert not any(blocks[i] & blocks[j] for i in range(3) for j in range(i))
    assert sum(map(len, blocks)) == len([i for i in range(0, 240, 5) if i + 6 < 240]) // 2


def test_a_study_does_not_change_with_anything_after_its_training_window(market, tmp_path):
    """Features and labels from the last training row on may be anything: the trials are the same to the bit."""
    tune(market, tmp_path / "whole", starts=[240])
    rng = np.random.default_rng(5)
    panel, labels = market["panel"].to_pandas(), market["labels"].to_pandas()
    later = (panel["session_index"] >= 240 - synthetic.LAG - synthetic.HORIZON).to_numpy()
    for name in synthetic.FEATURES:
        panel.loc[later, name] = rng.normal(size=later.sum()) * 100
    labels.loc[later, "fwd_ret_5d"] = -panel.loc[later, "alpha_one"]
    changed = market | {
        "panel": pa.Table.from_pandas(panel, schema=market["panel"].schema, preserve_index=False),
        "labels": pa.Table.from_pandas(labels, schema=market["labels"].schema, preserve_index=False),
    }
    tune(changed, tmp_path / "changed", starts=[240])
    assert trials_of(tmp_path / "changed") == trials_of(tmp_path / "whole")


def test_the_calibration_slice_is_not_read(market, tmp_path, judged):
    """Of a calibrated alpha the study ends where the estimator's own rows end."""
    days = market["days"]
    calibrated = {"calibration_start_date": days[200], "base_before_index": 194}
    folds = [synthetic.fold("an_alpha", days, 240, **calibrated)]
    tune(market, tmp_path, family="logistic", task="classification", calibration="platt", folds=folds, tune_trials=1)
    assert {task["judged"]["labels_settled_before_date"] for task in judged} == {days[200]}
    assert max(task["judged"]["train_before_index"] for task in judged) == 194


def test_the_embargo_holds_inside_too(market, tmp_path, judged):
    days = market["days"]
    fold = synthetic.fold("an_alpha", days, 240, train_before_index=240 - 6 - 10, labels_settled_before_date=days[230])
    tune(market, tmp_path, folds=[fold], embargo_sessions=10, tune_trials=1)
    for task in judged:
        begins = days.index(task["judged"]["window_start_date"])
        assert task["learn"]["train_before_index"] == begins - 6 - 10
        assert days.index(task["learn"]["labels_settled_before_date"]) == begins - 10


# --- what comes of it


def test_the_best_trial_is_what_is_fitted(market, tmp_path):
    fits = tune(market, tmp_path)
    for fit in fits:
        trials = [row for row in trials_of(tmp_path) if row["fold_id"] == fit["fold_id"]]
        assert len(trials) == TRIALS
        complete = [row for row in trials if row["status"] == "complete"]
        best = max(complete, key=lambda row: row["mean_rank_ic"])
        assert json.loads(fit["params"]) == json.loads(best["params"]) | {"seed": 7}
        assert {row["study_id"] for row in trials} == {fit["study_id"]}
        for row in complete:
            assert row["mean_rank_ic"] == pytest.approx(np.mean(row["inner_rank_ics"]))
        low, high, _ = FAMILIES["ridge"].space["alpha"]
        assert all(low <= json.loads(row["params"])["alpha"] <= high for row in trials)


def test_a_trial_that_is_worse_than_most_is_ended_early(market, tmp_path):
    tune(market, tmp_path, tune_trials=24)
    trials = trials_of(tmp_path)
    assert {row["status"] for row in trials} == {"complete", "pruned"}
    for row in trials:
        batch = row["trial_number"] // 4 * 4
        earlier = [r for r in trials if r["fold_id"] == row["fold_id"] and r["trial_number"] < batch]
        complete = [r["inner_rank_ics"] for r in earlier if r["status"] == "complete"]
        ics = row["inner_rank_ics"]
        is_behind = [
            len(complete) >= 5 and max(ics[: step + 1]) < np.median([other[step] for other in complete])
            for step in range(min(len(ics), tuning.INNER_FOLDS - 1))
        ]
        assert is_behind.index(True) == len(ics) - 1 if row["status"] == "pruned" else not any(is_behind)
        assert (row["mean_rank_ic"] is None) == (row["status"] == "pruned")


def test_a_trials_value_is_spearmans_of_each_date():
    rng = np.random.default_rng(0)
    dates = np.repeat([1, 2, 3], [9, 1, 12])
    score, y = rng.normal(size=22).round(1), rng.integers(0, 2, 22).astype(float)
    expected = [spearmanr(score[dates == date], y[dates == date]).statistic for date in (1, 3)]
    assert tuning.mean_rank_ic(dates, score, y) == pytest.approx((expected[0] + 0 + expected[1]) / 3)


# --- the same again


def test_workers_do_not_matter(market, tmp_path, monkeypatch):
    one = tune(market, tmp_path / "one")
    monkeypatch.setenv("KAIROS_WORKERS", "2")
    assert tune(market, tmp_path / "two") == one
    assert trials_of(tmp_path / "two") == trials_of(tmp_path / "one")


def test_another_batch_or_seed_is_another_study(market, tmp_path):
    studies = {
        fit["study_id"] for changes in ({}, {"tune_batch": 2}, {"seed": 8}) for fit in tune(market, tmp_path, **changes)
    }
    assert len(studies) == 3 * len(STARTS)


def test_a_finished_study_is_read_and_never_run_again(market, tmp_path, judged):
    first = tune(market, tmp_path)
    files = sorted((tmp_path / tuning.FOLDER).iterdir())
    ran = len(judged)
    assert ran >= 2 * TRIALS
    assert tune(market, tmp_path) == first
    assert len(judged) == ran
    assert sorted((tmp_path / tuning.FOLDER).iterdir()) == files
    longer = synthetic.make(sessions=300, names=20)
    assert tune(longer, tmp_path, starts=STARTS[:1]) == first[:1]
    assert len(judged) == ran


def test_a_study_that_was_cut_off_goes_on_where_it_stopped(market, tmp_path, judged, monkeypatch):
    whole = tune(market, tmp_path / "whole", starts=[240])
    inside = len(judged)
    judged.clear()
    judge_one = tuning.judge_one

    def fails_later(task):
        if len(judged) >= inside // 2:
            raise RuntimeError("power cut")
        return judge_one(task)

    with monkeypatch.context() as cut:
        cut.setattr(tuning, "judge_one", fails_later)
        with pytest.raises(RuntimeError, match="power cut"):
            tune(market, tmp_path / "cut", starts=[240])
    kept = trials_of(tmp_path / "cut")
    assert 0 < len(kept) < TRIALS
    judged.clear()
    assert tune(market, tmp_path / "cut", starts=[240]) == whole
    assert trials_of(tmp_path / "cut") == trials_of(tmp_path / "whole")
    assert len(judged) == inside - sum(len(row["inner_rank_ics"]) for row in kept)


def test_more_trials_go_on_with_the_study(market, tmp_path, judged):
    tune(market, tmp_path / "more", starts=[240], tune_trials=6)
    tune(market, tmp_path / "more", starts=[240])
    tune(market, tmp_path / "whole", starts=[240])
    assert trials_of(tmp_path / "more") == trials_of(tmp_path / "whole")


def test_other_training_rows_are_another_study(market, tmp_path):
    (first,) = tune(market, tmp_path, starts=[240], tune_trials=2)
    labels = market["labels"].to_pandas()
    labels.loc[100 * 20, "fwd_ret_5d"] += 1e-9
    changed = market | {"labels": pa.Table.from_pandas(labels, schema=market["labels"].schema, preserve_index=False)}
    (second,) = tune(changed, tmp_path, starts=[240], tune_trials=2)
    assert first["study_id"] != second["study_id"]
    assert len(trials_of(tmp_path)) == 4


# --- what cannot be


def test_a_record_that_was_changed_is_refused(market, tmp_path):
    tune(market, tmp_path, starts=[240], tune_trials=2)
    rows = trials_of(tmp_path)
    for file in (tmp_path / tuning.FOLDER).iterdir():
        file.unlink()
    rows[1]["params"] = json.dumps({"alpha": 5.0})
    state.append(tmp_path, tuning.FOLDER, pa.Table.from_pylist(rows, schema=TUNING_TRIALS))
    with pytest.raises(StateError, match=r"trial 1 of study \w+ is recorded otherwise than the study asks"):
        tune(market, tmp_path, starts=[240], tune_trials=2)


def test_a_window_too_short_to_be_divided_is_not_tuned_and_says_so(market, tmp_path):
    (fit,) = tune(market, tmp_path, starts=[45])
    assert fit["study_id"] is None
    assert fit["warning"] == "not tuned: an inner fold of 80 training rows"
    assert json.loads(fit["params"]) == FAMILIES["ridge"].defaults | {"seed": 7}
    assert trials_of(tmp_path) == []


def test_a_family_without_parameters_cannot_be_tuned(market, tmp_path):
    with pytest.raises(SpecError, match="family 'linear' has nothing to tune"):
        tune(market, tmp_path, family="linear")


def test_a_tuned_spec_needs_a_state(market):
    with pytest.raises(SpecError, match="an_alpha is tuned, which needs a state"):
        tune(market, None)


@pytest.mark.parametrize("name", FAMILIES)
def test_search_spaces_are_of_parameters_the_family_has(name):
    family = FAMILIES[name]
    for param, (low, high, *scale) in family.space.items():
        assert type(low) is type(high) is type(family.defaults[param]), param
        assert low < high
        assert scale in ([], ["log"])
        assert scale == [] or low > 0


def test_the_space_of_xgboost_is_the_documents():
    """Ranges of the fourth reference document."""
    ranges = {name: (low, high) for name, (low, high, *_) in FAMILIES["xgboost"].space.items()}
    assert ranges == {
        "n_estimators": (100, 500),
        "max_depth": (3, 10),
        "learning_rate": (0.01, 0.2),
        "subsample": (0.6, 1.0),
        "colsample_bytree": (0.6, 1.0),
        "min_child_weight": (1, 10),
    }
