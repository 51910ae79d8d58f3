"""kairos.quality and ml_bundle_scores against scipy and pandas: ties, gaps, late labels."""

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

from kairos import quality

CALENDAR = business_days(60)
LAG, HORIZON = 1, 5


def register(connection: duckdb.DuckDBPyConnection, **frames: pd.DataFrame) -> None:
    for name, frame in frames.items():
        connection.register("frame", frame)
        dates = [c for c in frame.columns if c.endswith("_date") or c.startswith("label_end_date")]
        replaced = f"replace ({', '.join(f'{c}::date as {c}' for c in dates)})" if dates else ""
        connection.execute(f"create or replace table {name} as select * {replaced} from frame")


def quality_of(
    scores: pd.DataFrame, labels: pd.DataFrame, min_cross_section: int = 5, features: pd.DataFrame | None = None
) -> pd.DataFrame:
    """alpha_quality of one alpha 'a' at 5 sessions; scores may have a column alpha_v8, features one per feature."""
    connection = sql_model.database(__name__)
    alphas = scores.rename(columns={"score": "a"})
    if "alpha_v8" not in alphas:
        alphas["alpha_v8"] = np.nan
    keys = scores[["as_of_date", "security_id"]]
    panel = keys if features is None else pd.concat([keys, features], axis=1)
    session_of = {day: i for i, day in enumerate(CALENDAR)}
    register(
        connection,
        int_sessions=pd.DataFrame({"session_date": CALENDAR, "session_index": range(len(CALENDAR))}),
        alphas=alphas,
        labels=labels,
        ml_panel=panel.assign(session_index=panel["as_of_date"].map(session_of)),
        feature_sets=pd.DataFrame(
            {"feature_set": quality.RAW_FEATURES, "feature_name": ["x"] if features is None else list(features)}
        ),
    )
    connection.register(
        "found",
        quality.alpha_quality(
            [("a", (HORIZON,))],
            *(connection.table(name) for name in ("alphas", "labels", "int_sessions", "ml_panel", "feature_sets")),
            {"entry_lag_sessions": LAG, "min_cross_section": min_cross_section, "label_horizons": [HORIZON, 20]},
        ),
    )
    return connection.sql("from found where every_sessions = 1").df()


def make_labels(rows: list[tuple[int, int, float]], late: set[int] = frozenset()) -> pd.DataFrame:
    """(session, security, return) as labels; positions in `late` settle one session after schedule."""
    ends = [CALENDAR[session + LAG + HORIZON + (i in late)] for i, (session, _, _) in enumerate(rows)]
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


@pytest.mark.parametrize("session", [4, 5])
def test_names_without_label_or_score_and_late_ones_take_no_part(session):
    """A session late is late, over a weekend or not."""
    rng = np.random.default_rng(0)
    scores = [(session, i, rng.normal()) for i in range(10)]
    labels = [(session, i, rng.normal()) for i in range(2, 14)]
    row = quality_of(make_scores(scores), make_labels(labels, late={0})).iloc[0]
    both = range(3, 10)
    expected = stats.spearmanr([scores[i][2] for i in both], [labels[i - 2][2] for i in both]).statistic
    assert row["names"] == len(both)
    assert row["rank_ic"] == pytest.approx(expected, abs=1e-12)


def test_a_date_with_too_few_names_has_no_row():
    rows = [(4, i, float(i)) for i in range(6)]
    assert len(quality_of(make_scores(rows), make_labels(rows), min_cross_section=6)) == 1
    assert quality_of(make_scores(rows), make_labels(rows), min_cross_section=7).empty


def test_what_is_left_of_too_few_names_has_no_coefficient():
    """Six names are judged, of which the benchmark speaks of so many."""
    rng = np.random.default_rng(2)
    rows = [(5, i, rng.normal()) for i in range(6)]
    for spoken, is_enough in ((6, True), (5, True), (4, False)):
        scores = make_scores(rows).assign(alpha_v8=np.where(np.arange(6) < spoken, rng.normal(size=6), np.nan))
        row = quality_of(scores, make_labels([(5, i, rng.normal()) for i in range(6)])).iloc[0]
        assert row["names"] == 6
        assert np.isfinite(row["rank_ic_beyond_v8"]) == is_enough


