"""Run one SQL model of the project, or SQL with its macros, on tables of the test's own: refs become table names,
sources <source>__<name>."""

from __future__ import annotations

import datetime as dt
import functools
from pathlib import Path

import duckdb
import jinja2
import yaml

ROOT = Path(__file__).resolve().parents[2]


def compiled(path: str, **overrides) -> str:
    """SQL of models/<path>.sql with the project's vars, some overridden."""
    return rendered((ROOT / "models" / f"{path}.sql").read_text(), **overrides)


def rendered(sql: str, **overrides) -> str:
    """The text of a model or test with the project's macros and vars, some of them overridden."""
    values = project_vars() | overrides
    return template(sql).render(
        ref=lambda name: name,
        source=lambda source, name: f"{source}__{name}",
        run_started_at=dt.datetime(2024, 1, 2),
        var=lambda name: values[name],
        env_var=lambda _, default: default,
        config=lambda **_: "",
        **{"return": lambda value: value},
    )


@functools.cache
def project_vars() -> dict:
    """The vars of dbt_project.yml; not to be written to."""
    return yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"]


@functools.cache
def database(file: str) -> duckdb.DuckDBPyConnection:
    """The database in memory of a test file (its __name__) for examples that replace one another's tables: to make one
    for each would cost more than they do.
    """
    return duckdb.connect()


@functools.cache
def template(sql: str) -> jinja2.Template:
    """The text behind the project's macros, compiled once; materializations are dbt's own kind of macro."""
    environment = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=False)
    macros = [path.read_text() for path in sorted((ROOT / "macros").glob("*.sql"))]
    return environment.from_string("".join(text for text in macros if "{% materialization" not in text) + sql)


def run(connection: duckdb.DuckDBPyConnection, path: str, **overrides) -> None:
    """Create the table named as the model from tables named as its refs."""
    connection.execute(f"create or replace table {Path(path).name} as {compiled(path, **overrides)}")
