"""The project's own SQL, as dbt compiles it, to be run on a plain DuckDB connection without dbt."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import duckdb

ROOT = Path(__file__).resolve().parents[1]
CATALOG = "warehouse"


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
        RuntimeError: dbt cannot compile the project; the message is dbt's.
    """
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "KAIROS_ROOT": str(ROOT),
            "DBT_PROFILES_DIR": str(ROOT),
            "KAIROS_DB": str(Path(folder) / f"{CATALOG}.duckdb"),
            "PYTHONPATH": str(ROOT),
        }
        command = [sys.executable, "-m", "dbt.cli.main", "--no-use-colors", "--quiet", "compile"]
        command += ["--select", "resource_type:model", "--target-path", folder, "--log-path", folder]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"dbt compile failed:\n{done.stdout[-4000:]}\n{done.stderr[-2000:]}")
        manifest = json.loads((Path(folder) / "manifest.json").read_text())
    return {
        node["name"]: Model(node["name"], node["schema"], node["config"]["materialized"], node["compiled_code"])
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["language"] == "sql"
    }


def save(path: Path) -> None:
    """Write the compiled models to a file, for a process that should not pay for dbt."""
    path.write_text(json.dumps([dataclasses.asdict(model) for model in models().values()]))


def load(path: Path) -> None:
    """Use the models of a file written by save() instead of compiling."""
    global models
    read = {given["name"]: Model(**given) for given in json.loads(path.read_text())}
    models = functools.cache(lambda: read)


def build(con: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
    """Make the models named, in the order given, from what the connection's current database holds.

    A table is made as dbt makes it (create table as), a view stays a view; ephemeral models are part of their readers.
    """
    catalog = con.execute("select current_database()").fetchone()[0]
    for name in names:
        model = models()[name]
        sql = re.sub(rf'"{CATALOG}"\.', f'"{catalog}".', model.sql)
        con.execute(f'create schema if not exists "{model.schema}"')
        con.execute(f'create or replace {model.materialized} "{model.schema}"."{model.name}" as {sql}')