def test_other_horizons_are_judged_on_every_fifth_session_and_marked():
    rows = [(session, i, float(i)) for session in range(3, 16) for i in range(6)]
    labels = make_labels(rows)
    of_20 = {"fwd_ret_20d": labels["fwd_ret_5d"], "label_end_date_20d": [CALENDAR[s + LAG + 20] for s, *_ in rows]}
    quality_of(make_scores(rows), labels.assign(**of_20))
    found = sql_model.database(__name__).sql("from found order by horizon_days, signal_date").df()
    judged = found.groupby(["horizon_days", "every_sessions"])["signal_date"].agg(list).to_dict()
    days = {1: [pd.Timestamp(CALENDAR[i]) for i in range(3, 16)], 5: [pd.Timestamp(CALENDAR[i]) for i in (5, 10, 15)]}
    assert judged == {(5, 1): days[1], (20, 5): days[5]}


def test_a_side_that_does_not_vary_has_no_coefficient_whatever_its_mean_rounds_to():
    """Of 0.1, thrice, the mean is not 0.1."""
    for names in range(3, 40):
        flat, moving = np.full((1, names), 0.1), np.arange(names, dtype=float)[None]
        for x, y in ((flat, moving), (moving, flat)):
            found = quality.coefficients(x, y, 2)
            assert np.isnan(found["ic"][0]) and np.isnan(found["rank_ic"][0])


def test_ranks_that_are_kept_are_those_of_the_same_names():
    """Alphas that score other names than the one before do not get its ranks."""
    rng = np.random.default_rng(4)
    realized = rng.normal(size=(8, 20))
    kept = quality.Kept()
    for _ in range(3):
        scores = np.where(rng.random(realized.shape) < 0.3, np.nan, rng.normal(size=realized.shape))
        for _ in range(2):
            for column, values in quality.coefficients(scores, realized, 5, kept).items():
                np.testing.assert_array_equal(values, quality.coefficients(scores, realized, 5)[column], column)


def random_days(days: int = 16, names: int = 37, seed: int = 3) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores with ties and gaps, slow from day to day, and labels that follow them a little."""
    rng = np.random.default_rng(seed)
    level = rng.normal(size=names)
    scores, labels = [], []
    for day in range(days):
        level = 0.9 * level + 0.4 * rng.normal(size=names)
        for name in np.flatnonzero(rng.random(names) < 0.9):
            scores.append((day, int(name), round(level[name], 1)))
        for name in np.flatnonzero(rng.random(names) < 0.9):
            labels.append((day, int(name), 0.01 * level[name] + 0.05 * rng.normal()))
    return make_scores(scores), make_labels(labels)


def joined(scores: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    return scores.merge(labels, on=["as_of_date", "security_id"]).dropna(subset=["score", "fwd_ret_5d"])


def test_hit_rates_and_spreads_equal_pandas():
    scores, labels = random_days()
    got = quality_of(scores, labels).set_index("signal_date")
    for day, pairs in joined(scores, labels).groupby("as_of_date"):
        row = got.loc[pd.Timestamp(day)]
        both = pairs[["score", "fwd_ret_5d"]]
        sides = np.sign(both - both.median()).prod(axis=1)
        assert row["hit_rate"] == pytest.approx((sides > 0).sum() / (sides != 0).sum())
        rank, fifth = pairs["score"].rank(), len(pairs) // 5
        best, worst = pairs[rank > len(pairs) - fifth], pairs[rank < fifth + 1]
        expected = best["fwd_ret_5d"].mean() - worst["fwd_ret_5d"].mean()
        assert row["quantile_spread"] == pytest.approx(expected, rel=1e-12)


def test_a_name_at_the_median_is_on_no_side_however_many_are():
    """Few values, so that many equal ones hold the median and more of one side; even and odd counts, and NaN."""
    rng = np.random.default_rng(11)
    scores, realized = rng.integers(0, 4, (2, 60, 15)).astype(float)
    scores[rng.random(scores.shape) < 0.3] = np.nan
    got = quality.coefficients(scores, realized, 5)["hit_rate"]
    lopsided = 0
    for row, rate in zip(range(60), got, strict=True):
        has = ~np.isnan(scores[row])
        x, y = scores[row, has], realized[row, has]
        sides = np.sign(x - np.median(x)) * np.sign(y - np.median(y))
        expected = (sides > 0).sum() / (sides != 0).sum() if sides.any() else np.nan
        np.testing.assert_allclose(rate, expected)
        at_median = stats.rankdata(x)[x == np.median(x)]
        lopsided += len(at_median) > 0 and at_median[0] != (len(x) + 1) / 2
    assert lopsided > 10


def test_steadiness_equals_pandas():
    scores, labels = random_days()
    got = quality_of(scores, labels).set_index("signal_date")
    wide = scores.pivot(index="as_of_date", columns="security_id", values="score")
    ranks = wide.rank(axis=1)
    assert np.isnan(got.iloc[0]["rank_autocorrelation"])
    assert np.isnan(got.iloc[0]["top_turnover"])
    for before, day in zip(wide.index[:-1], wide.index[1:], strict=True):
        best = [set(wide.columns[ranks.loc[d] > wide.loc[d].count() - wide.loc[d].count() // 5]) for d in (before, day)]
        row = got.loc[pd.Timestamp(day)]
        assert row["rank_autocorrelation"] == pytest.approx(ranks.loc[day].corr(ranks.loc[before]), rel=1e-12)
        assert row["top_turnover"] == pytest.approx(len(best[1] - best[0]) / len(best[1]))


def test_steadiness_needs_enough_names_on_both_dates():
    rng = np.random.default_rng(6)
    names = (6, 6, 5, 6, 6)  # the third date has one too few
    scores = np.array([np.where(np.arange(7) < count, rng.normal(size=7), np.nan) for count in names])
    for values in quality.steadiness(scores, 6).values():
        np.testing.assert_array_equal(np.isfinite(values), [False, True, False, False, True])


def left_of(score: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Residual of least squares on columns and a constant, NaN as the mean, by NumPy."""
    filled = np.where(np.isnan(columns), np.nanmean(columns, axis=0), columns)
    X = np.column_stack([np.ones(len(filled)), filled])
    return score - X @ np.linalg.lstsq(X, score, rcond=None)[0]


