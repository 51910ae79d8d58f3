"""The data tests of what was delivered, by hand: a session that is missing or cut off, a ticker spelt in two ways."""

from __future__ import annotations

import datetime as dt

import duckdb
import pytest
import sql_model

FIRST = dt.date(2020, 1, 1)


def findings(test: str, tables: dict[str, str]) -> list[tuple]:
    """What a data test returns on tables made by these selects."""
    sql = sql_model.rendered((sql_model.ROOT / "tests" / f"{test}.sql").read_text())
    with duckdb.connect() as connection:
        for name, select in tables.items():
            connection.execute(f"create table {name} as {select}")
        return connection.sql(sql).fetchall()


@pytest.mark.parametrize(
    ("bars", "found"),
    [
        ([4] * 30, {}),
        # half of the names are enough, fewer are not; a whole day without any, and two in a row
        ([4] * 10 + [2] + [4] * 5, {}),
        ([4] * 10 + [1] + [4] * 5, {10: (1, 4)}),
        ([4] * 10 + [0, 0] + [4] * 5, {10: (0, 4), 11: (0, 4)}),
        # a market that grows, a delivery that was cut off on the newest day
        ([1, 1, 3, 4, 9], {}),
        ([4] * 10 + [1], {10: (1, 4)}),
        # names that went for good are the new measure after 20 sessions
        ([4] * 5 + [1] * 30, dict.fromkeys(range(5, 25), (1, 4))),
    ],
)
def test_sessions_that_lack_most_names_are_found(bars, found):
    # one name more is carried at its last price, but where a session has no row at all
    rows = [
        (n, name >= count) for n, count in enumerate(bars) for name in range(count + 1) if bars[n - 1 : n + 1] != [0, 0]
    ]
    tables = {
        "int_sessions": f"select date '{FIRST}' + n::integer as session_date from range(-5, {len(bars)} + 5) as t (n)",
        "int_prices": f"select date '{FIRST}' + n as as_of_date, stale as is_stale"
        f" from (values {', '.join(map(str, rows))}) as t (n, stale)",
    }
    expected = [(FIRST + dt.timedelta(n), *counts) for n, counts in found.items()]
    assert sorted(findings("intermediate/assert_sessions_are_delivered", tables)) == expected


def test_tickers_that_differ_in_case_alone_are_found():
    spells = "values ('v', 'AAA'), ('v', 'aaa'), ('v', 'AAA'), ('v', 'BBB'), ('v', 'BBB'), ('w', 'bbb')"
    tables = {"int_spells": f"from ({spells}) as t (vendor, ticker)"}
    found = findings("intermediate/assert_tickers_are_spelt_one_way", tables)
    assert found == [("v", "AAA", ["AAA", "aaa"])]
