"""Ranks, sizes and caps of the target weights: the project's SQL against an independent water filling by bisection."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from portfolio_market import frames
from sql_model import project_vars

from kairos.backtest.adhoc import RELATION

CANDIDATES = ["as_of_date", "strategy", "security_id", "decided_at", "score", "score_rank", "sector", "volatility"]
CANDIDATES += ["eligible_names", "eligible_names_of_sector", "size"]


@pytest.fixture(scope="module")
def weigh(compiled: Path):
    """A function that runs the collector's SQL on sized candidates and strategies."""
    sql = (compiled / "compiled/kairos/models/portfolio/pf_target_weights.sql").read_text()
    sql = RELATION.sub(lambda match: match.group(2), sql)
    rules = project_vars()["portfolio_rules"]
    connection = duckdb.connect()

    def run(sized: pd.DataFrame, strategies: pd.DataFrame) -> pd.DataFrame:
        for rule in rules:
            connection.register(f"pf_weights__{rule}", sized[CANDIDATES].iloc[: None if rule == rules[0] else 0])
        connection.register("strategies", strategies)
        return connection.sql(sql).df()

    return run


def decision(sizes, sectors, position=0.03, sector_mult=2.0, eligible=None, strategy="s") -> tuple:
    """One decision: candidates of given sizes and sectors, the sectors' counts among the eligible names, and caps."""
    names = len(sizes)
    eligible = eligible or {sector: sectors.count(sector) for sector in set(sectors)}
    sized = pd.DataFrame(
        {
            "as_of_date": pd.Timestamp("2020-01-02"),
            "strategy": strategy,
            "security_id": np.arange(names) + 1,
            "decided_at": pd.Timestamp("2020-01-02 21:00"),
            "score": -np.arange(names, dtype=float),
            "score_rank": np.arange(names) + 1,
            "sector": sectors,
            "volatility": 1 / np.asarray(sizes, dtype=float),
            "eligible_names": sum(eligible.values()),
            "eligible_names_of_sector": [eligible[sector] for sector in sectors],
            "size": np.asarray(sizes, dtype=float),
        }
    )
    row = pd.DataFrame({"strategy": [strategy], "max_position_pct": [position], "max_sector_mult": [sector_mult]})
    return sized, row


def filled(size: np.ndarray, bound: np.ndarray, total: float) -> np.ndarray:
    """least(bound, l * size) with l by bisection so that it adds up to total; bound where even that is too little."""
    if bound.sum() <= total:
        return bound
    low, high = 0.0, (bound / size).max()
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.minimum(bound, middle * size).sum() < total else (low, middle)
    return np.minimum(bound, high * size)


def expected_weights(sized: pd.DataFrame, strategies: pd.DataFrame) -> pd.Series:
    """The weights of each decision."""
    caps = strategies.set_index("strategy")
    weights = pd.Series(np.nan, sized.index)
    for (strategy, _), book in sized.groupby(["strategy", "as_of_date"]):
        position, mult = caps.loc[strategy, ["max_position_pct", "max_sector_mult"]]
        size = book["size"] / book["size"].sum()
        bound = pd.Series(position, book.index, dtype=float)
        for _, sector in book.groupby("sector"):
            cap = mult * sector["eligible_names_of_sector"].iloc[0] / sector["eligible_names"].iloc[0]
            whole = np.full(len(sector), position)
            bound[sector.index] = filled(size[sector.index].to_numpy(), whole, cap)
        weights[book.index] = filled(size.to_numpy(), bound.to_numpy(), 1.0)
    return weights


