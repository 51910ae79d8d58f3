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
        return sorted(connection.sql(sql).fetchall(), key=str)


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


ORDERED = "security_id integer, day integer, x double"


@pytest.mark.parametrize(
    ("rows", "places"),
    [
        ([(1, 1, 0.5), (1, 2, 0.5), (2, 1, 0.5)], []),
        ([(1, 1, 0.5), (1, 2, None), (2, 1, 0.5)], [2]),
        ([(1, 1, None), (1, 2, 0.5), (2, 1, 0.5)], [1]),
        ([(None, 1, 0.5), (1, 2, 0.5), (2, 1, 0.5)], [1]),
        ([(1, None, 0.5), (2, 1, 0.5), (2, 2, 0.5)], [1]),
        ([(1, 1, 0.5), (2, 1, 0.5), (1, 2, 0.5)], [3]),
        ([(1, 2, 0.5), (1, 1, 0.5), (2, 1, 0.5)], [2]),
        ([(1, 1, 0.5), (1, 2, 0.5), (1, 2, 0.7)], [3]),
    ],
    ids=["fine", "null", "null in the first row", "null key", "null in the second key", "order", "days", "equal keys"],
)
def test_stored_in_order_returns_what_is_out_of_order_equal_or_null(rows, places):
    found = findings(
        "stored_in_order", rows, ORDERED, columns=["security_id", "day"], not_null=["security_id", "day", "x"]
    )
    assert [row[-1] for row in found] == places


def test_stored_in_order_lets_null_pass_in_columns_that_may_hold_it():
    assert not findings("stored_in_order", [(1, 1, None), (1, 2, 0.5)], ORDERED, columns=["security_id", "day"])


KEYS = [(1, 1), (1, 2), (2, 1)]


@pytest.mark.parametrize(
    ("rows", "differences"),
    [
        (KEYS, 0),
        ([(1, 1), (1, 3), (2, 1)], 1),
        ([(1, 1), (1, None), (2, 1)], 1),
        ([(1, 1), (None, 2), (2, 1)], 1),
        (KEYS[:2], 1),
        ([*KEYS, (2, 2)], 1),
        ([(1, 1), (2, 1), (1, 2)], 2),
    ],
    ids=["equal", "another day", "null day", "null security", "shorter", "longer", "order"],
)
def test_stored_like_returns_places_whose_keys_differ(rows, differences):
    there = "(select unnest([1, 1, 2]) as security_id, unnest([1, 2, 1]) as as_of_date)"
    found = findings("stored_like", rows, "security_id integer, as_of_date integer", to=there)
    assert len(found) == differences
    assert all(("partition by" in row[0]) == (None not in (row[1], row[3])) for row in found)


def test_a_listed_ticker_that_nobody_delivers_is_named():
    """Of the universe that makes the members; spellings of a share class are one."""
    con = sql_model.database(__name__)
    rows = [("mine", "list", t) for t in ("AAPL", "APPL", "brk.b")] + [("other", "list", "MSTF"), ("mine", "type", "x")]
    con.execute("create or replace table universes (universe varchar, kind varchar, value varchar)")
    con.executemany("insert into universes values (?, ?, ?)", rows)
    con.execute("create or replace table int_spells as select unnest(['AAPL', 'BRK-B']) as ticker")
    text = (sql_model.ROOT / "tests/intermediate/assert_listed_tickers_are_delivered.sql").read_text()
    found = con.sql(sql_model.rendered(text, member_universe="mine")).fetchall()
    assert [row[:2] for row in found] == [("mine", "APPL")]
