"""ml_alpha_quality and ml_bundle_scores against scipy and pandas, with ties, gaps, late labels and thin dates."""

from __future__ import annotations

import datetime as dt

import duckdb
import numpy as np
import pandas as pd
import pytest
import sql_model
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from synthetic_learning import business_days

CALENDAR = business_days(60)
LAG, HORIZON = 1, 5


def register(connection: duckdb.DuckDBPyConnection, **frames: pd.DataFrame) -> None:
    for name, frame in frames.items():
        connection.register("frame", frame)
        dates = [c for c in frame.columns if c.endswith("_date") or c.startswith("label_end_date")]
        replaced = f"replace ({', '.join(f'{c}::date as {c}' for c in dates)})" if dates else ""
        connection.execute(f"create or replace table {name} as select * {replaced} from frame")


def quality_of(scores: pd.DataFrame, labels: pd.DataFrame, min_cross_section: int = 5) -> pd.DataFrame:
    """ml_alpha_quality of one alpha 'a' at 5 sessions."""
    connection = duckdb.connect()
    register(
        connection,
        int_sessions=pd.DataFrame({"session_date": CALENDAR, "session_index": range(len(CALENDAR))}),
        alpha_specs=pd.DataFrame({"alpha_name": ["a"], "horizon_days": [HORIZON], "is_active": [True]}),
        ml_predictions=scores.assign(alpha_name="a"),
        ml_bundle_scores=pd.DataFrame(
            {"as_of_date": CALENDAR[:1], "security_id": [1], "bundle_name": ["other"], "mf_score": [1.0]}
        ),
        labels=labels,
    )
    sql_model.run(connection, "ml/ml_alpha_quality", label_horizons=[HORIZON, 20], min_cross_section=min_cross_section)
    return connection.sql("from ml_alpha_quality").df()


def make_labels(rows: list[tuple[int, int, float]], late: set[int] = frozenset()) -> pd.DataFrame:
    """(session, security, return) as labels; positions in `late` settle three sessions after schedule."""
    ends = [CALENDAR[session + LAG + HORIZON + (3 if i in late else 0)] for i, (session, _, _) in enumerate(rows)]
    return pd.DataFrame(
        {
            "as_of_date": [CALENDAR[session] for session, _, _ in rows],
            "security_id": [security for _, security, _ in rows],
            "fwd_ret_5d": [value for _, _, value in rows],
            "label_end_date_5d": ends,
            "fwd_ret_20d": np.nan,
            "label_end_date_20d": pd.Series([None] * len(rows), dtype="object"),
        }
    )


def make_scores(rows: list[tuple[int, int, float]]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "as_of_date": [CALENDAR[session] for session, _, _ in rows],
            "security_id": [security for _, security, _ in rows],
            "score": [value for _, _, value in rows],
        }
    )


numbers = st.one_of(
    st.sampled_from([0.0, -1.0, 1.0, 0.5, 1e-9, -0.02]),
    st.floats(-50, 50, allow_nan=False, allow_subnormal=False).map(lambda x: round(x, 12)),
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(pairs=st.lists(st.tuples(numbers, numbers), min_size=5, max_size=40))
def test_coefficients_equal_scipy_with_ties(pairs):
    scores = [(3, i, x) for i, (x, _) in enumerate(pairs)]
    labels = [(3, i, y) for i, (_, y) in enumerate(pairs)]
    row = quality_of(make_scores(scores), make_labels(labels)).iloc[0]
    x, y = (np.array(side) for side in zip(*pairs, strict=True))
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert np.isnan(row["ic"])
        assert np.isnan(row["rank_ic"])
        return
    assert row["rank_ic"] == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    assert row["ic"] == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-9)
    assert row["names"] == len(pairs)