def check(result: pd.DataFrame, sized: pd.DataFrame, strategies: pd.DataFrame) -> None:
    """Values and every property that the weights promise."""
    key = ["strategy", "as_of_date", "security_id"]
    merged = sized.assign(expected=expected_weights(sized, strategies)).merge(
        result.drop(columns=["score", "score_rank", "sector", "volatility", "decided_at"]), on=key, validate="1:1"
    )
    merged = merged.merge(strategies, on="strategy")
    assert len(merged) == len(sized) == len(result)
    np.testing.assert_allclose(merged["target_weight"], merged["expected"], rtol=1e-9, atol=1e-12)
    assert (merged["target_weight"] > 0).all()
    assert (merged["target_weight"] <= merged["max_position_pct"]).all()
    for _, book in merged.groupby(["strategy", "as_of_date"]):
        total = book["target_weight"].sum()
        assert total <= 1 + 1e-12
        assert total + book["cash_weight"].iloc[0] == pytest.approx(1, abs=1e-12)
        assert book["is_infeasible"].nunique() == 1
        assert book["is_infeasible"].iloc[0] == (total < 1 - 1e-9)
        share = book["eligible_names_of_sector"] / book["eligible_names"]
        by_sector = book.assign(cap=book["max_sector_mult"] * share).groupby("sector")
        sector_cap = by_sector["cap"].first()
        sector_weight = by_sector["target_weight"].sum()
        assert (sector_weight <= sector_cap + 1e-12).all()
        # names that nothing binds stay in proportion to their size, over all sectors
        free = book[book["binding_constraint"] == "none"]
        if len(free):
            ratio = free["target_weight"] / free["size_weight"]
            assert ratio.max() == pytest.approx(ratio.min(), rel=1e-9)
            bound = book[book["binding_constraint"] != "none"]
            assert (bound["target_weight"] / bound["size_weight"] <= ratio.max() * (1 + 1e-9)).all()
        else:
            assert not len(book) or book["is_infeasible"].iloc[0] or total == pytest.approx(1, abs=1e-9)
        # what is said to bind does bind
        at_position = book[book["binding_constraint"] == "position"]
        np.testing.assert_allclose(at_position["target_weight"], at_position["max_position_pct"], rtol=1e-9)
        for sector in book.loc[book["binding_constraint"] == "sector", "sector"].unique():
            assert sector_weight[sector] == pytest.approx(sector_cap[sector], rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.01, 100), st.sampled_from("ABCDE")), min_size=1, max_size=40),
    st.sampled_from([0.02, 0.03, 0.1, 0.5, 1.0]),
    st.sampled_from([0.5, 1.0, 1.5, 2.0, 100.0]),
    st.integers(0, 30),
)
def test_weights_equal_water_filling(weigh, names, position, sector_mult, others):
    sizes, sectors = [size for size, _ in names], [sector for _, sector in names]
    eligible = {sector: sectors.count(sector) for sector in sectors} | {"Z": others}
    sized, strategies = decision(sizes, sectors, position, sector_mult, eligible)
    check(weigh(sized, strategies), sized, strategies)


def test_many_decisions_at_once_and_twice_the_same_bits(weigh):
    rng = np.random.default_rng(11)
    parts = [
        decision(
            np.exp(rng.normal(size=75)).tolist(),
            rng.choice(list("ABCDEFGH"), 75, p=np.array([6, 4, 3, 2, 2, 1, 1, 1]) / 20).tolist(),
            rng.choice([0.014, 0.02, 0.03, 0.05]),
            rng.choice([0.8, 1.2, 2.0]),
            strategy=f"s{k}",
        )
        for k in range(120)
    ]
    sized, strategies = pd.concat([a for a, _ in parts], ignore_index=True), pd.concat([b for _, b in parts])
    result = weigh(sized, strategies)
    check(result, sized, strategies)
    assert set(result["binding_constraint"]) == {"none", "position", "sector"}
    again = weigh(sized.sample(frac=1, random_state=1), strategies)
    pd.testing.assert_frame_equal(result, again, check_exact=True)


def test_a_decision_does_not_depend_on_the_others(weigh):
    one = decision([5.0, 3.0, 1.0], ["A", "A", "B"], 0.4, 1.2)
    other = decision([2.0, 7.0, 1.0, 4.0], ["A", "C", "B", "B"], 0.3, 2.0, strategy="t")
    both = weigh(pd.concat([one[0], other[0]]), pd.concat([one[1], other[1]]))
    alone = weigh(*one)
    pd.testing.assert_frame_equal(both[both["strategy"] == "s"].reset_index(drop=True), alone, check_exact=True)


def test_too_few_names_leave_cash_and_say_so(weigh):
    result = weigh(*decision([1.0, 1.0, 1.0], ["A", "B", "C"], position=0.03, sector_mult=100.0))
    assert result["target_weight"].tolist() == [0.03] * 3
    assert result["is_infeasible"].all()
    assert result["cash_weight"].tolist() == pytest.approx([0.91] * 3)
    assert (result["binding_constraint"] == "position").all()


