"""Atomic publication of the marts: a new directory in full, then one swap of a link.

published/v_<id>/ holds kairos_marts.duckdb (storage readable by DuckDB 1.2 and later) and one Parquet file per mart;
published/current links to it. A reader holds the old version or gets the new one, never a mixture: open files outlive
the swap, and the newest three versions stay.

The same copies are made in two places: on-run-end of a full green `dbt build` (macros/publish_marts.sql; dbt's process
holds the warehouse, so cursors of its own connection do the work) and `kairos publish` (its own read-only connection).
"""

from __future__ import annotations

import datetime
import secrets
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb

from kairos import machine
from kairos.errors import PublishError, SettingError
from kairos.sql import identifier, literal

KEEP = 3
DATABASE = "kairos_marts.duckdb"
# What a version and the link to it are called until they are whole; no reader takes them for one.
_DRAFT = ".draft_"
# What the name of a warehouse would be taken for: the project's schemas, and what DuckDB and this file call databases.
_NAMES_IN_USE = (
    *("raw", "seeds", "staging", "intermediate", "features", "labels", "ml", "portfolio", "monitoring", "marts"),
    *("main", "memory", "system", "temp", "published_marts"),
)
# Snappy instead of zstd, and no long search for repeats in doubles that have none: less than half the CPU, files a
# tenth larger. Tickers and names of alphas still go into dictionaries.
_PARQUET = "format parquet, compression snappy, dictionary_size_limit 5000"


def fill(connection: duckdb.DuckDBPyConnection, version: Path, marts: list[str]) -> None:
    """Copy the marts of the connection's current database into `version`, as many at a time as there are cores.

    A copy keeps the order of its rows and so runs on one core most of the time; the widest marts start first.

    Args:
        version: an empty directory.
        marts: names of relations in schema marts, each with at least one column.
    """
    if not marts:
        raise PublishError("Publishing needs at least one mart; found none in schema marts. Run `dbt build` first.")
    width = dict(
        connection.execute(
            "select table_name, count(*) from information_schema.columns"
            " where table_schema = 'marts' and table_catalog = current_database() group by table_name"
        ).fetchall()
    )
    copies = []
    for mart in sorted(marts, key=lambda mart: (-width.get(mart, 0), mart)):
        copies.append((mart, f"create table published_marts.marts.{mart} as from marts.{mart}"))
        copies.append((mart, f"copy marts.{mart} to {literal(f'{version / mart}.parquet')} ({_PARQUET})"))
    database = connection.execute("select current_database()").fetchone()[0]

    def copy(given: tuple[str, str]) -> None:
        mart, statement = given
        with connection.cursor() as cursor:
            cursor.execute(f"use {identifier(database)}")
            try:
                cursor.execute(statement)
            except duckdb.Error as error:
                raise PublishError(
                    f"Mart {mart} cannot be copied; the last version stays. DuckDB said: {error}"
                ) from error

    connection.execute(f"attach {literal(version / DATABASE)} as published_marts (storage_version 'v1.2.0')")
    try:
        connection.execute("create schema published_marts.marts")
        with ThreadPoolExecutor(machine.workers()) as threads:
            list(threads.map(copy, copies))
    finally:
        connection.execute("detach published_marts")


def release(connection: duckdb.DuckDBPyConnection, published: Path, marts: list[str]) -> Path:
    """Fill a new version with the marts and make it current; one publication at a time.

    A version takes its name when it is whole. Where filling it fails nothing is left of it, and what a killed
    publication left goes with the next.

    Raises:
        PublishError: a mart cannot be copied, or the folder cannot be written.
    """
    try:
        published.mkdir(parents=True, exist_ok=True)
        with machine.lock_file(published / ".lock") as lock:
            machine.lock(lock)
            for left in published.glob(f"{_DRAFT}*"):
                left.unlink() if left.is_symlink() else shutil.rmtree(left)
            moment = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S%f")
            version = published / f"v_{moment}_{secrets.token_hex(2)}"
            draft = published / f"{_DRAFT}{version.name}"
            draft.mkdir()
            try:
                fill(connection, draft, marts)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)
                raise
            draft.rename(version)
            _make_current(version)
            return version
    except OSError as error:
        raise PublishError(
            f"{published} cannot be written ({error}); the last version stays. Make room or correct the folder"
            " (KAIROS_PUBLISHED), then run `kairos publish`."
        ) from error


def _make_current(version: Path) -> None:
    """Swap published/current to `version` in one step and remove all but the newest versions."""
    published = version.parent
    before = (published / "current").resolve()
    link = published / f"{_DRAFT}current"
    link.symlink_to(version.name, target_is_directory=True)
    link.replace(published / "current")
    # names stand in order of time but where a clock was set back, and what was current a moment ago has readers
    others = [d for d in sorted(published.glob("v_*")) if d.is_dir() and d.resolve() not in (version.resolve(), before)]
    for directory in others[: len(others) - (KEEP - 2)]:
        shutil.rmtree(directory, ignore_errors=True)


