"""Two vintages held against each other, on tables whose differences are known by hand."""

from __future__ import annotations

import math

import duckdb
import numpy as np
import pytest

from kairos.proof import vintages

DAYS, NAMES = 60, 25
LATER = 20  # days after the newest statement of b


@pytest.fixture
def con():
    """Databases a and b: a quarter restated, one that came and one that went, and a feature that only b gets right."""
    with duckdb.connect() as con:
        for name in "ab":
            con.execute(f"attach ':memory:' as {name}")
            for schema in ("staging", "features", "labels", "intermediate"):
                con.execute(f"create schema {name}.{schema}")
        columns = "(ticker varchar, period_end_date date, known_at timestamp, revenue double)"
        values = {
            "a": "('A', '2020-03-31', '2020-05-01', 100), ('A', '2020-06-30', '2020-08-01', 50), ('B', '2020-03-31',"
            " '2020-05-01', 7), ('C', '2020-03-31', '2020-05-01', null)",
            "b": "('A', '2020-03-31', '2020-05-01', 100), ('A', '2020-06-30', '2020-08-01', 40), ('C', '2020-03-31',"
            " '2020-05-01', 3), ('A', '2020-06-30', '2020-08-02', 60)",
        }
        for name, rows in values.items():
            con.execute(f"create table {name}.staging.stg_simfin__income_statements {columns}")
            con.execute(f"insert into {name}.staging.stg_simfin__income_statements values {rows}")
        rng = np.random.default_rng(3)
        day, name = (axis.ravel() for axis in np.meshgrid(np.arange(DAYS + LATER), np.arange(NAMES)))
        returned = rng.normal(size=len(day))
        noise = np.where(name == 0, returned, rng.normal(size=len(day)))
        con.register("rows", {"d": day, "n": name, "r": returned, "x": noise})
        key = "date '2020-01-01' + d::int as as_of_date, n::bigint as security_id"
        con.execute(f"create table a.labels.lbl_fwd_ret as select {key}, r as fwd_ret_20d from rows")
        con.execute(f"create table a.intermediate.int_universe as select {key}, true as is_member from rows")
        con.execute(f"create table a.features.feat_fundamental as select {key}, x::double as roa from rows")
        con.execute(f"create table b.features.feat_fundamental as select {key}, r::double as roa from rows")
        for name, newest in (("a", DAYS + LATER), ("b", DAYS - 1)):
            known = f"timestamp '2020-01-01 23:59:59' + unnest([0, {newest}]) * interval 1 day as known_at"
            con.execute(f"create table {name}.intermediate.int_fundamentals as select {known}")
        yield con


def test_values_of_common_quarters_are_compared_in_their_newest_version(con):
    assert vintages.changed_values(con, "income") == [("revenue", 3, 2, 1, pytest.approx(0.2))]


def test_features_and_information_of_the_same_rows(con):
    ((feature, rows, changed, alone, median),) = vintages.changed_features(con)
    assert (feature, rows, alone) == ("roa", DAYS * NAMES, 0)
    assert changed == pytest.approx(1 - 1 / NAMES)
    assert median > 0
    ((feature, dates, first, second, difference, t),) = vintages.information(con)
    assert (feature, dates) == ("roa", DAYS)
    assert second == pytest.approx(1)
    assert abs(first) < 0.2
    assert difference == pytest.approx(second - first)
    assert t > 10


def test_t_of_a_mean_by_hand():
    x = np.array([1.0, 3.0, 2.0, 6.0])
    e = x - 3
    weights = [2 * (1 - lag / vintages.HORIZON) * (e[lag:] @ e[:-lag]) for lag in (1, 2, 3)]
    assert vintages.newey_west_t(x) == pytest.approx(12 / math.sqrt(e @ e + sum(weights)))
    assert math.isnan(vintages.newey_west_t(np.ones(5)))