def test_a_row_is_dated_by_the_session_on_which_its_labels_are_settled():
    rows = [(session, i, float(i)) for session in (4, 9) for i in range(6)]
    quality = quality_of(make_scores(rows), make_labels(rows))
    assert quality["signal_date"].tolist() == [pd.Timestamp(CALENDAR[i]) for i in (4, 9)]
    assert quality["matured_date"].tolist() == [pd.Timestamp(CALENDAR[i + 6]) for i in (4, 9)]


def test_names_without_label_or_score_and_late_ones_take_no_part():
    rng = np.random.default_rng(0)
    scores = [(4, i, rng.normal()) for i in range(10)]
    labels = [(4, i, rng.normal()) for i in range(2, 14)]
    row = quality_of(make_scores(scores), make_labels(labels, late={0})).iloc[0]
    both = range(3, 10)
    expected = stats.spearmanr([scores[i][2] for i in both], [labels[i - 2][2] for i in both]).statistic
    assert row["names"] == len(both)
    assert row["rank_ic"] == pytest.approx(expected, abs=1e-12)


def test_a_date_with_too_few_names_has_no_row():
    rows = [(4, i, float(i)) for i in range(6)]
    assert len(quality_of(make_scores(rows), make_labels(rows), min_cross_section=6)) == 1
    assert quality_of(make_scores(rows), make_labels(rows), min_cross_section=7).empty


def bundle_scores(features: pd.DataFrame, members: list[tuple[str, float, int]], **bundle) -> pd.DataFrame:
    """ml_bundle_scores of one bundle over a frame of features."""
    connection = duckdb.connect()
    settings_of_bundle = {"winsor_low": 0.01, "winsor_high": 0.99, "is_zscored": True} | bundle
    register(
        connection,
        ml_panel=features[features["is_member"]],
        factor_bundles=pd.DataFrame([{"bundle_name": "b", **settings_of_bundle}]),
    )
    connection.execute(
        "create table factor_bundle_members"
        " (bundle_name varchar, factor_name varchar, weight decimal(9, 6), direction integer)"
    )
    connection.executemany("insert into factor_bundle_members values ('b', ?, ?, ?)", members)
    sql_model.run(connection, "ml/ml_bundle_scores", bundle_factors=[name for name, *_ in members])
    return connection.sql("from ml_bundle_scores order by as_of_date, security_id").df()


def make_features(dates: int = 3, names: int = 40, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        [{"as_of_date": dt.date(2015, 1, 5 + d), "security_id": s} for d in range(dates) for s in range(names)]
    )
    frame["tiny"] = rng.normal(size=len(frame)) * 1e-7
    frame["huge"] = rng.normal(size=len(frame)) ** 3 * 1e11
    frame["level"] = 1e6 + rng.normal(size=len(frame))
    frame.loc[rng.random(len(frame)) < 0.2, "tiny"] = np.nan
    frame.loc[rng.random(len(frame)) < 0.2, "huge"] = np.nan
    frame["is_member"] = rng.random(len(frame)) < 0.9
    return frame


def expected_scores(features: pd.DataFrame, members: list[tuple[str, float, int]]) -> np.ndarray:
    """The same in pandas, date by date over members."""
    pieces = []
    for _, day in features[features["is_member"]].groupby("as_of_date"):
        total, weight = np.zeros(len(day)), np.zeros(len(day))
        for name, w, direction in members:
            value = day[name].clip(day[name].quantile(0.01), day[name].quantile(0.99))
            z = (value - value.mean()) / value.std()
            total += np.where(z.notna(), w * direction * z.fillna(0), 0)
            weight += np.where(z.notna(), w, 0)
        pieces.append(np.where(weight >= 0.5, total / np.where(weight > 0, weight, 1), np.nan))
    return np.concatenate(pieces)


MEMBERS = [("tiny", 0.4, 1), ("huge", 0.4, -1), ("level", 0.2, 1)]