def test_the_best_eligible_names_are_ranked_with_ties_by_security(compiled):
    """Candidates against pandas, on scores with many ties."""
    tables = frames(names=90, sessions=130, seed=8)
    predictions = tables["ml.ml_predictions"]
    predictions["score"] = predictions["score"].round(0)
    prices = tables["features.features"].merge(
        tables["intermediate.int_universe"][["as_of_date", "security_id", "sector"]], on=["as_of_date", "security_id"]
    )
    connection = duckdb.connect()
    strategies = pd.DataFrame(
        {
            "strategy": ["a", "b"],
            "alpha_name": ["ml_alpha_xgboost_5d_clf", "alpha_v8"],
            "top_n": [20, 7],
            "min_adv_usd": [2e6, 5e7],
            "vol_column": ["vol_blend", "vol_63"],
            "adv_column": ["adv_20", "adv_60"],
        }
    )
    dates = sorted(predictions["as_of_date"].unique())[::5]
    schedule = pd.MultiIndex.from_product([dates, ["a", "b"]], names=["as_of_date", "strategy"]).to_frame(index=False)
    bundles = tables["portfolio.pf_scores"].rename(columns={"mf_score": "score"}).assign(alpha_name="alpha_v8")
    scores = pd.concat([predictions, bundles])[["alpha_name", "as_of_date", "security_id", "score"]]
    for name, frame in {
        "strategies": strategies,
        "pf_rebalances": schedule.assign(decided_at=schedule["as_of_date"]),
        "pf_alpha_scores": scores,
        "int_universe": tables["intermediate.int_universe"],
        "features": tables["features.features"],
    }.items():
        connection.register(name, frame)
    sql = (compiled / "compiled/kairos/models/portfolio/pf_candidates.sql").read_text()
    got = connection.sql(RELATION.sub(lambda match: match.group(2), sql)).df()
    expected = []
    for row in strategies.itertuples():
        book = scores[(scores["alpha_name"] == row.alpha_name) & scores["as_of_date"].isin(dates)]
        book = book.merge(prices, on=["as_of_date", "security_id"])
        book = book[(book[row.adv_column] >= row.min_adv_usd) & book[row.vol_column].notna()]
        book = book.sort_values(["as_of_date", "score", "security_id"], ascending=[True, False, True])
        book["score_rank"] = book.groupby("as_of_date").cumcount() + 1
        book["eligible_names"] = book.groupby("as_of_date")["security_id"].transform("count")
        book["eligible_names_of_sector"] = book.groupby(["as_of_date", "sector"])["security_id"].transform("count")
        book["volatility"] = book[row.vol_column]
        expected.append(book[book["score_rank"] <= row.top_n].assign(strategy=row.strategy))
    columns = ["strategy", "as_of_date", "security_id", "score", "score_rank", "sector", "volatility"]
    columns += ["eligible_names", "eligible_names_of_sector"]
    expected = pd.concat(expected)[columns].sort_values(columns[:3]).reset_index(drop=True)
    got = got[columns].sort_values(columns[:3]).reset_index(drop=True)
    pd.testing.assert_frame_equal(got, expected, check_dtype=False)
    assert got.groupby(["strategy", "as_of_date"])["score"].nunique().max() < 20  # there are ties


def test_the_schedule_counts_from_the_calendar_and_starts_with_the_scores(compiled, invented):
    sql = (compiled / "compiled/kairos/models/portfolio/pf_rebalances.sql").read_text()
    places = {"strategies": "strategies", "pf_alpha_scores": "warehouse.ml.ml_predictions"}
    connection = duckdb.connect()
    connection.execute(f"attach '{invented}' as warehouse (read_only)")
    connection.execute(
        "create table strategies as select * replace (5 as rebalance_every, 2 as rebalance_offset)"
        " from warehouse.seeds.strategies limit 1"
    )
    query = RELATION.sub(
        lambda match: places.get(match.group(2), f'warehouse."{match.group(1)}"."{match.group(2)}"'), sql
    )
    got = connection.sql(query).df()
    first, last = connection.sql(
        "select min(p.as_of_date), max(b.as_of_date) from warehouse.ml.ml_predictions as p,"
        " (select max(as_of_date) as as_of_date from warehouse.intermediate.int_prices) as b"
    ).fetchall()[0]
    sessions = connection.sql("from warehouse.intermediate.int_sessions").df()
    due = sessions[(sessions["session_index"] % 5 == 2) & sessions["session_date"].between(str(first), str(last))]
    assert got["as_of_date"].tolist() == due["session_date"].tolist()
    assert got["fill_date"].tolist() == due["next_session_date"].tolist()
    assert len(got) > 50
