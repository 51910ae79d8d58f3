"""Two warehouses held against each other: rows dated at or before a cut, column by column, to the bit.

What is compared follows from the project, not from a list of exceptions:

* every model of the dated layers that has an `as_of_date`, or the column its `meta.date_column` names; a model with
  neither must say why in `meta.undated`.
* every column but those that look forward (rule 9: they begin with one of FORWARD), and those that may differ between
  two builds of the same files (they end in one of VOLATILE). Labels are a layer of their own and forward as a whole.
* rows are matched by the key that a test of the model holds it to (KEY_TESTS), else by every column that is no
  measurement.

* columns that are declared to be levels (`meta.basis: level`) are in units of the files: under the attack that splits
  names later they are compared but for powers of two.
* where names are split by factors that no double divides exactly (`resplit_odd`), last digits are others, and only the
  features are compared, at NEAR.

Bits: NULL equals NULL, NaN equals NaN of the same payload, and 0.0 differs from -0.0.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from kairos.errors import ProofError
from kairos.schemas import PROOFS
from kairos.sessions import closes

LAYERS = ("intermediate", "features", "ml", "portfolio", "monitoring", "marts")
FORWARD = ("fwd_ret_", "outperform_", "updown_", "label_", "net_logret", "realized_", "matured_")
VOLATILE = ("_run_id", "built_at", "published_at")
MEASUREMENTS = ("DOUBLE", "FLOAT", "DECIMAL", "BLOB", "TIMESTAMP")
ROW = "(row)"
# what an attack is held to that moves last digits, and how far: |a - w| <= NEAR x (|w| + median |w| of the column)
NEAR_LAYERS = {"resplit_odd": ("features",)}
NEAR = 1e-9
# generic tests that promise a key, the first that a model has counting; a key of its own stands in argument columns
KEY_TESTS = {"unique_key": (), "stored_in_order": (), "stored_like": ("as_of_date", "security_id")}


@dataclass(frozen=True)
class Model:
    """A model as dbt's manifest declares it; `date_column` None = no date, and `undated` says why."""

    name: str
    schema: str
    date_column: str | None
    undated: str | None
    key: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProofRow:
    """One column of one model under one attack.

    `rows_compared` counts rows dated at or before the cut in either warehouse; `rows_different` those whose value (or,
    for the column '(row)', whose existence) differs, under `resplit_odd` by more than NEAR; `first_difference` is key:
    value of the whole | of the attacked.
    """

    model_name: str
    column_name: str
    attack: str
    cut_date: datetime.date
    rows_compared: int
    rows_different: int
    first_difference: str | None


def to_table(rows: Iterable[ProofRow], proved_at: datetime.datetime, code_version: str) -> pa.Table:
    """The rows of a proof as Arrow, as the state keeps them and fct_proofs shows them.

    Args:
        proved_at: UTC, without a zone.
        code_version: digest of the project that was proven.
    """
    said = {"proved_at": proved_at, "code_version": code_version}
    return pa.Table.from_pylist([asdict(row) | said for row in rows], schema=PROOFS)


def read_models(manifest: dict) -> list[Model]:
    """The models of the dated layers and what they say about themselves.

    Args:
        manifest: dbt's manifest.json as a dict.
    """
    keys: dict[str, tuple[str, ...]] = {}
    for name, columns in KEY_TESTS.items():
        for node in manifest["nodes"].values():
            test = node.get("test_metadata") or {}
            if node["resource_type"] == "test" and test.get("name") == name:
                keys.setdefault(node["attached_node"], tuple(test["kwargs"].get("columns", columns)))
    models = []
    for unique_id, node in manifest["nodes"].items():
        if node["resource_type"] == "model" and node["schema"] in LAYERS:
            meta = node["config"].get("meta") or {}
            models.append(
                Model(
                    name=node["name"],
                    schema=node["schema"],
                    date_column=meta.get("date_column"),
                    undated=meta.get("undated"),
                    key=keys.get(unique_id, ()),
                    levels=tuple(name for name, column in node.get("columns", {}).items() if _is_level(column)),
                )
            )
    return sorted(models, key=lambda model: (LAYERS.index(model.schema), model.name))


def _is_level(column: dict) -> bool:
    """Whether a column is declared to be in units of the files, which later splits change (meta.basis: level)."""
    return ((column.get("config") or {}).get("meta") or column.get("meta") or {}).get("basis") == "level"


