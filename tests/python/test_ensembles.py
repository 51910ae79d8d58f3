"""ml_ensemble_weights and ml_alphas against pandas: experts, signs, blends, members that do not speak."""

from __future__ import annotations

import datetime as dt
import functools
import itertools

import duckdb
import numpy as np
import pandas as pd
import pytest
import sql_model
from scipy import stats
from synthetic_learning import business_days

from kairos.ensembles import combine, percentile_ranks, weighted_rank

CALENDAR = business_days(160)
STARTS = [CALENDAR[20], CALENDAR[80]]
MEMBERS = ["a", "b", "c"]
ENSEMBLES = ["mean", "by_ic", "expert", "signed", "half"]
SPECS = pd.DataFrame(
    {"alpha_name": [*MEMBERS, "off"], "horizon_days": [1, 1, 5, 5], "is_active": [True, True, True, False]}
)
SEED = [
    ("mean", "fixed", 1.0, 0, {"a": 2, "b": 1, "c": 1}),
    ("by_ic", "ic_weighted", 0.5, 10, {"a": 2, "b": 1, "c": 1, "off": 1}),
    ("expert", "regime_expert", 0.5, 5, {"a": 1, "b": 1, "c": 1}),
    ("signed", "signed", 0.5, 10, {"a": 1, "b": 1, "c": 1}),
    ("half", "fixed", 0.5, 0, {"a": 1, "off": 1, "alpha_v8": 2}),
    ("blend", "blend", 1.0, 0, {"mean": 0.25, "expert": 0.75}),
    ("dead", "fixed", 0.5, 0, {"a": 1, "off": 2}),
]
TREND, TERCILE = np.arange(160) // 7 % 2, np.arange(160) // 3 % 3 + 1
REGIMES = [
    f"{'up' if up else 'down'} {['calm', 'normal', 'wild'][t - 1]}" for up, t in zip(TREND, TERCILE, strict=True)
]


def make_quality(seed: int = 0) -> pd.DataFrame:
    """Rank ICs: a is good in an uptrend and bad otherwise, b the reverse and weaker, c is reliably wrong."""
    rng = np.random.default_rng(seed)
    means = {"a": np.where(TREND == 1, 0.1, -0.04), "b": np.where(TREND == 1, -0.02, 0.05), "c": np.full(160, -0.08)}
    pieces = []
    for name, horizon in (("a", 1), ("b", 1), ("c", 5)):
        signals = range(20, 160 - 1 - horizon)
        pieces.append(
            pd.DataFrame(
                {
                    "alpha_name": name,
                    "horizon_days": horizon,
                    "every_sessions": 1,
                    "signal_date": [CALENDAR[i] for i in signals],
                    "matured_date": [CALENDAR[i + 1 + horizon] for i in signals],
                    "rank_ic": [means[name][i] + 0.03 * rng.normal() for i in signals],
                }
            )
        )
    return pd.concat(pieces)


