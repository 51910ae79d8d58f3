"""The project's own SQL, as dbt compiles it, to be run on a plain DuckDB connection without dbt."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

import duckdb

from kairos.proof.build import WAREHOUSE, Builder

ROOT = Path(__file__).resolve().parents[1]
CATALOG = Path(WAREHOUSE).stem  # as compiled SQL names it


@dataclasses.dataclass(frozen=True)
class Model:
    """One compiled dbt model: relation `schema.name` and the select that fills it."""

    name: str
    schema: str
    materialized: str
    sql: str


@functools.cache
def models() -> dict[str, Model]:
    """All SQL models of the project by name, compiled once per process.

    Raises:
        ProofError: dbt cannot compile the project; the message is dbt's.
    """
    with tempfile.TemporaryDirectory() as folder:
        nodes = Builder(ROOT).compile(Path(folder), ["resource_type:model"])
    return {
        node.name: Model(node.name, node.schema, node.config.materialized, node.compiled_code)
        for node in nodes
        if node.language == "sql"
    }


def save(path: Path) -> None:
    """Write the compiled models to a file, for a process that should not pay for dbt."""
    path.write_text(json.dumps([dataclasses.asdict(model) for model in models().values()]))


def load(path: Path) -> None:
    """Use the models of a file written by save() instead of compiling."""
    global models
    read = {given["name"]: Model(**given) for given in json.loads(path.read_text())}
    models = functools.cache(lambda: read)


def select(con: duckdb.DuckDBPyConnection, name: str, columns: list[str] | None = None) -> str:
    """The select of a model, or some columns of it, from what the connection's current database holds."""
    catalog = con.execute("select current_database()").fetchone()[0]
    sql = re.sub(rf'"{CATALOG}"\.', f'"{catalog}".', models()[name].sql)
    return f"select {', '.join(columns)} from ({sql})" if columns else sql


def build(con: duckdb.DuckDBPyConnection, names: Iterable[str], columns: dict[str, list[str]] | None = None) -> None:
    """Make the models named, in the order given, from what the connection's current database holds.

    A table is made as dbt makes it (create table as; families of features in full), a view stays a view; ephemeral
    models are part of their readers. A table that columns names gets these columns alone.
    """
    for name in names:
        model = models()[name]
        con.execute(f'create schema if not exists "{model.schema}"')
        kind = "view" if model.materialized == "view" else "table"
        sql = select(con, name, (columns or {}).get(name))
        con.execute(f'create or replace {kind} "{model.schema}"."{model.name}" as {sql}')
