"""The parts of the lookahead proof on hand-made files and warehouses: what is deleted, what is compared, what shows."""

from __future__ import annotations

import datetime
from pathlib import Path

import duckdb
import pytest

from kairos.demo import write_market
from kairos.errors import ProofError
from kairos.proof import ProofRow, compare, delete_future, read_models, report, to_table
from kairos.proof.attack import RULES
from kairos.proof.compare import ROW, Model
from kairos.raw import TABLES

CUT = datetime.date(2023, 3, 15)
FACTS = Model("facts", "features", None, None, ("as_of_date", "security_id"))


# --- the attack ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def attacked(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("attack")
    market = write_market(folder / "market", securities=24, years=2)
    delete_future(market, folder / "attacked", CUT)
    return market, folder / "attacked"


def one(sql: str):
    return duckdb.sql(sql).fetchall()[0]


def test_every_table_of_a_market_has_a_rule():
    assert set(RULES) == {(table.vendor, table.name) for table in TABLES}


def test_bars_end_at_the_cut_and_earlier_rows_are_untouched(attacked):
    market, copy = attacked
    assert one(f"select max(\"Date\") from '{copy}/yahoo/prices.parquet'") == (CUT,)
    before = f"select * from '{market}/yahoo/prices.parquet' where \"Date\" <= date '{CUT}'"
    assert duckdb.sql(before).fetchall() == duckdb.sql(f"from '{copy}/yahoo/prices.parquet'").fetchall()


def test_what_is_known_after_the_close_of_its_date_goes_with_the_cut(attacked):
    market, copy = attacked
    assert one(f"select max(\"DATE\") < date '{CUT}' from '{copy}/cboe/VIX_History.parquet'") == (True,)
    for name in ("income", "balance", "cashflow"):
        file = f"simfin/us-{name}-quarterly.parquet"
        kept, last = one(f"select count(*), max(\"Publish Date\") from '{copy}/{file}'")
        expected = one(f"select count(*) from '{market}/{file}' where \"Publish Date\" < date '{CUT}'")[0]
        assert 0 < kept == expected
        assert last < CUT


def test_restated_rows_stay_by_their_publish_date_unless_the_policy_says_otherwise(attacked, tmp_path, monkeypatch):
    market, copy = attacked
    later = f"count(*) filter (where \"Restated Date\" >= date '{CUT}')"
    file = "simfin/us-income-quarterly.parquet"
    assert one(f"select {later} > 0 from '{copy / file}'") == (True,)
    monkeypatch.setenv("KAIROS__SIMFIN_VALUE_POLICY", "restated_date")
    delete_future(market, tmp_path / "restated", CUT)
    assert one(f"select {later} = 0 from '{tmp_path / 'restated' / file}'") == (True,)


def test_later_dividends_go_and_splits_stay(attacked):
    market, copy = attacked
    splits = (
        'select ticker, "Date", "Stock Splits" from \'{}/yahoo/actions.parquet\' where "Stock Splits" > 0 order by all'
    )
    assert duckdb.sql(splits.format(market)).fetchall() == duckdb.sql(splits.format(copy)).fetchall()
    assert one(f"select count(*) > 0 from '{copy}/yahoo/actions.parquet' where \"Date\"[:10] > '{CUT}'") == (True,)
    paid = f'sum("Dividends") filter (where "Date"[:10] > \'{CUT}\')'
    assert one(f"select {paid} from '{market}/yahoo/actions.parquet'")[0] > 0
    assert one(f"select {paid} from '{copy}/yahoo/actions.parquet'") == (0,)
    assert (copy / "basis.csv").read_bytes() == (market / "basis.csv").read_bytes()


def test_csv_files_are_cut_like_parquet_and_later_exits_are_undone(tmp_path):
    folder = tmp_path / "market" / "sp500"
    folder.mkdir(parents=True)
    rows = ["ticker,start_date,end_date", "A,2000-01-03,", "B,2000-01-03,2023-03-15", "C,2001-01-02,2023-03-16"]
    (folder / "membership.csv").write_text("\n".join([*rows, "D,2023-03-16,", "E,not a date,"]) + "\n")
    assert delete_future(tmp_path / "market", tmp_path / "copy", CUT) == {"sp500/membership.csv": 2}
    written = (tmp_path / "copy/sp500/membership.csv").read_text().splitlines()
    assert written == [*rows[:3], "C,2001-01-02,", "E,not a date,"]


def test_a_cut_after_everything_is_refused(attacked, tmp_path):
    with pytest.raises(ProofError, match="earlier cut"):
        delete_future(attacked[0], tmp_path, datetime.date(2030, 1, 2))


# --- the comparison --------------------------------------------------------------------------------------------------


def warehouse(folder: Path, *statements: str) -> Path:
    folder.mkdir()
    with duckdb.connect(str(folder / "kairos.duckdb")) as con:
        for schema in ("intermediate", "features", "ml"):
            con.execute(f"create schema {schema}")
        for statement in statements:
            con.execute(statement)
    return folder / "kairos.duckdb"


def facts(values: str) -> str:
    """A table of four days, the cut the third, for one security: column x of the given values, then one at random."""
    return f"""create table features.facts as select date '2023-03-12' + d::int as as_of_date, 7::bigint as security_id,
        x::double as x, random() as fwd_ret_5d, now() as built_at
        from (values (1, {values.split(";")[0]}), (2, {values.split(";")[1]}), (3, {values.split(";")[2]}),
            (4, random())) as t(d, x)"""


def differences(rows: list[ProofRow]) -> dict[str, int]:
    return {f"{row.model_name}.{row.column_name}": row.rows_different for row in rows if row.rows_different}