def make_alphas(seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    days = [day for day in CALENDAR if day >= CALENDAR[15]]
    frame = pd.DataFrame([{"as_of_date": day, "security_id": name} for day in days for name in range(12)])
    for name in [*MEMBERS, "alpha_v8"]:
        frame[name] = np.round(rng.normal(size=len(frame)), 1)
        frame.loc[rng.random(len(frame)) < 0.15, name] = np.nan
    frame.loc[frame["as_of_date"] < STARTS[0], MEMBERS] = np.nan
    return frame


@pytest.fixture(scope="module")
def warehouse():
    connection = duckdb.connect()
    frames = {
        "ensembles": pd.DataFrame(
            [{"ensemble_name": e, "method": m, "needed_share": s, "min_dates": d} for e, m, s, d, _ in SEED]
        ),
        "ensemble_members": pd.DataFrame(
            [{"ensemble_name": e, "member": m, "weight": w} for e, *_, members in SEED for m, w in members.items()]
        ),
        "alpha_specs": SPECS,
        "ml_folds": pd.DataFrame({"alpha_name": "a", "status": "fitted", "test_start_date": STARTS}),
        "ml_alpha_quality__learned": make_quality(),
        "feat_cross_asset": pd.DataFrame(
            {"as_of_date": CALENDAR, "market_trend_up": TREND, "market_vol_tercile": TERCILE}
        ),
        "ml_alphas__learned": make_alphas(),
    }
    for name, frame in frames.items():
        connection.register("frame", frame)
        dates = [c for c in frame.columns if c.endswith("_date")]
        replaced = f"replace ({', '.join(f'{c}::date as {c}' for c in dates)})" if dates else ""
        connection.execute(f"create table {name} as select * {replaced} from frame")
    sql_model.run(connection, "ml/ml_ensemble_weights")
    sql_model.run(connection, "ml/ml_alphas__weights")
    combined = combine(
        connection.table("ml_alphas__learned").order("as_of_date, security_id"),
        connection.table("ml_alphas__weights"),
        {
            "active_alphas": MEMBERS,
            "ensembles": [*ENSEMBLES, "dead"],
            "blends": ["blend"],
            "blended": ["mean", "expert"],
        },
    )
    connection.register("combined", combined)
    connection.execute("create table ml_alphas as from combined")
    return connection


def evidence(start: dt.date, regime: str = "any") -> pd.DataFrame:
    """Mean, deviation and count of the rank IC that had matured, by member."""
    known = make_quality()
    known = known[known["matured_date"] < start]
    if regime != "any":
        known = known[known["signal_date"].map(lambda day: REGIMES[CALENDAR.index(day)] == regime).astype(bool)]
    return known.groupby("alpha_name")["rank_ic"].agg(["mean", "std", "count"]).reindex(MEMBERS)


@functools.cache
def expected_weights(ensemble: str, start: dt.date, regime: str) -> dict[str, float]:
    """Weights of an ensemble worked out in plain Python, absolute values summing to 1."""
    method, least, members = next((m, d, w) for e, m, _, d, w in SEED if e == ensemble)
    known = evidence(start, regime if method == "regime_expert" else "any").reindex(members)
    enough = known["count"].fillna(0) >= least
    weights = {}
    if method == "ic_weighted":
        weights = {m: w * max(known["mean"][m], 0) if enough[m] else 0 for m, w in members.items()}
    elif method == "regime_expert" and enough.any():
        best = known["mean"][enough].idxmax()
        weights = {m: float(m == best) for m in members}
    elif method == "signed":
        horizon = SPECS.set_index("alpha_name")["horizon_days"]
        t = known["mean"] / known["std"] * np.sqrt(known["count"] / horizon.reindex(list(members)))
        weights = {m: -w if enough[m] and t[m] < -2 else w for m, w in members.items()}
    if not any(weights.values()):
        weights = members
    total = sum(abs(w) for w in weights.values())
    return {m: w / total for m, w in weights.items()}


@pytest.mark.parametrize("ensemble", [e for e, *_ in SEED])
def test_weights_are_those_of_the_evidence_that_had_matured(warehouse, ensemble):
    rows = warehouse.sql(f"from ml_ensemble_weights where ensemble_name = '{ensemble}'").df()
    assert len(rows) >= 4
    for (start, regime), group in rows.groupby(["effective_date", "regime"]):
        expected = expected_weights(ensemble, start.date(), regime)
        assert dict(zip(group["member"], group["weight"], strict=True)) == pytest.approx(expected, abs=1e-12)


def test_the_evidence_beside_the_weights_is_that_of_pandas(warehouse):
    """t is that of a plain mean of as many dates as do not overlap: every horizon_days-th one."""
    rows = warehouse.sql("from ml_ensemble_weights where dates > 1").df()
    horizon = SPECS.set_index("alpha_name")["horizon_days"]
    for row in rows.itertuples():
        known = evidence(row.effective_date.date(), row.regime).loc[row.member]
        apart = known["count"] / horizon[row.member]
        assert (row.dates, row.rank_ic) == (known["count"], pytest.approx(known["mean"], rel=1e-9))
        assert row.rank_ic_t == pytest.approx(known["mean"] / (known["std"] / np.sqrt(apart)), rel=1e-7)
    assert set(rows["member"]) == set(MEMBERS) and rows["regime"].nunique() > 4
    assert set(rows["ensemble_name"]) == {"by_ic", "expert", "signed"}, "weights that are not learned have no evidence"
    matured = make_quality().groupby("alpha_name")["matured_date"].apply(lambda s: s[s < STARTS[1]].max())
    any_regime = rows[rows["regime"] == "any"]
    assert (any_regime["last_matured_date"].dt.date == matured.reindex(any_regime["member"]).to_numpy()).all()


def test_the_methods_differ_where_they_should(warehouse):
    """Nothing is known at the first start; at the second c is upside down, and a is the expert of uptrends only."""
    second = warehouse.sql(f"from ml_ensemble_weights where effective_date = '{STARTS[1]}'").df()
    weights = second.set_index(["ensemble_name", "regime", "member"])["weight"]
    first = warehouse.sql(f"from ml_ensemble_weights where effective_date = '{STARTS[0]}' and is_learned")
    assert not first.fetchall()
    assert weights["signed", "any", "c"] == pytest.approx(-1 / 3)
    assert weights["signed", "any", "a"] == pytest.approx(1 / 3)
    assert weights["by_ic", "any", "c"] == 0
    assert weights["expert", "up calm", "a"] == 1
    assert weights["expert", "down calm", "b"] == 1


def expected_scores(day: pd.DataFrame, members: dict[str, float], needed: float) -> pd.Series:
    """Weighted mean of percentile ranks of one date."""
    total, spoken = pd.Series(0.0, index=day.index), pd.Series(0.0, index=day.index)
    for member, weight in members.items():
        if member in day:
            rank = (day[member].rank() - 1) / max(day[member].count() - 1, 1)
            total += (weight * rank + max(-weight, 0)).fillna(0)
            spoken += abs(weight) * rank.notna()
    return (total / spoken).where(spoken >= needed - 1e-9)


def test_scores_are_weighted_mean_ranks_of_those_who_speak(warehouse):
    got = warehouse.sql("from ml_alphas order by as_of_date, security_id").df()
    got["as_of_date"] = got["as_of_date"].dt.date
    checked = 0
    for date, day in got.groupby("as_of_date"):
        if date < STARTS[0]:
            assert day[[*ENSEMBLES, "blend"]].isna().all(axis=None)
            continue
        start = max(s for s in STARTS if s <= date)
        for ensemble, _, needed, *_ in SEED:
            weights = expected_weights(ensemble, start, REGIMES[CALENDAR.index(date)])
            expected = expected_scores(day, weights, needed)
            np.testing.assert_allclose(day[ensemble].astype(float), expected, atol=1e-12)
            checked += expected.notna().sum()
    assert checked > 5000


def test_names_with_the_same_ranks_in_another_order_score_the_same():
    """Every way to hand three ranks to three members of equal weight: sums in another order, equal all the same."""
    orders = np.array(list(itertools.permutations([1 / 39, 2 / 39, 6 / 39]))).T
    others = orders + np.array([[0], [0], [1 / 3900]])
    ranks = {name: np.concatenate([a, b])[None, :] for name, a, b in zip(MEMBERS, orders, others, strict=True)}
    third = dict.fromkeys(MEMBERS, np.array([1 / 3]))
    got = weighted_rank(ranks, MEMBERS, third, np.array([1.0]))[0]
    assert len({float(sum(one * third["a"])) for one in orders.T}) > 1
    assert (len(set(got[:6])), len(set(got[6:])), len(set(got))) == (1, 1, 2)


def test_an_ensemble_without_enough_active_members_says_nothing(warehouse):
    """half has half of its weight in alpha_v8 and a quarter in a; dead has two thirds in a member that is off."""
    alphas = warehouse.sql("from ml_alphas").df()
    spoken = alphas[alphas["as_of_date"].dt.date >= STARTS[0]]
    assert alphas["dead"].isna().all()
    assert (spoken["half"].notna() == spoken["alpha_v8"].notna()).all()
    assert (spoken["mean"].notna() == spoken[MEMBERS].notna().all(axis=1)).all()


def test_weights_of_a_day_on_which_no_alpha_speaks_are_of_no_other_day():
    """a and b say the opposite; the day between is the last of the rows of weights, and would turn them round."""
    connection = duckdb.connect()
    days = CALENDAR[:3]
    connection.execute("create table alphas (as_of_date date, security_id bigint, a double, b double, alpha_v8 double)")
    rows = [(day, name, name, -name, None) for day in (days[0], days[2]) for name in range(3)]
    connection.executemany("insert into alphas values (?, ?, ?, ?, ?)", rows)
    connection.execute(
        "create table weights (as_of_date date, ensemble_name varchar, member varchar, weight double,"
        " needed_share double)"
    )
    for day, member in ((days[0], "a"), (days[2], "a"), (days[1], "b")):
        for name in "ab":
            connection.execute("insert into weights values (?, 'e', ?, ?, 1)", [day, name, float(name == member)])
    lists = {"active_alphas": ["a", "b"], "ensembles": ["e"], "blends": [], "blended": []}
    got = combine(connection.table("alphas"), connection.table("weights"), lists)
    assert got["e"].to_pylist() == [0, 0.5, 1, 0, 0.5, 1]


def test_alphas_side_by_side_have_a_row_for_each_name_that_any_speaks_of():
    """alpha_v8 speaks before the first fit; a name that it says nothing of, and no alpha either, has no row."""
    connection = duckdb.connect()
    first, second = CALENDAR[:2]
    for name, columns, rows in (
        ("ml_predictions", "alpha_name varchar, score double", [(second, 1, "a", 0.1), (second, 1, "b", 0.2)]),
        ("ml_bundle_scores", "bundle_name varchar, mf_score double", [(first, 1, "v8", 0.5), (first, 2, "v8", None)]),
    ):
        connection.execute(f"create table {name} (as_of_date date, security_id bigint, {columns})")
        connection.executemany(f"insert into {name} values (?, ?, ?, ?)", rows)
    connection.execute(f"insert into ml_predictions values ('{second}', 2, 'b', 0.3)")
    connection.execute(f"insert into ml_bundle_scores values ('{second}', 2, 'v8', 0.7), ('{second}', 3, 'v9', 9)")
    sql_model.run(connection, "ml/ml_alphas__learned", active_alphas=["a", "b"])
    assert connection.sql("select * exclude (alpha_v8), alpha_v8 from ml_alphas__learned").fetchall() == [
        (first, 1, None, None, 0.5),
        (second, 1, 0.1, 0.2, None),
        (second, 2, None, 0.3, 0.7),
    ]


def test_percentile_ranks_are_those_of_scipy_with_ties_and_names_alone():
    rng = np.random.default_rng(3)
    values = rng.integers(0, 6, (60, 15)).astype(float)
    values[rng.random(values.shape) < 0.4] = np.nan
    values[0] = np.nan
    values[1, 1:] = np.nan
    values[1, 0] = 7.0
    got = percentile_ranks(values)
    for row, ranks in zip(values, got, strict=True):
        n = np.isfinite(row).sum()
        expected = (
            (stats.rankdata(row, nan_policy="omit") - 1) / (n - 1) if n > 1 else np.where(np.isnan(row), row, 0.5)
        )
        np.testing.assert_array_equal(ranks, expected)


def test_without_weights_there_are_alphas_and_no_ensembles():
    """Before the first fit of a young market: no row of weights."""
    connection = duckdb.connect()
    connection.execute(
        "create table learned as select date '2024-01-02' as as_of_date, 1::bigint as security_id,"
        " 0.5 as a, 0.25 as alpha_v8"
    )
    connection.execute(
        "create table weights (as_of_date date, ensemble_name varchar, member varchar, weight double,"
        " needed_share double)"
    )
    lists = {"active_alphas": ["a"], "ensembles": ["e"], "blends": ["b"], "blended": ["e"]}
    got = combine(connection.table("learned"), connection.table("weights"), lists)
    assert got.to_pylist() == [
        {"as_of_date": dt.date(2024, 1, 2), "security_id": 1, "a": 0.5, "e": None, "b": None, "alpha_v8": 0.25}
    ]
    empty = combine(connection.table("learned").filter("false"), connection.table("weights"), lists)
    assert empty.num_rows == 0 and empty.schema == got.schema
