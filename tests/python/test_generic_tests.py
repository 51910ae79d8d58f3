"""The generic tests by hand: what they let pass and what they return."""

from __future__ import annotations

import re

import duckdb
import pytest
import sql_model

INF, NAN = float("inf"), float("nan")


def findings(name: str, rows: list[tuple], table: str, /, **arguments) -> list[tuple]:
    """What the generic test returns on a table `given` of these rows."""
    text = (sql_model.ROOT / "tests/generic" / f"{name}.sql").read_text()
    body = re.search(r"{% test \w+\((.*?)\) %}(.*){% endtest %}", text, flags=re.DOTALL)
    call = ", ".join(["'given'", *(f"{key}={value!r}" for key, value in arguments.items())])
    sql = sql_model.rendered(f"{{% macro it({body[1]}) %}}{body[2]}{{% endmacro %}}{{{{ it({call}) }}}}")
    with duckdb.connect() as connection:
        connection.execute(f"create table given ({table})")
        connection.executemany(f"insert into given values ({', '.join('?' * len(rows[0]))})", rows)
        return sorted(connection.sql(sql).fetchall())


def test_unique_key_returns_keys_that_stand_twice_and_columns_with_null():
    rows = [("A", 1, 0.5), ("A", 2, None), ("B", 1, None), ("A", 1, 0.5), ("C", 3, 1.0)]
    table = "ticker varchar, day integer, x double"
    assert findings("unique_key", rows, table, columns=["ticker", "day"]) == [("key on several rows", "A, 1", 2)]
    assert findings("unique_key", rows, table, columns=["ticker", "day"], not_null=["day", "x"]) == [
        ("column with NULL", "x", 2),
        ("key on several rows", "A, 1", 2),
    ]
    assert not findings("unique_key", rows[:3], table, columns=["ticker", "day"], not_null=["ticker", "day"])


@pytest.mark.parametrize(
    ("values", "bounds", "is_bad"),
    [
        ([0.0, 1.0, None], {}, False),
        ([None, None], {"at_least": 0}, False),
        ([0.0, NAN], {}, True),
        ([0.0, INF], {"at_least": 0}, True),
        ([-INF, 0.0], {"at_most": 0}, True),
        ([0.0, 1.0], {"at_least": 0, "at_most": 1}, False),
        ([0.0, 1.0], {"at_least": 0, "exclusive": True}, True),
        ([0.0, 1.0], {"at_most": 1, "exclusive": True}, True),
        ([-0.1, 1.0], {"at_least": 0}, True),
        ([0.0, 1.1], {"at_most": 1}, True),
    ],
)
def test_within_range_refuses_what_is_out_of_bounds_infinite_or_no_number(values, bounds, is_bad):
    found = findings("within_range", [(v, 0.5) for v in values], "x double, y double", columns=["x"], **bounds)
    assert [row[0] for row in found] == (["x"] if is_bad else [])