@pytest.mark.parametrize(
    ("here", "there", "different"),
    [
        ("1.5; null; 'nan'", "1.5; null; 'nan'", 0),
        ("1.5; null; 'nan'", "1.5; 'nan'; null", 2),
        ("0.1; 0.0; 1", "0.1; '-0.0'; 1", 1),
        ("0.1; 0.3; 1", "0.1; 0.1::double + 0.2::double; 1", 1),
    ],
)
def test_values_are_compared_to_the_bit_up_to_the_cut(tmp_path, here, there, different):
    whole, copy = warehouse(tmp_path / "a", facts(here)), warehouse(tmp_path / "b", facts(there))
    rows = compare(whole, copy, [FACTS], CUT)
    assert {row.column_name for row in rows} == {ROW, "x"}, "forward and volatile columns are no part of it"
    assert {row.rows_compared for row in rows} == {3}
    assert differences(rows) == ({"facts.x": different} if different else {})


def test_first_difference_names_key_and_both_values(tmp_path):
    whole, copy = warehouse(tmp_path / "a", facts("1;2;3")), warehouse(tmp_path / "b", facts("1;5;6"))
    row = next(row for row in compare(whole, copy, [FACTS], CUT) if row.column_name == "x")
    assert (row.rows_different, row.first_difference) == (2, "2023-03-14, 7: 2.0 | 5.0")
    assert "facts.x: 2 of 3 rows differ" in report([row])
    assert to_table([row]).to_pylist()[0]["cut_date"] == CUT


def test_missing_and_surplus_rows_are_differences_of_the_row(tmp_path):
    whole = warehouse(tmp_path / "a", facts("1;2;3"), "delete from features.facts where as_of_date = '2023-03-13'")
    copy = warehouse(tmp_path / "b", facts("1;2;3"), "delete from features.facts where as_of_date = '2023-03-14'")
    rows = compare(whole, copy, [FACTS], CUT)
    assert differences(rows) == {f"facts.{ROW}": 2}
    assert rows[0].first_difference == "2023-03-13, 7: only in the attacked"


def test_keys_without_a_test_and_repeated_rows_still_match(tmp_path):
    sql = "create table features.facts as select date '2023-03-14' as as_of_date, 1 as id, x from (values {}) t(x)"
    whole = warehouse(tmp_path / "a", sql.format("(0.5::double), (0.25), (0.25)"))
    copy = warehouse(tmp_path / "b", sql.format("(0.25::double), (0.5), (0.75)"))
    unkeyed = Model("facts", "features", None, None)
    assert differences(compare(whole, copy, [unkeyed], CUT)) == {"facts.x": 2}


def test_blobs_and_lists_of_fits_are_compared(tmp_path):
    sql = """create table ml.ml_fits as select 'f' as fit_id, date '2023-03-01' as effective_date,
        {} as medians, '{}'::blob as estimator"""
    whole = warehouse(tmp_path / "a", sql.format("[0.0::double, null]", "\\x00a"))
    copy = warehouse(tmp_path / "b", sql.format("['-0.0'::double, null]", "\\x00b"))
    fits = Model("ml_fits", "ml", "effective_date", None, ("fit_id",))
    assert differences(compare(whole, copy, [fits], CUT)) == {"ml_fits.medians": 1, "ml_fits.estimator": 1}


def test_moments_are_held_against_the_close_of_the_cut(tmp_path):
    sql = """create table intermediate.events as select * from (values
        (timestamp '2023-03-15 20:00:00', 1.0::double), (timestamp '2023-03-15 23:59:59', {})) t(known_at, x)"""
    whole, copy = warehouse(tmp_path / "a", sql.format(2)), warehouse(tmp_path / "b", sql.format(3))
    rows = compare(whole, copy, [Model("events", "intermediate", "known_at", None, ("known_at",))], CUT)
    assert {(row.rows_compared, row.rows_different) for row in rows} == {(1, 0)}


def test_a_model_with_rows_and_no_date_is_named(tmp_path):
    whole = warehouse(tmp_path / "a", "create table ml.loose as select 1 as x", "create table ml.none (x int)")
    copy = warehouse(tmp_path / "b", "create table ml.loose as select 1 as x", "create table ml.none (x int)")
    models = [Model("loose", "ml", None, None), Model("none", "ml", None, None), Model("absent", "ml", None, None)]
    with pytest.raises(ProofError, match=r"1 model\(s\) have rows and no as_of_date: ml.loose"):
        compare(whole, copy, models, CUT)
    assert compare(whole, copy, [Model("loose", "ml", None, "a list of constants")], CUT) == []


def test_undated_excuses_nothing_that_has_an_as_of_date(tmp_path):
    whole, copy = warehouse(tmp_path / "a", facts("1;2;3")), warehouse(tmp_path / "b", facts("1;2;4"))
    rows = compare(whole, copy, [Model("facts", "features", None, "says so", FACTS.key)], CUT)
    assert differences(rows) == {"facts.x": 1}


def test_models_are_read_from_the_manifest():
    def node(name, schema, **meta):
        return {"resource_type": "model", "name": name, "schema": schema, "config": {"meta": meta}}

    test = {
        "resource_type": "test",
        "test_metadata": {"name": "unique_key", "kwargs": {"columns": ["fold_id"]}},
        "attached_node": "model.kairos.ml_fits",
    }
    manifest = {
        "nodes": {
            "model.kairos.labels": node("labels", "labels"),
            "model.kairos.ml_fits": node("ml_fits", "ml", date_column="effective_date"),
            "model.kairos.int_splits": node("int_splits", "intermediate", undated="units"),
            "test.kairos.key": test,
        }
    }
    assert read_models(manifest) == [
        Model("int_splits", "intermediate", None, "units"),
        Model("ml_fits", "ml", "effective_date", None, ("fold_id",)),
    ]
