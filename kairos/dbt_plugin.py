"""dbt-duckdb plugin: sets DuckDB to the machine and gives SQL the few functions that need Python.

dbt loads it in one thread when the connection opens. Heavy imports stand in kairos/families, not here: a plain SQL run
should not pay for them.
"""

from __future__ import annotations

import json
from pathlib import Path

from dbt.adapters.duckdb.plugins import BasePlugin
from dbt_common.exceptions import DbtRuntimeError

from kairos import machine, publish, settings, state
from kairos.errors import KairosError
from kairos.raw import raw_statements
from kairos.sql import literal


def kairos_raw_statements() -> str:
    """JSON with the statements that show the market's files as raw views, the notices, or the error."""
    try:
        statements, notices = raw_statements(machine.market_dir())
        statements = [*statements, *state.statements(machine.state_dir())]
    except KairosError as error:
        return json.dumps({"error": str(error), "statements": [], "notices": []})
    return json.dumps({"error": None, "statements": statements, "notices": notices})


def _publisher(connection):
    """The function that publishes by cursors of dbt's connection: the query that calls it holds none of the marts."""

    def kairos_publish(marts: str) -> str:
        """Publish the marts of a comma-separated list; returns the name of the new version."""
        return publish.release(connection, machine.published_dir(), [mart for mart in marts.split(",") if mart]).name

    return kairos_publish


def kairos_built_from() -> str:
    """The statement that keeps in the warehouse which market and which state it is built from."""
    places = {"market": machine.market_dir(), "state": machine.state_dir()}
    columns = ", ".join(f"{literal(machine.from_root(place))} as {name}" for name, place in places.items())
    return f"create or replace table raw.built_from as select {columns}"


def kairos_state_begin() -> str:
    """Keep the market's state for this build alone; returns why it cannot have it, or nothing."""
    try:
        state.begin(machine.state_dir())
    except KairosError as error:
        return str(error)
    return ""


def kairos_state_end() -> str:
    """Let other builds have the market's state."""
    state.end(machine.state_dir())
    return ""


def kairos_state_folder(name: str) -> str:
    """A folder of the market's append-only state, made where it is missing."""
    return str(state.folder(machine.state_dir(), name))


def kairos_state_view(name: str) -> str:
    """The statement that shows a folder of the state as a view, with what this build has added to it."""
    return state.view(machine.state_dir(), name)


FUNCTIONS = (
    kairos_raw_statements,
    kairos_built_from,
    kairos_state_begin,
    kairos_state_end,
    kairos_state_folder,
    kairos_state_view,
)


SETTINGS = {
    "preserve_insertion_order": "true",
    # moments without a zone are UTC, wherever the machine stands
    "TimeZone": "UTC",
    # looking for patterns takes a third of the CPU of a feature table, and doubles have none; what these would save is
    # a fifth of a feature table's file (alp, alprd) and a twelfth of the warehouse (bitpacking)
    "disabled_compression_methods": "alp,alprd,bitpacking",
    # row groups written as they fill: less memory held, and a tenth less CPU than writing five at a time
    "write_buffer_row_group_count": "1",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


def set_storage(connection) -> None:
    """Set a DuckDB connection, and all others of its process to the same database, as builds store tables."""
    for name, value in SETTINGS.items():
        connection.execute(f"set global {name} = '{value}'")


class Plugin(BasePlugin):
    """The class must have this name."""

    def initialize(self, plugin_config):
        """Before dbt opens the warehouse: what would be a traceback there, or no word at all, is a sentence here."""
        try:
            settings.check_environment()
            machine.workers()
            publish.check_warehouse(Path(self.creds.path).absolute())
        except KairosError as error:
            raise DbtRuntimeError(str(error)) from error

    def configure_connection(self, conn):
        """Settings, limits from the machine (half of the memory, the rest is for learning), and the functions.

        The settings do not stand in profiles.yml because dbt-duckdb would set those again for every cursor, a thousand
        times a build.
        """
        set_storage(conn)
        spill = machine.target_dir() / "spill"
        spill.mkdir(parents=True, exist_ok=True)
        conn.execute(f"set threads = {machine.workers()}")
        conn.execute(f"set memory_limit = '{machine.memory_bytes() // 2 // 2**20}MiB'")
        conn.execute(f"set temp_directory = {literal(spill)}")
        for function in (*FUNCTIONS, _publisher(conn)):
            parameters = ["VARCHAR"] * function.__code__.co_argcount
            conn.create_function(function.__name__, function, parameters, "VARCHAR", side_effects=True)
