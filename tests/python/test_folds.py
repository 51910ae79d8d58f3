"""ml_folds against a brute-force reading of the rules: purge, embargo, thinning, what is settled, who is skipped."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
import sql_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from synthetic_learning import business_days

CALENDAR = business_days(1100, dt.date(2012, 12, 3))
MONTH_STARTS = {}
for position, day in enumerate(CALENDAR):
    MONTH_STARTS.setdefault((day.year, day.month), position)
# an alpha of plain folds; tests say in what theirs differs
SPEC = {
    "task": "regression",
    "horizon_days": 5,
    "train_window": "expanding",
    "train_months": 6,
    "test_months": 6,
    "step_months": 6,
    "embargo_sessions": 0,
    "train_every_sessions": 1,
    "min_training_rows": 1,
}


def add_months(year: int, month: int, months: int) -> tuple[int, int]:
    """(year, month) so many months later."""
    whole = year * 12 + month - 1 + months
    return whole // 12, whole % 12 + 1


def make_market(rng: np.random.Generator, first: int, last: int, names: int, horizon: int, lag: int) -> pd.DataFrame:
    """Members from session `first` to `last` with a 5-session style label; some never settle, some settle late or, as
    events do, early."""
    rows = []
    for session in range(first, last + 1):
        for security in range(names):
            if rng.random() < 0.1:
                continue
            exit_index = session + lag + horizon
            late = rng.choice([-3, 0, 0, 0, 0, 0, 0, 3, 40])
            is_settled = exit_index + late <= last and rng.random() > 0.05
            is_labelled = is_settled and rng.random() > 0.03  # a date with few names has returns and no classes
            rows.append(
                {
                    "session_index": session,
                    "as_of_date": CALENDAR[session],
                    "security_id": security,
                    "label": float(rng.integers(0, 2)) if is_labelled else np.nan,
                    "label_end_date": CALENDAR[exit_index + late] if is_settled else None,
                }
            )
    return pd.DataFrame(rows)


def build_folds(market: pd.DataFrame, spec: dict, lag: int) -> list[dict]:
    """ml_folds of one alpha, by the project's SQL."""
    horizon = spec["horizon_days"]
    connection = sql_model.database(__name__)
    sessions = pd.DataFrame({"session_date": CALENDAR, "session_index": range(len(CALENDAR))})
    sessions["previous_session_date"] = [None, *CALENDAR[:-1]]
    label = {"multiclass": "updown", "regression": "fwd_ret"}.get(spec["task"], "outperform")
    folding = {"n_splits": None, "retrain": "scheduled", "calibration": "none"} | spec
    specs = pd.DataFrame([folding | {"alpha_name": "a", "label": f"{label}_{horizon}d", "is_active": True}])
    members = market.assign(is_member=True)
    labels = market[["as_of_date", "security_id"]].copy()
    for h in (5, 20):
        is_own = h == horizon
        labels[f"label_end_date_{h}d"] = market["label_end_date"] if is_own else None
        for name in ("fwd_ret", "outperform", "updown"):
            labels[f"{name}_{h}d"] = (market["label"] - (2 if name == "fwd_ret" else 0)) if is_own else np.nan
    for name, frame in {
        "int_sessions": sessions,
        "alpha_specs": specs,
        "int_universe": pd.concat([pd.DataFrame({"as_of_date": [CALENDAR[0]], "is_member": False}), members]),
        "ml_panel": members,
        "labels": labels,
    }.items():
        connection.register("frame", frame)
        dated = [c for c in frame.columns if c.endswith("_date") or c.startswith("label_end_date")]
        casts = ", ".join(f"{c}::date as {c}" for c in dated)
        connection.execute(
            f"create or replace table {name} as select * replace ({casts}) from frame"
            if dated
            else f"create or replace table {name} as from frame"
        )
    for column in ("net_logret_10d", "label_end_date_event_10d"):
        kind = "date" if "date" in column else "double"
        connection.execute(f"alter table labels add column {column} {kind}")
    variables = {"label_names": ["fwd_ret", "outperform", "updown"], "event_labels": ["net_logret_10d"]}
    variables |= {"label_horizons": [5, 20], "entry_lag_sessions": lag, "folds_start_date": "2013-01-15"}
    for model in ("ml_training_rows", "ml_folds", "ml_fold_members"):
        sql_model.run(connection, f"ml/{model}", **variables)
    disagree = (sql_model.ROOT / "tests/ml/assert_fold_members_are_the_rows_that_folds_count.sql").read_text()
    assert connection.sql(sql_model.rendered(disagree)).fetchall() == []
    return connection.table("ml_folds").to_arrow_table().to_pylist()


