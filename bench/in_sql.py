"""The project's feature models, as compiled by dbt, on the tables of bench.data in one DuckDB file."""

from __future__ import annotations

from pathlib import Path

import duckdb

from bench import compiled

# in the order dbt builds them; views cost nothing
MODELS = [
    "int_price_runs",
    "int_fundamental_events",
    "int_fundamental_steps",
    "int_fundamentals_as_of",
    "feat_price",
    "feat_momentum",
    "feat_volatility",
    "feat_beta",
    "feat_technical",
    "feat_fundamental",
]
# profiles.yml
SETTINGS = {
    "preserve_insertion_order": "true",
    "disabled_compression_methods": "'alp,alprd'",
    "write_buffer_row_group_count": "1",
}


def connect(warehouse: Path, threads: int) -> duckdb.DuckDBPyConnection:
    """A connection set as the project's profile sets it."""
    con = duckdb.connect(str(warehouse))
    con.execute(f"set threads = {threads}")
    for name, value in SETTINGS.items():
        con.execute(f"set {name} = {value}")
    return con


def build(con: duckdb.DuckDBPyConnection) -> None:
    """Fill all feature tables and bring them to the file."""
    compiled.build(con, MODELS)
    con.execute("checkpoint")


def features(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
    """The built tables side by side, in storage order, joined as the collector joins them."""
    families = ["price", "momentum", "volatility", "beta", "technical", "fundamental"]
    columns = ", ".join(f"{family}.* exclude (as_of_date, security_id)" for family in families)
    tables = " positional join ".join(f"features.feat_{family} as {family}" for family in families)
    return con.sql(f"select price.as_of_date, price.security_id, {columns} from {tables}")