def compare(
    whole: Path, attacked: Path, models: Iterable[Model], cut: datetime.date, attack: str = "deleted"
) -> list[ProofRow]:
    """Compare every dated model of two warehouses at or before the close of `cut`.

    Args:
        whole, attacked: DuckDB files that no other process writes, of the same file name (views name their catalog).
        models: from read_models(); a model whose relation is in neither warehouse is passed over.
        cut: a session.

    Returns:
        One row per model and column compared, models in the order of the data's way.

    Raises:
        ProofError: a model has rows and neither a date nor a reason; its date column or its columns' types do not fit.
    """
    rows: list[ProofRow] = []
    undeclared: list[str] = []
    with duckdb.connect(str(whole), read_only=True) as first, duckdb.connect(str(attacked), read_only=True) as second:
        relations = [_relations(con) for con in (first, second)]
        for model in models:
            columns = relations[0].get((model.schema, model.name))
            if not columns or model.schema not in NEAR_LAYERS.get(attack, LAYERS):
                continue
            date_column = _date_column(model, columns)
            if date_column is None:
                if not model.undated and _has_rows(first, model):
                    undeclared.append(f"{model.schema}.{model.name}")
                continue
            if relations[1].get((model.schema, model.name)) != columns:
                raise ProofError(f"{model.schema}.{model.name} has other columns in {attacked} than in {whole}.")
            tables = [_slice(con, model, columns, date_column, cut) for con in (first, second)]
            if attack == "resplit":
                tables = [_without_units(table, model.levels) for table in tables]
            rows += _compare(model, columns, date_column, tables, cut, attack)
    if undeclared:
        raise ProofError(
            f"{len(undeclared)} model(s) have rows and no as_of_date: {', '.join(undeclared)}. Name the column that"
            " dates them in meta.date_column, or say in meta.undated why they have none."
        )
    return rows


def _relations(con: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], dict[str, str]]:
    """(schema, name) -> column -> type, of every relation of a warehouse."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for schema, name, column, type_ in con.execute(
        "select table_schema, table_name, column_name, data_type from information_schema.columns"
        " where table_catalog = current_database() order by table_schema, table_name, ordinal_position"
    ).fetchall():
        found.setdefault((schema, name), {})[column] = type_
    return found


def _date_column(model: Model, columns: dict[str, str]) -> str | None:
    """The column that dates a model's rows: declared, or as_of_date, whatever meta.undated says."""
    if model.date_column:
        if model.date_column not in columns:
            raise ProofError(
                f"{model.schema}.{model.name} names meta.date_column {model.date_column}, and has no such column."
            )
        return model.date_column
    return "as_of_date" if "as_of_date" in columns else None


def _has_rows(con: duckdb.DuckDBPyConnection, model: Model) -> bool:
    return bool(con.execute(f"select 1 from {model.schema}.{model.name} limit 1").fetchall())


def _slice(
    con: duckdb.DuckDBPyConnection, model: Model, columns: dict[str, str], date_column: str, cut: datetime.date
) -> pa.Table:
    """The rows of a model that were known by the close of the cut.

    In `intermediate` a row's own known_at holds as well: the VIX of the cut's date closes after the decision.
    """
    is_date = columns[date_column] == "DATE"
    known = f"{date_column} <= {_literal(cut) if is_date else _literal(closes()[cut])}"
    if model.schema == "intermediate" and "known_at" in columns:
        known += f" and known_at <= {_literal(closes()[cut])}"
    return con.sql(f"from {model.schema}.{model.name} where {known}").to_arrow_table()


def _without_units(table: pa.Table, levels: tuple[str, ...]) -> pa.Table:
    """The levels but for powers of two, by which the added splits divide them: what is left of each is its mantissa."""
    for position, name in enumerate(table.column_names):
        if name in levels and pa.types.is_float64(table.schema.types[position]):
            column = table.column(position).combine_chunks()
            mantissas = np.frexp(column.to_numpy(zero_copy_only=False))[0]
            known = pa.array(mantissas, mask=column.is_null().to_numpy(zero_copy_only=False))
            table = table.set_column(position, name, known)
    return table


def _literal(moment: datetime.date) -> str:
    return f"{'timestamp' if isinstance(moment, datetime.datetime) else 'date'} '{moment}'"


def _compare(
    model: Model, columns: dict[str, str], date_column: str, tables: list[pa.Table], cut: datetime.date, attack: str
) -> list[ProofRow]:
    """Match the rows of two tables by key and count differences per column."""
    compared = [c for c in columns if c == date_column or not (c.startswith(FORWARD) or c.endswith(VOLATILE))]
    key = [c for c in model.key if c in columns] or [
        c for c in compared if c == date_column or not (columns[c].startswith(MEASUREMENTS) or "[" in columns[c])
    ]
    values = [c for c in compared if c not in key]
    near = attack in NEAR_LAYERS
    if _are_equal(*(table.select(compared) for table in tables), near):
        # what holds nearly everywhere is said for a tenth of what matching rows costs
        count = tables[0].num_rows
        return [ProofRow(model.name, column, attack, cut, count, 0, None) for column in (ROW, *values)]
    floors = {c: _floor(tables[0].column(c)) for c in values if near and columns[c] == "DOUBLE"}
    tests = {ROW: "__both is null"} | {c: f"__both and {_differs(c, columns[c], floors.get(c))}" for c in values}
    with duckdb.connect() as con:
        for name, table in zip(("whole", "attacked"), tables, strict=True):
            con.register(f"{name}_rows", table)
        con.execute(_pairs(key, values, is_unique=bool(model.key)))
        counts = ", ".join(f"count(*) filter (where {test})" for test in tests.values())
        rows_compared, *different = con.execute(f"select count(*), {counts} from pairs").fetchall()[0]
        return [
            ProofRow(
                model.name, column, attack, cut, rows_compared, count, _first(con, key, column, test) if count else None
            )
            for (column, test), count in zip(tests.items(), different, strict=True)
        ]


