"""The project's feature models, as compiled by dbt, on the tables of bench.data in one DuckDB file."""

from __future__ import annotations

import json
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import duckdb

from bench import compiled
from kairos.dbt_plugin import set_storage

# in the order dbt builds them
TABLES = (
    "feat_price",
    "feat_momentum",
    "feat_volatility",
    "feat_beta",
    "feat_technical",
    "feat_fundamental",
    "feat_relative",
    "feat_cross_asset",
    "feat_alternative",
    "feat_temporal",
)
# what a table reads beside those of bench.data: made with it, or before it where it is another family
STATEMENTS = ("int_fundamental_events", "int_fundamental_steps", "int_fundamentals_as_of")
READS = {"feat_fundamental": STATEMENTS, "feat_alternative": STATEMENTS}
FAMILIES_READ = {
    "feat_relative": ("feat_momentum", "feat_fundamental"),
    "feat_cross_asset": ("feat_momentum", "feat_volatility"),
}
# the rows of all tables, there before any of them
ROWS = ("int_price_runs", "int_feature_rows")
KEYS = ("as_of_date", "security_id", "known_at")


def connect(warehouse: Path, threads: int) -> duckdb.DuckDBPyConnection:
    """A connection set as the project's builds set theirs."""
    con = duckdb.connect(str(warehouse))
    con.execute(f"set threads = {threads}")
    set_storage(con)
    return con


def stored(con: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """Columns of the tables of features that are there."""
    found = con.execute(
        "select table_name, list(column_name order by column_index) from duckdb_columns()"
        " where schema_name = 'features' and database_name = current_database() group by all"
    ).fetchall()
    return {name: columns for name, columns in found if name in TABLES}


def wanted(every: dict[str, list[str]], features: Collection[str]) -> dict[str, list[str]]:
    """Of each table that has some of the features: its keys and these, in order of building."""
    return {
        table: [c for c in every[table] if c in KEYS or c in features]
        for table in TABLES
        if set(every.get(table, [])) & set(features)
    }


def prepare(con: duckdb.DuckDBPyConnection, columns: dict[str, list[str]]) -> None:
    """The order of rows, and what the tables read of other families, where these are not made anyway."""
    compiled.build(con, ROWS)
    others = [read for table in columns for read in FAMILIES_READ.get(table, ()) if read not in columns]
    compiled.build(con, dict.fromkeys(below for read in others for below in (*READS.get(read, ()), read)))


def read(con: duckdb.DuckDBPyConnection, columns: dict[str, list[str]]) -> dict[str, dict[str, str | None]]:
    """Of each table that is made with these: its columns; with a type, those that the selects do not scan.

    What a select scans is what DuckDB plans.
    """
    scanned = {}
    for table, kept in columns.items():
        plan = con.execute(f"explain (format json) {compiled.select(con, table, kept)}").fetchone()[1]
        steps = json.loads(plan)
        while steps:
            step = steps.pop()
            steps += step["children"]
            if found := step["extra_info"].get("Projections"):
                name = step["extra_info"].get("Table", "").split(".")[-1]
                scanned.setdefault(name, set()).update([found] if isinstance(found, str) else found)
    made = {read for table in columns for read in READS.get(table, ()) if read in scanned}
    return {
        table: {
            name: None if name in scanned[table] else kind
            for name, kind, *_ in con.execute(f"describe intermediate.{table}").fetchall()
        }
        for table in made
    }


def statements(
    con: duckdb.DuckDBPyConnection, columns: dict[str, list[str]], reads: dict[str, dict[str, str | None]]
) -> None:
    """Make, once, what the tables read of the statements.

    Of a table in reads, as read() gives it, only what is scanned is worked out. The other columns are there, because
    views name them, and NULL: the table's name is then a view.
    """
    for name in dict.fromkeys(read for table in columns for read in READS.get(table, ())):
        if name not in reads:
            compiled.build(con, [name])
            continue
        kept = [column for column, unread in reads[name].items() if not unread]
        named = [f"null::{unread} as {column}" if unread else column for column, unread in reads[name].items()]
        con.execute(f"drop table if exists intermediate.{name}")
        con.execute(f"create table intermediate.{name}_scanned as {compiled.select(con, name, kept)}")
        con.execute(f"create view intermediate.{name} as select {', '.join(named)} from intermediate.{name}_scanned")


def build(
    con: duckdb.DuckDBPyConnection,
    columns: dict[str, list[str]],
    reads: dict[str, dict[str, str | None]],
    threads: int,
) -> None:
    """Fill the tables, with the columns given, and bring them to the file; reads as read() gives it.

    As in a build by dbt as many tables are made at a time as there are threads, each after those it reads.
    """
    con.execute("create schema if not exists features")
    with ThreadPoolExecutor(threads) as pool:
        # a table's turn comes after those it waits for have been handed out: none waits for one that cannot begin
        made = {STATEMENTS: pool.submit(statements, con.cursor(), columns, reads)}
        for table in columns:
            waits_for = [made[STATEMENTS]] if table in READS else []
            waits_for += [made[read] for read in FAMILIES_READ.get(table, ()) if read in made]
            made[table] = pool.submit(make, con.cursor(), table, columns[table], waits_for)
        for table in made.values():
            table.result()
    con.execute("checkpoint")


def make(con: duckdb.DuckDBPyConnection, table: str, columns: list[str], waits_for: list[Future]) -> None:
    """Fill one table after others."""
    for read in waits_for:
        read.result()
    compiled.build(con, [table], {table: columns})


def greatest(
    con: duckdb.DuckDBPyConnection, columns: dict[str, list[str]], reads: dict[str, dict[str, str | None]]
) -> dict[str, float]:
    """The greatest value of each feature: all is worked out, and of the tables themselves nothing is kept."""
    statements(con, columns, reads)
    found = {}
    for table, kept in columns.items():
        figures = ", ".join(f"max({column})" for column in kept)
        row = con.execute(f"select {figures} from ({compiled.select(con, table, kept)})").fetchone()
        found |= dict(zip(kept, row, strict=True))
    return {name: value for name, value in found.items() if name not in KEYS}


def features(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
    """All built tables side by side, in storage order, joined as the collector joins them."""
    dated = [table for table, columns in stored(con).items() if "known_at" in columns]
    columns = ", ".join(
        f"{table}.* exclude ({', '.join(KEYS if table in dated else KEYS[:2])})" for table in stored(con)
    )
    tables = " positional join ".join(f"features.{table}" for table in stored(con))
    known_at = f"greatest(listed.known_at, {', '.join(f'{table}.known_at' for table in dated)}) as known_at"
    return con.sql(
        f"select listed.as_of_date, listed.security_id, {known_at}, {columns}"
        f" from intermediate.int_prices as listed positional join {tables}"
    )