def expected_folds(market: pd.DataFrame, spec: dict, lag: int) -> list[dict]:
    """The same by looking at every row for every fold."""
    found = []
    first_date, last_date = market["as_of_date"].min(), market["as_of_date"].max()
    for k in range(60):
        year, month = add_months(2013, 1, spec["train_months"] + k * spec["step_months"])
        if (year, month) not in MONTH_STARTS:
            break
        start = MONTH_STARTS[year, month]
        fitted = [position for position, fold in enumerate(found) if fold["status"] == "fitted"]
        if not first_date < CALENDAR[start] <= last_date or (fitted and len(found) - fitted[0] == spec["n_splits"]):
            continue
        window = add_months(year, month, -spec["train_months"]) if spec["train_window"] == "rolling" else (2013, 1)
        test_end = MONTH_STARTS[add_months(year, month, spec["test_months"])] - 1
        counts = dict.fromkeys(("purged", "embargoed", "unlabelled", "calibration_purged"), 0)
        left = []
        for row in market.itertuples():
            if row.session_index % spec["train_every_sessions"] or row.session_index < MONTH_STARTS[window]:
                continue
            if row.session_index >= start:
                continue
            label_end = row.session_index + lag + spec["horizon_days"]
            if label_end >= start:
                counts["purged"] += 1
            elif label_end >= start - spec["embargo_sessions"]:
                counts["embargoed"] += 1
            elif np.isnan(row.label) or row.label_end_date >= CALENDAR[start - spec["embargo_sessions"]]:
                counts["unlabelled"] += 1
            else:
                left.append(row)
        slice_dates = sorted({row.as_of_date for row in left})
        slice_dates = slice_dates[len(slice_dates) - len(slice_dates) // 5 :] if spec["calibration"] != "none" else []
        trained, held = [], []
        for row in left:
            if slice_dates and row.as_of_date >= slice_dates[0]:
                held.append(row)
            elif slice_dates and (
                CALENDAR[row.session_index + lag + spec["horizon_days"]] >= slice_dates[0]
                or row.label_end_date >= slice_dates[0]
            ):
                counts["calibration_purged"] += 1
            else:
                trained.append(row)
        trained_dates = [row.as_of_date for row in trained]
        is_fitted = len(trained) >= spec["min_training_rows"] and len({row.label for row in trained}) == 2
        if spec["calibration"] != "none":
            is_fitted &= len({row.label for row in held}) == 2
        if spec["retrain"] == "none" and fitted:
            is_fitted = False
        found.append(
            {
                "fold_id": f"{year:04}-{month:02}-01",
                "test_start_date": CALENDAR[start],
                "test_end_date": CALENDAR[test_end],
                "train_rows": len(trained),
                "calibration_rows": len(held),
                "calibration_purged_rows": counts["calibration_purged"],
                "calibration_start_date": slice_dates[0] if slice_dates else None,
                "purged_rows": counts["purged"],
                "embargoed_rows": counts["embargoed"],
                "unlabelled_rows": counts["unlabelled"],
                "train_end_date": max(trained_dates, default=None),
                "train_start_date": min(trained_dates, default=None),
                "status": "fitted" if is_fitted else "skipped",
            }
        )
    return found


specs = st.fixed_dictionaries(
    {
        "task": st.just("classification"),
        "horizon_days": st.sampled_from([5, 20]),
        "train_window": st.sampled_from(["expanding", "rolling"]),
        "train_months": st.sampled_from([3, 6, 12]),
        "test_months": st.sampled_from([1, 3, 6]),
        "step_months": st.sampled_from([1, 3, 6]),
        "embargo_sessions": st.sampled_from([0, 1, 4, 10]),
        "train_every_sessions": st.sampled_from([1, 2, 5]),
        "min_training_rows": st.sampled_from([1, 60, 200]),
        "n_splits": st.sampled_from([None, None, 1, 3]),
        "retrain": st.sampled_from(["scheduled", "scheduled", "none"]),
        "calibration": st.sampled_from(["none", "platt"]),
    }
)


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    spec=specs,
    lag=st.sampled_from([0, 1, 2]),
    first=st.integers(0, 300),
    length=st.integers(30, 330),
    seed=st.integers(0, 10_000),
)
def test_folds_equal_a_brute_force_reading(spec, lag, first, length, seed):
    market = make_market(np.random.default_rng(seed), first, first + length, 3, spec["horizon_days"], lag)
    got = build_folds(market, spec, lag)
    expected = expected_folds(market, spec, lag)
    assert [{key: row[key] for key in wanted} for row, wanted in zip(got, expected, strict=True)] == expected