def _are_equal(whole: pa.Table, attacked: pa.Table, near: bool) -> bool:
    """Whether two tables hold the same bits, or nearly the same numbers, in the same order of rows; False also where it
    cannot be told.
    """
    if whole.num_rows != attacked.num_rows or whole.schema.types != attacked.schema.types:
        return False
    for one, other in zip(whole.columns, attacked.columns, strict=True):
        if near and pa.types.is_float64(one.type):
            if not _are_near(one, other):
                return False
        elif (bits := _bits(one)) is None or not bits.equals(_bits(other)):
            return False
    return True


def _are_near(whole: pa.ChunkedArray, attacked: pa.ChunkedArray) -> bool:
    """Whether two columns of doubles have NULL in the same rows and else numbers that are apart by NEAR at most."""
    if not whole.is_null().equals(attacked.is_null()):
        return False
    numbers = (column.drop_null().to_numpy() for column in (attacked, whole))
    return bool(np.isclose(*numbers, rtol=NEAR, atol=NEAR * _floor(whole), equal_nan=True).all())


def _floor(column: pa.ChunkedArray) -> float:
    """Median size of a column's numbers, below which they count as this large; 0 where there are none."""
    numbers = np.abs(column.drop_null().to_numpy())
    numbers = numbers[np.isfinite(numbers)]
    return float(np.median(numbers)) if len(numbers) else 0.0


def _bits(column: pa.ChunkedArray) -> pa.Array | None:
    """A column whose equality is that of its bits: doubles as integers. None of a type that may hold other floats."""
    values = column.combine_chunks()
    if pa.types.is_float64(values.type):
        return values.view(pa.int64())
    return None if pa.types.is_nested(values.type) or pa.types.is_floating(values.type) else values


def _pairs(key: list[str], values: list[str], is_unique: bool) -> str:
    """SQL: table `pairs` of the matched rows of `whole` and `attacked`; equal keys are matched in order of values."""
    nth = "1" if is_unique else f"row_number() over (partition by {', '.join(key)} order by {', '.join(key + values)})"
    sides = ", ".join(
        f"{name} as (select {', '.join(key + values)}, true as __is, {nth} as __n from {name}_rows)"
        for name in ("whole", "attacked")
    )
    columns = [f"coalesce(w.{c}, a.{c}) as {c}" for c in key]
    columns += [f"{side}.{c} as {c}__{side}" for c in values for side in "wa"]
    matched = "".join(f" and w.{c} is not distinct from a.{c}" for c in key)
    return (
        f"create temp table pairs as with {sides} select {', '.join(columns)}, w.__is and a.__is as __both,"
        f" w.__is as __is_whole from whole as w full join attacked as a on w.__n = a.__n{matched}"
    )


def _first(con: duckdb.DuckDBPyConnection, key: list[str], column: str, test: str) -> str:
    """The first difference of a column as text, key: value of the whole | value of the attacked."""
    shown = " || ', ' || ".join(f"coalesce({c}::varchar, 'NULL')" for c in key)
    value = " || ' | ' || ".join(f"coalesce(left({column}__{side}::varchar, 60), 'NULL')" for side in "wa")
    if column == ROW:
        value = "case when __is_whole then 'only in the whole' else 'only in the attacked' end"
    query = f"select {shown} || ': ' || {value} from pairs where {test} order by {', '.join(key)} limit 1"
    return con.execute(query).fetchall()[0][0]


def _differs(column: str, type_: str, floor: float | None = None) -> str:
    """SQL: whether the two sides of a column differ in any bit, or, with a floor, by more than NEAR."""
    w, a = f"{column}__w", f"{column}__a"
    if floor is not None:  # a NULL, a NaN or an infinity on one side alone is as far as can be
        far = f"not isfinite({w}) or not isfinite({a}) or abs({a} - {w}) > {NEAR} * (abs({w}) + {floor!r})"
        return f"({w} is distinct from {a} and coalesce({far}, true))"
    if type_ == "DOUBLE":
        return (
            f"(({w} is distinct from {a}) or ({w} = 0 and signbit({w}) <> signbit({a}))"
            f" or (isnan({w}) and {w}::bit <> {a}::bit))"
        )
    if type_ == "DOUBLE[]":
        return f"({w}::bit[] is distinct from {a}::bit[])"
    if "DOUBLE" in type_ or "FLOAT" in type_:
        return f"({w}::varchar is distinct from {a}::varchar)"
    return f"({w} is distinct from {a})"
