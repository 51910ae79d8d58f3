"""The benchmark's two sides on a small market: they must be equal before any time is worth taking."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bench import compare, compiled, data, in_polars, in_sql, increment, learning
from bench.one_round import columns
from kairos.families import family_named
from kairos.fitting import TrainingRows, fit_rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A market of 70 securities x 3 years: enough names of a sector for its median."""
    folder = tmp_path_factory.mktemp("bench")
    data.write(folder, securities=70, years=3)
    return folder


@pytest.fixture(scope="module")
def sides(folder) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(features by the project's SQL, features by Polars)."""
    with in_sql.connect(folder / "source.duckdb", threads=2) as con:
        compiled.build(con, [*in_sql.ROWS, *in_sql.STATEMENTS, *in_sql.TABLES])
        ours = in_sql.features(con).pl()
    return ours, in_polars.features(folder).collect(engine="streaming")


def test_sql_and_polars_give_equal_rows(sides):
    ours, theirs = sides
    assert compare.differences(ours, theirs, in_polars.FEATURES) == []
    assert ours.height > 10_000
    lacking = set(ours.columns) - {*compare.KEYS, *in_polars.FEATURES}
    assert not lacking, f"features.features has them, FAMILIES of bench/in_polars.py does not: {sorted(lacking)}"
    assert all(ours[name].count() > 0 for name in in_polars.FEATURES)


def test_a_set_alone_is_worked_out_alone(folder, sides, tmp_path):
    wanted = columns("kairos_23")
    shutil.copyfile(folder / "source.duckdb", tmp_path / "source.duckdb")
    with in_sql.connect(tmp_path / "source.duckdb", threads=2) as con:
        tables = in_sql.wanted(in_sql.stored(con), wanted)
        in_sql.build(con, tables, in_sql.read(con, tables), threads=2)
        assert in_sql.features(con).select(*wanted).pl().equals(sides[0].select(wanted))
        counts = "count(net_income_ttm), count(shares), count(dividends_paid_ttm)"
        found = con.execute(f"select {counts} from intermediate.int_fundamental_steps").fetchone()
        assert [count > 0 for count in found] == [True, True, False]


def test_what_is_not_stored_is_worked_out(folder, sides, tmp_path):
    wanted = columns("kairos_23")
    shutil.copyfile(folder / "source.duckdb", tmp_path / "source.duckdb")
    with in_sql.connect(tmp_path / "source.duckdb", threads=2) as con:
        tables = in_sql.wanted(in_sql.stored(con), wanted)
        ours = in_sql.greatest(con, tables, in_sql.read(con, tables))
    theirs = in_polars.greatest(folder, wanted)
    stored = {name: sides[0][name].max() for name in wanted}
    assert ours == stored
    assert theirs == pytest.approx(stored, rel=1e-9)


@pytest.mark.parametrize("name", ["beta_252d", "roe"])
def test_comparison_sees_one_cell(sides, name):
    ours, theirs = sides
    row = theirs[name].is_not_null().arg_true()[-1]
    nudged = theirs.with_columns(pl.when(pl.int_range(pl.len()) == row).then(pl.col(name) * (1 + 1e-7)).otherwise(name))
    assert compare.differences(ours, nudged, in_polars.FEATURES) != []
    emptied = theirs.with_columns(pl.when(pl.int_range(pl.len()) != row).then(name).alias(name))
    assert compare.differences(ours, emptied, in_polars.FEATURES) != []
    assert compare.differences(ours, theirs.reverse(), in_polars.FEATURES) != []


def test_a_batch_on_many_names_equals_all_rows_made_anew(folder):
    """A new session of all names, and two names anew: rows come in chunks of very unequal size."""
    with in_sql.connect(folder / "source.duckdb", threads=2) as con:
        increment.prepare(con)
        tables = increment.families(con)
        made = increment.fingerprints(con, tables)
        assert len(tables) >= 8
        increment.forget_day(con, tables)
        increment.add_day(con, tables)
        assert increment.fingerprints(con, tables) == made
        names = con.sql("select distinct security_id from intermediate.int_prices order by 1").fetchall()
        # those that a renewed name does not make anew as a whole
        of_one_name = ["price", "momentum", "volatility", "beta", "technical", "fundamental"]
        tables = ["int_feature_rows", *(f"feat_{family}" for family in of_one_name)]
        for renewed in ([names[20]], [names[10], names[30]]):
            increment.forget_day(con, tables, renewed=[name for (name,) in renewed])
            assert increment.fingerprints(con, tables) != made
            increment.add_day(con, tables, renewed=[name for (name,) in renewed])
            assert increment.fingerprints(con, tables) == {table: made[table] for table in tables}
        for table in tables[1:]:
            apart = con.sql(
                f"from intermediate.int_feature_rows as a positional join features.{table} as b"
                " where (a.security_id, a.as_of_date) is distinct from (b.security_id, b.as_of_date)"
            )
            assert len(apart.fetchall()) == 0


@pytest.mark.filterwarnings("ignore:Skipping features without any observed values")
@pytest.mark.parametrize("family", ["linear", "logistic", "ridge", "lasso", "elastic_net"])
def test_the_librarys_pipeline_learns_what_a_fit_learns(family):
    rng = np.random.default_rng(5)
    X = rng.standard_normal((3000, 4)) * [1.0, 50.0, 0.01, 1.0] + [0.0, 1e3, 0.0, 0.0]
    y = X[:, 0] + X[:, 2] * 100 + rng.standard_normal(3000)
    X[rng.random(X.shape) < 0.1] = np.nan
    X[:, 3] = np.nan
    algorithm = family_named(family)
    task = algorithm.tasks[0]
    y = (y > 0).astype(float) if task == "classification" else y
    keys = np.zeros(3000, np.int32), np.zeros(3000, np.int64)
    rows = TrainingRows(*keys, X, y, ["a", "b", "c", "nowhere"])
    given = (algorithm, task, algorithm.defaults, 7, rows)
    preparation, estimator = fit_rows(*given)
    pipeline = learning.fit_pipeline(*given)
    assert preparation.dropped == ["nowhere"]
    learning.check_same(algorithm, task, (preparation, estimator), pipeline, rows)
    preparation.medians[1] += 1e-3
    with pytest.raises(SystemExit, match=f"{family}: the library's pipeline learns other medians"):
        learning.check_same(algorithm, task, (preparation, estimator), pipeline, rows)
