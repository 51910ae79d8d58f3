"""Transforms of a date's cross-section (macros/cross_sections.sql) against pandas and scipy on random panels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import sql_model
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

LOW, HIGH = 0.1, 0.9
QUERIES = {
    "standardised": "standardised('panel', ['x', 'y'])",
    "winsorised": "standardised('panel', ['x', 'y'], low='low', high='high')",
    "ranked": "percentile_ranks('panel', ['x', 'y'])",
    "neutralised": "neutralised('panel', ['x', 'y'], 'sector')",
}
RELATION = {"winsorised": "panel_standardised"}
SQL = {
    name: sql_model.rendered(
        "with panel as (select * from panel_rows),\n{{ " + call + " }}\n"
        f"done as (select 1)\nselect * from {RELATION.get(name, 'panel_' + name)} order by as_of_date, security_id"
    )
    for name, call in QUERIES.items()
}


@st.composite
def panels(draw) -> pd.DataFrame:
    """1 to 4 dates of 1 to 40 names: ties, NULLs, names alone in a sector or without one, columns that do not vary."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = draw(st.lists(st.integers(1, 40), min_size=1, max_size=4))
    days = []
    for day, size in enumerate(sizes):
        kinds = [
            rng.normal(size=size) ** 3 * 10.0 ** rng.integers(-8, 12),
            rng.integers(0, 4, size).astype(float),
            np.full(size, rng.normal()),
            1e6 + rng.normal(size=size),
        ]
        frame = pd.DataFrame({"security_id": rng.permutation(size)})
        frame["as_of_date"] = pd.Timestamp("2020-01-01") + pd.Timedelta(days=day)
        frame["sector"] = rng.choice(["A", "B", "C", None], size, p=[0.6, 0.25, 0.1, 0.05])
        for name in ("x", "y"):
            column = kinds[rng.integers(len(kinds))]
            frame[name] = np.where(rng.random(size) < rng.choice([0, 0.3, 1], p=[0.5, 0.4, 0.1]), np.nan, column)
        days.append(frame)
    return pd.concat(days).assign(low=LOW, high=HIGH).sample(frac=1, random_state=1).reset_index(drop=True)


def result(name: str, panel: pd.DataFrame) -> pd.DataFrame:
    """A macro's rows by date and security."""
    con = sql_model.database(__name__)
    con.register("panel_frame", panel)
    numbers = ", ".join(f"nullif({c}, 'nan'::double) as {c}" for c in ("x", "y"))
    typed = f"select * replace (as_of_date::date as as_of_date, {numbers}) from panel_frame"
    con.execute(f"create or replace table panel_rows as {typed}")
    return con.sql(SQL[name]).df()


def by_date(panel: pd.DataFrame):
    """The dates of a panel with their names in order of security_id."""
    return [day.sort_values("security_id") for _, day in panel.groupby("as_of_date")]


def z_of(values: pd.Series) -> np.ndarray:
    """(x - mean) / sample sd; 0 where it varies by a rounding error of the quantiles at most, NaN for one value."""
    if values.count() < 2:
        return np.full(len(values), np.nan)
    still = not values.max() - values.min() > 1e-12 * values.abs().max()
    return (values * 0 if still else (values - values.mean()) / values.std()).to_numpy()


def assert_columns(got: pd.DataFrame, column: str, want: list[np.ndarray], scale: float = 1.0) -> None:
    np.testing.assert_allclose(
        got[column].astype(float), np.concatenate(want), rtol=1e-9, atol=1e-9 * scale, err_msg=column
    )


@settings(max_examples=25, deadline=None)
@given(panel=panels())
def test_standardised_is_the_z_of_pandas(panel):
    got, winsorised = result("standardised", panel), result("winsorised", panel)
    for name in ("x", "y"):
        days = [day[name] for day in by_date(panel)]
        assert_columns(got, f"{name}_winsorised", [day.to_numpy() for day in days])
        assert_columns(got, f"{name}_z", [z_of(day) for day in days])
        clipped = [day.clip(day.quantile(LOW), day.quantile(HIGH)) for day in days]
        assert_columns(winsorised, f"{name}_winsorised", [day.to_numpy() for day in clipped])
        assert_columns(winsorised, f"{name}_z", [z_of(day) for day in clipped])


@settings(max_examples=25, deadline=None)
@given(panel=panels())
def test_percentile_ranks_are_those_of_scipy(panel):
    got = result("ranked", panel)
    assert len(got) == len(panel)
    for name in ("x", "y"):
        want = []
        for day in by_date(panel):
            values = day[name].to_numpy()
            known = ~np.isnan(values)
            ranks = np.full(len(values), np.nan)
            n = known.sum()
            ranks[known] = 0.5 if n == 1 else (stats.rankdata(values[known]) - 1) / (n - 1)
            want.append(ranks)
        assert_columns(got, f"{name}_rank", want)


@settings(max_examples=25, deadline=None)
@given(panel=panels())
def test_neutralised_has_lost_the_mean_of_groups_of_five(panel):
    ranked = panel.assign(**panel.groupby("as_of_date")[["x", "y"]].rank(pct=True))
    got = result("neutralised", ranked)
    assert len(got) == len(panel)
    for name in ("x", "y"):
        want = []
        for day in by_date(ranked):
            groups = day.groupby(day["sector"].fillna("none"))[name]
            want.append((day[name] - groups.transform("mean").where(groups.transform("count") >= 5, 0)).to_numpy())
        assert_columns(got, name, want)


@settings(max_examples=25, deadline=None)
@given(panel=panels())
def test_bits_depend_on_the_date_alone(panel):
    """The first date by itself, its rows in another order, gives the same bits."""
    first = panel[panel["as_of_date"] == panel["as_of_date"].min()]
    for name in QUERIES:
        whole, alone = result(name, panel), result(name, first.sample(frac=1, random_state=2))
        columns = [c for c in whole if c not in ("sector", "as_of_date")]
        for column in columns:
            assert whole[column][: len(alone)].to_numpy().tobytes() == alone[column].to_numpy().tobytes(), column