def declared_marts(project: Path) -> list[str]:
    """Names of the marts that the project has: its files below models/marts."""
    return sorted(file.stem for file in (project / "models" / "marts").glob("**/*.sql"))


def unfinished(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether a build of the connection's current database was stopped, or nodes did not pass and have not since: its
    tables may be of two builds (macros/build_underway.sql)."""
    return bool(
        connection.execute(
            "select 1 from duckdb_tables() where database_name = current_database() and schema_name = 'raw'"
            " and table_name = 'build_underway'"
        ).fetchall()
    )


def publish(warehouse: Path, published: Path, declared: Sequence[str] = ()) -> Path:
    """Publish every relation of schema marts of a warehouse nobody is writing.

    Args:
        declared: marts that must be there, for a version is all of them.

    Raises:
        PublishError: no warehouse, one that another process is writing, one whose last build was stopped or failed, or
            one without marts or some of them.
    """
    if not warehouse.exists():
        raise PublishError(f"There is no warehouse at {warehouse}. Run `make build`, or set KAIROS_DB to yours.")
    with duckdb.connect() as connection:
        try:
            connection.execute(f"attach {literal(warehouse)} as warehouse (read_only)")
        except duckdb.Error as error:
            raise PublishError(locked_message(warehouse, error)) from error
        connection.execute("use warehouse")
        if unfinished(connection):
            raise PublishError(
                f"The last build of {warehouse} was stopped or did not pass, so marts of two builds may stand side by"
                " side. Build until it passes; a whole build publishes by itself."
            )
        rows = connection.execute(
            "select table_name from information_schema.tables where table_catalog = 'warehouse'"
            " and table_schema = 'marts'"
            " and table_name not like '%\\_\\_dbt\\_%' escape '\\'"
        ).fetchall()
        marts = [name for (name,) in rows]
        if missing := sorted(set(declared) - set(marts)):
            raise PublishError(
                f"{warehouse} lacks {len(missing)} of {len(declared)} marts, {missing[0]} among them, and a version is"
                " all of them. Run `make build`."
            )
        return release(connection, published, marts)


def check_warehouse(warehouse: Path) -> None:
    """Open and close the warehouse that a build writes, after making its folder.

    Raises:
        SettingError: it cannot be opened; says why, and the cure.
    """
    try:
        warehouse.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(
            f"The folder of the warehouse {warehouse} cannot be made: {error}. Correct KAIROS_DB."
        ) from error
    if warehouse.is_dir():
        raise SettingError(
            f"The warehouse {warehouse} is a folder. Set KAIROS_DB to a file, such as {warehouse}/kairos.duckdb."
        )
    if (real := warehouse.resolve()).stem != warehouse.stem:
        raise SettingError(
            f"The warehouse {warehouse} is a link to {real}: DuckDB names the database after that file, dbt after the"
            f" link. Set KAIROS_DB to {real}."
        )
    if "?" in str(warehouse):
        raise SettingError(
            f"The path of the warehouse {warehouse} has a question mark, at which DuckDB ends. Correct KAIROS_DB."
        )
    if warehouse.stem in _NAMES_IN_USE or set(warehouse.stem) & set(".'\""):
        raise SettingError(
            f"The warehouse cannot be called {warehouse.name}: DuckDB names the database after its file, and the name"
            f" may hold no dot or quote and be none of {', '.join(_NAMES_IN_USE)}. Set KAIROS_DB to another, such as"
            f" {warehouse.with_name('kairos.duckdb')}."
        )
    try:
        duckdb.connect(str(warehouse)).close()
    except duckdb.Error as error:
        raise SettingError(locked_message(warehouse, error)) from error


def locked_message(path: Path, error: Exception) -> str:
    """What to say when a DuckDB file cannot be opened: who holds it, what it lacks, and the ways out."""
    detail = " ".join(str(error).split())
    if "lock" in detail.lower():
        return (
            f"The warehouse {path} is held by another process. DuckDB said: {detail} Close that process (a build, a"
            " shell, a BI tool), read published/current/kairos_marts.duckdb instead, or set KAIROS_DB to another file."
        )
    if any(word in detail.lower() for word in ("permission denied", "read-only file system", "no space left")):
        return (
            f"The warehouse {path} cannot be written or read by this user. DuckDB said: {detail} Correct the rights of"
            " the file and its folder or make room there, or set KAIROS_DB to another file."
        )
    return (
        f"The warehouse {path} cannot be opened. DuckDB said: {detail} If it was written by another version or is"
        " damaged, move it away and build again: every table follows from the market's files and the state."
    )