@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(spec=specs, cut=st.integers(160, 320), seed=st.integers(0, 10_000))
def test_folds_do_not_change_when_the_future_is_removed(spec, cut, seed):
    """All of a fold that began by the cut, its counts included, is the same without anything known after the cut."""
    whole = make_market(np.random.default_rng(seed), 20, 330, 3, spec["horizon_days"], 1)
    before = whole[whole["session_index"] <= cut].copy()
    is_later = before["label_end_date"].map(lambda date: date is None or date > CALENDAR[cut])
    before.loc[is_later, ["label", "label_end_date"]] = [np.nan, None]
    begun = [row for row in build_folds(whole, spec, 1) if row["test_start_date"] <= CALENDAR[cut]]
    assert begun == build_folds(before, spec, 1)


def test_a_market_shorter_than_a_fold_has_none():
    spec = SPEC | {"task": "classification", "train_months": 24, "train_every_sessions": 5}
    market = make_market(np.random.default_rng(0), 100, 200, 3, 5, 1)
    assert build_folds(market, spec, 1) == []


def test_a_class_without_rows_is_a_reason_to_skip():
    spec = SPEC | {"task": "classification"}
    market = make_market(np.random.default_rng(0), 50, 400, 3, 5, 1)
    market.loc[market["label"].notna(), "label"] = 1.0
    folds = build_folds(market, spec, 1)
    assert {(fold["status"], fold["reason"]) for fold in folds} == {("skipped", "training rows of one class only")}
    as_multiclass = build_folds(market, spec | {"task": "multiclass"}, 1)
    assert {fold["reason"] for fold in as_multiclass} == {"training rows of 1 of 3 classes only"}
    as_regression = build_folds(market, spec | {"task": "regression"}, 1)
    assert {fold["status"] for fold in as_regression} == {"fitted"}


def test_three_classes_need_rows_of_each_to_learn_and_to_calibrate():
    spec = SPEC | {"task": "multiclass", "calibration": "platt"}
    market = make_market(np.random.default_rng(0), 20, 180, 3, 5, 1)
    market.loc[market.index % 5 == 0, "label"] *= 2  # 0, 1 and 2, where there is a label
    (fold,) = build_folds(market, spec, 1)
    assert fold["status"] == "fitted"
    is_last_month = market["as_of_date"] >= fold["calibration_start_date"]
    for where, reason in (
        (is_last_month, "calibration rows of 2 class(es) only"),
        (~is_last_month, "training rows of 2 of 3 classes only"),
    ):
        label = market["label"].mask(where & (market["label"] == 2), 1.0)
        (fold,) = build_folds(market.assign(label=label), spec, 1)
        assert (fold["status"], fold["reason"]) == ("skipped", reason)


@pytest.mark.parametrize(("last", "folds"), [(-1, 0), (0, 1)])
def test_a_fold_begins_with_the_first_session_of_its_test_window(last, folds):
    """A market whose last date is that session has the fold, to score that date; one that ends before it has not."""
    spec = SPEC
    start = MONTH_STARTS[2013, 7]
    assert len(build_folds(make_market(np.random.default_rng(0), 20, start + last, 3, 5, 1), spec, 1)) == folds


@pytest.mark.parametrize("embargo", [0, 3])
def test_the_last_training_row_is_the_newest_whose_label_ends_before_the_test(embargo):
    """One row a session, labels settled on schedule: the last has session + lag + h + embargo = test start - 1."""
    spec = SPEC | {"embargo_sessions": embargo}
    sessions = range(30, 300)
    market = pd.DataFrame(
        {
            "session_index": sessions,
            "as_of_date": [CALENDAR[i] for i in sessions],
            "security_id": 1,
            "label": 1.0,
            "label_end_date": [CALENDAR[i + 6] for i in sessions],
        }
    )
    fold = build_folds(market, spec, 1)[0]
    start = CALENDAR.index(fold["test_start_date"])
    assert fold["train_end_date"] == CALENDAR[start - 7 - embargo]
    assert (fold["purged_rows"], fold["embargoed_rows"]) == (6, embargo)


def test_without_retraining_the_first_fit_serves_and_the_others_say_so():
    spec = {"task": "regression", "horizon_days": 5, "train_window": "expanding", "train_months": 6, "test_months": 3}
    spec |= {"step_months": 3, "embargo_sessions": 0, "train_every_sessions": 1, "min_training_rows": 100}
    market = make_market(np.random.default_rng(0), 100, 400, 3, 5, 1)
    folds = build_folds(market, spec | {"retrain": "none"}, 1)
    served = [(fold["fold_id"], fold["status"], fold["reason"]) for fold in folds]
    assert served[:3] == [
        ("2013-07-01", "skipped", "fewer than 100 training rows"),
        ("2013-10-01", "fitted", None),
        ("2014-01-01", "skipped", "no retraining: served by the fit of 2013-10-01"),
    ]
    once = build_folds(market, spec | {"n_splits": 1}, 1)
    assert [(fold["fold_id"], fold["status"]) for fold in once] == [("2013-07-01", "skipped"), ("2013-10-01", "fitted")]
