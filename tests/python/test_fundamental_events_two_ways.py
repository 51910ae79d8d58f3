"""int_fundamental_events works out statements that came in turn by their place in storage, all others by a join.

The same statements are given twice: as they are, and with a second, identical version of every quarter known at the
same moment, which sends every company the long way. Both must say the same of every item at every moment.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest

from bench import compiled, data


@pytest.fixture(scope="module")
def statements(tmp_path_factory) -> duckdb.DuckDBPyConnection:
    """An open database with int_fundamentals of 60 companies: gaps, odd spacing, late and missing quarters."""
    folder = tmp_path_factory.mktemp("events")
    data.write(folder, securities=60, years=4)
    con = duckdb.connect(str(folder / "source.duckdb"))
    filed = con.sql("from intermediate.int_fundamentals").df()
    rng = np.random.default_rng(23)
    for _, group in filed.groupby(["security_id", "statement"]):
        kind = rng.integers(0, 5)
        if kind == 1:  # quarters never filed
            filed = filed.drop(rng.choice(group.index, 3, replace=False))
        elif kind == 2:  # period ends moved by weeks: a year ago lies 3 to 5 places back, or nowhere
            shift = pd.to_timedelta(rng.integers(-35, 36, len(group)), unit="D")
            filed.loc[group.index, "period_end_date"] = group["period_end_date"] + shift
        elif kind == 3:  # one quarter filed after the next two
            late = group.index[len(group) // 2]
            filed.loc[late, ["known_at", "usable_at"]] += pd.Timedelta(days=250)
    filed["period_end_date"] = filed["period_end_date"].dt.date
    con.register("filed", filed)
    con.execute(
        """create or replace table intermediate.int_fundamentals as
        select * replace (period_end_date::date as period_end_date, published_date::date as published_date)
        from filed order by security_id, statement, period_end_date, version"""
    )
    yield con
    con.close()


def events(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """The event table of what int_fundamentals holds now."""
    compiled.build(con, ["int_fundamental_events"])
    return con.sql("from intermediate.int_fundamental_events order by security_id, known_at").df()


def test_place_in_storage_and_the_join_say_the_same(statements):
    short = events(statements)
    statements.execute(
        """create or replace table intermediate.int_fundamentals as
        select * from intermediate.int_fundamentals
        union all
        select * replace (2 as version) from intermediate.int_fundamentals
        order by security_id, statement, period_end_date, version"""
    )
    long = events(statements)
    pd.testing.assert_frame_equal(short, long, check_exact=True)
    for column in ("net_income_ttm", "net_income_ttm_year_ago", "assets_average", "roe", "operating_margin"):
        assert short[column].notna().any() and short[column].isna().any(), column