def test_bundle_scores_equal_pandas_whatever_the_unit_of_a_factor():
    features = make_features()
    got = bundle_scores(features, MEMBERS)
    expected = expected_scores(features, MEMBERS)
    assert np.isnan(expected).any()
    np.testing.assert_allclose(got["mf_score"], expected, rtol=1e-9, atol=1e-9)


def test_bundle_scores_do_not_depend_on_the_order_of_rows_or_on_later_dates():
    features = make_features()
    got = bundle_scores(features, MEMBERS)
    shuffled = bundle_scores(features.sample(frac=1, random_state=1), MEMBERS)
    np.testing.assert_array_equal(got["mf_score"], shuffled["mf_score"])
    first = features[features["as_of_date"] == features["as_of_date"].min()]
    alone = bundle_scores(first, MEMBERS)
    np.testing.assert_array_equal(got["mf_score"][: len(alone)], alone["mf_score"])


def test_a_factor_that_does_not_vary_adds_nothing():
    features = make_features().assign(level=7.0, tiny=1.0)
    got = bundle_scores(features, [("tiny", 0.5, 1), ("level", 0.5, 1)])
    assert (got["mf_score"] == 0).all()


def test_limits_are_parameters_of_the_bundle():
    features = make_features()
    wide = bundle_scores(features, [("huge", 1.0, 1)], winsor_low=0.0, winsor_high=1.0, is_zscored=False)
    tight = bundle_scores(features, [("huge", 1.0, 1)], winsor_low=0.25, winsor_high=0.75, is_zscored=False)
    day = features[features["is_member"] & (features["as_of_date"] == features["as_of_date"].min())]["huge"].dropna()
    assert wide["mf_score"].iloc[: len(day)].tolist() == pytest.approx(day.tolist(), rel=1e-12)
    clipped = day.clip(day.quantile(0.25), day.quantile(0.75))
    assert tight["mf_score"].iloc[: len(day)].tolist() == pytest.approx(clipped.tolist(), rel=1e-12)


@pytest.mark.parametrize("horizon", [1, 5, 20])
def test_summaries_equal_the_textbook(horizon):
    """Means, ratios and Newey-West t of a series that remembers, added up term by term; dates without an IC are out."""
    rng = np.random.default_rng(horizon)
    shocks = rng.normal(0.02, 0.1, size=(130, 2))
    series = np.array([shocks[max(0, k - horizon) : k + 1].mean(axis=0) for k in range(len(shocks))])
    frame = pd.DataFrame(series, columns=["ic", "rank_ic"]).assign(alpha_name="a", horizon_days=horizon)
    frame["signal_date"] = [dt.date(2020, 1, 1) + dt.timedelta(days=int(k)) for k in rng.permutation(len(frame))]
    frame = frame.sort_values("signal_date").sample(frac=1, random_state=1)
    connection = duckdb.connect()
    gap = frame.iloc[:1].assign(signal_date=dt.date(2021, 1, 1), ic=0.0, rank_ic=0.0)
    register(connection, ml_alpha_quality=pd.concat([frame, gap]))
    connection.execute("update ml_alpha_quality set ic = null where signal_date = date '2021-01-01'")
    sql_model.run(connection, "ml/ml_alpha_summaries")
    got = connection.sql("from ml_alpha_summaries").df().iloc[0]
    assert got["dates"] == 130
    assert got["share_positive"] == pytest.approx((frame["rank_ic"] > 0).mean())
    for name in ("ic", "rank_ic"):
        x = frame.sort_values("signal_date")[name].to_numpy()
        d = x - x.mean()
        variance = (d @ d) / len(x)
        for lag in range(1, horizon):
            variance += 2 * (1 - lag / horizon) * (d[lag:] @ d[:-lag]) / len(x)
        assert got[name] == pytest.approx(x.mean(), rel=1e-9)
        assert got[f"{name}_ir"] == pytest.approx(x.mean() / x.std(ddof=1), rel=1e-9)
        assert got[f"{name}_t"] == pytest.approx(x.mean() / np.sqrt(variance / len(x)), rel=1e-9)
