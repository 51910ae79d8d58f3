"""Tables and views take the place of what stood there, whatever it was; a model that fails leaves it as it was."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import duckdb
import pytest

from kairos import machine
from kairos.errors import ProofError
from kairos.proof import Builder

PROFILE = """
small:
  target: only
  outputs:
    only: {type: duckdb, path: "{{ env_var('KAIROS_DB') }}", threads: 1}
"""
CONTRACT = "config: {contract: {enforced: true}}, columns: [{name: n, data_type: integer}]"
CONTRACTED = f"models: [{{name: contracted, {CONTRACT}}}, {{name: contracted_view, {CONTRACT}}}]"
PYTHON = """
import pyarrow


def model(dbt, session):
    return pyarrow.table({"n": [%s]})
"""


def write(folder: Path, **models: str) -> Builder:
    """A dbt project of models file__kind -> code, in the place of the one before, with our materializations."""
    project = folder / "project"
    # parsed anew: what dbt keeps of a parse forgets the contract of a model that was gone and comes back
    for part in ("models", "macros", "target"):
        shutil.rmtree(project / part, ignore_errors=True)
    for part in ("models", "macros"):
        (project / part).mkdir(parents=True)
    shutil.copy(machine.root() / "macros/tables_and_views.sql", project / "macros")
    (project / "dbt_project.yml").write_text("{name: small, version: '1.0', profile: small}")
    (project / "profiles.yml").write_text(PROFILE)
    (project / "models/models.yml").write_text(CONTRACTED)
    for file, code in models.items():
        (project / f"models/{file.replace('__', '.')}").write_text(code)
    return Builder(project)


def sql(materialized: str, select: str) -> str:
    return f"{{{{ config(materialized='{materialized}') }}}} {select}"


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory) -> Path:
    """Built as tables and views, then anew from other values."""
    folder = tmp_path_factory.mktemp("materializations")
    for n in (1, 2):
        builder = write(
            folder,
            plain__sql=sql("table", f"select {n} as n"),
            grows__sql=sql(
                "table",
                f"select {n} as n {{% if load_relation(this) %}} union all from {{{{ this }}}} {{% endif %}}",
            ),
            seen__sql=sql("view", "select n from {{ ref('plain') }}"),
            contracted__sql=sql("table", f"select {n} as n"),
            contracted_view__sql=sql("view", f"select {n} as n"),
            learned__py=PYTHON % n,
            turns__sql=sql("table" if n == 1 else "view", f"select {n} as n"),
            back__sql=sql("view" if n == 1 else "table", f"select {n} as n"),
        )
        builder.build(folder / "market", folder / "work")
    return folder


def found(folder: Path) -> dict[str, list[int]]:
    """Rows of each relation of the warehouse."""
    with duckdb.connect(str(folder / "work/kairos.duckdb"), read_only=True) as con:
        names = con.sql("select table_name, table_type from information_schema.tables order by 1").fetchall()
        return {f"{name} {kind}": sorted(n for (n,) in con.sql(f"from {name}").fetchall()) for name, kind in names}


def test_a_second_build_takes_the_place_of_the_first(warehouse):
    """Nothing else is left behind; a model may read what it replaces."""
    assert found(warehouse) == {
        "back BASE TABLE": [2],
        "contracted BASE TABLE": [2],
        "contracted_view VIEW": [2],
        "grows BASE TABLE": [1, 2],
        "learned BASE TABLE": [2],
        "plain BASE TABLE": [2],
        "seen VIEW": [2],
        "turns VIEW": [2],
    }


def test_a_model_that_fails_leaves_what_stood_there(warehouse):
    before = found(warehouse)
    fails = "select error('it fails')::integer as n"
    failing = {
        "plain__sql": sql("table", fails),
        "contracted__sql": sql("table", fails),
        "learned__py": PYTHON % "1 / 0",
        "turns__sql": sql("table", fails),
        "back__sql": sql("view", "select no_column as n"),
    }
    builder = write(warehouse, **failing)
    with pytest.raises(ProofError) as error:
        builder.build(warehouse / "market", warehouse / "work")
    assert all(f"{file.split('__')[0]}:" in str(error.value) for file in failing)
    assert found(warehouse) == before


def test_a_contract_refuses_other_columns_in_tables_and_views(warehouse):
    before = found(warehouse)
    other = "select 'a' as n, 1 as more"
    builder = write(warehouse, contracted__sql=sql("table", other), contracted_view__sql=sql("view", other))
    with pytest.raises(ProofError) as error:
        builder.build(warehouse / "market", warehouse / "work")
    for name in ("contracted", "contracted_view"):
        assert re.search(rf"{name}: .*macro assert_columns_equivalent.*by model {name} ", str(error.value))
    assert found(warehouse) == before