def test_what_is_left_beyond_features_and_benchmark_equals_least_squares():
    scores, labels = random_days()
    rng = np.random.default_rng(8)
    features = pd.DataFrame(rng.normal(size=(len(scores), 3)), columns=["f", "g", "h"])
    features["f"] = 1e6 + scores["score"] + 0.5 * features["f"]
    features["twice"] = 2 * features["g"]  # one another's multiple, as reversal_1m is of mom_1m
    features["h"] += 3 + scores["score"]  # far from 0, as what is missing must count as the mean and not as nothing
    features.loc[rng.random(len(scores)) < 0.2, "h"] = np.nan
    scores["alpha_v8"] = np.where(rng.random(len(scores)) < 0.1, np.nan, scores["score"] + rng.normal(size=len(scores)))
    got = quality_of(scores, labels, features=features).set_index("signal_date")
    checked = 0
    for day, rows in scores.join(features).groupby("as_of_date"):
        row = got.loc[pd.Timestamp(day)]
        if CALENDAR.index(day) % quality.EVERY_SESSIONS:
            assert np.isnan(row["rank_ic_beyond_features"])
            assert np.isnan(row["rank_ic_beyond_v8"])
            continue
        on_features = left_of(rows["score"].to_numpy(), rows[list(features)].to_numpy())
        both = rows[rows["alpha_v8"].notna()]
        on_benchmark = left_of(both["score"].to_numpy(), both[["alpha_v8"]].to_numpy())
        for column, left, of in (("features", on_features, rows), ("v8", on_benchmark, both)):
            pairs = of.assign(left=left).merge(labels, on=["as_of_date", "security_id"]).dropna(subset=["fwd_ret_5d"])
            expected = stats.spearmanr(pairs["left"], pairs["fwd_ret_5d"]).statistic
            assert row[f"rank_ic_beyond_{column}"] == pytest.approx(expected, abs=1e-9)
            checked += 1
    assert checked >= 6


def test_a_score_that_is_one_of_the_features_leaves_nothing():
    scores, labels = random_days()
    features = pd.DataFrame({"x": 3 * scores["score"] + 1})
    assert quality_of(scores, labels, features=features)["rank_ic_beyond_features"].isna().all()


def test_no_bit_of_a_date_depends_on_later_dates_or_on_names_that_are_not_there():
    scores, labels = random_days()
    features = pd.DataFrame(np.random.default_rng(1).normal(size=(len(scores), 2)), columns=["f", "g"])
    whole = quality_of(scores, labels, features=features)
    early = scores["as_of_date"] < CALENDAR[12]
    later_names = scores[~early].assign(security_id=lambda frame: frame["security_id"] - 500)
    cut = quality_of(scores[early], labels, features=features[early])
    more = quality_of(pd.concat([scores[early], later_names]), labels, features=features)
    assert len(cut) == 12
    for other in (whole, more):
        pd.testing.assert_frame_equal(other[: len(cut)], cut, check_exact=True)


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
