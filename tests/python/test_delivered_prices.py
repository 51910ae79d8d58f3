"""The data tests of what was delivered, by hand: a session that is missing or cut off, a ticker spelt in two ways, a
feature that too few have.
"""

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
        ([40] * 30, {}),
        # half of the names are enough, fewer are not; a whole day without any, and two in a row
        ([40] * 10 + [20] + [40] * 5, {}),
        ([40] * 10 + [19] + [40] * 5, {10: (19, 40)}),
        ([40] * 10 + [0, 0] + [40] * 5, {10: (0, 40), 11: (0, 40)}),
        # a market that grows, a delivery that was cut off on the newest day, a few names
        ([1, 1, 30, 40, 90], {}),
        ([40] * 10 + [1], {10: (1, 40)}),
        ([19] * 10 + [1], {}),
        # names that went for good are the new measure after 20 sessions
        ([40] * 5 + [10] * 30, dict.fromkeys(range(5, 25), (10, 40))),
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
    expected = [(FIRST + dt.timedelta(n), *counts, True) for n, counts in found.items()]
    said = sorted(findings("intermediate/assert_sessions_are_delivered", tables))
    assert [(*row, "deliver" in finding) for *row, finding in said] == expected


def test_tickers_that_are_spelt_in_two_ways_are_found():
    tickers = ["AAA", "aaa", "BBB", "BBB", "bbb", "B.B", "B-B", "C"]
    tables = {"int_spells": f"select unnest({tickers}) as ticker"}
    found = findings("intermediate/assert_tickers_are_spelt_one_way", tables)
    assert [(symbol, spelt) for symbol, spelt, finding in sorted(found) if "one way" in finding] == [
        ("AAA", ["AAA", "aaa"]),
        ("B-B", ["B-B", "B.B"]),
        ("BBB", ["BBB", "bbb"]),
    ]


@pytest.mark.parametrize(
    ("history", "market", "filled", "found"),
    [
        # of 100 dates with two members, ten rows into their run on the first
        ("day + 10", "day != 0", {"near": 100, "far": 100, "beta_4d": 100}, []),
        ("day + 10", "day != 0", {"near": 100, "far": 25, "beta_4d": 97}, ["far"]),
        # a young market, or one whose rows begin anew after a hole: from the 50th row on
        ("day", "day != 0", {"near": 98, "far": 50, "beta_4d": 96}, []),
        ("day", "day != 0", {"near": 50, "far": 30, "beta_4d": 80}, ["beta_4d", "far", "near"]),
        ("if(day < 60, day, day - 59)", "day != 0", {"near": 98, "far": 10, "beta_4d": 94}, []),
        # a market whose returns are missing every few days, for good, or all along
        ("day + 10", "day % 5 != 0", {"near": 100, "far": 90, "beta_4d": 20}, []),
        ("day + 10", "day % 5 != 0", {"near": 100, "far": 90, "beta_4d": 15}, ["beta_4d"]),
        ("day + 10", "day between 1 and 60", {"near": 100, "far": 90, "beta_4d": 57}, []),
        ("day + 10", "false", {"near": 100, "far": 90, "beta_4d": 0}, []),
    ],
)
def test_coverage_asks_for_what_unbroken_rows_and_returns_can_give(history, market, filled, found):
    days = f"select date '{FIRST}' + day::integer as as_of_date, day::integer as day from range(100) as t (day)"
    shares = " union all ".join(f"select '{name}' as feature_name, {count} as share" for name, count in filled.items())
    tables = {
        "days": days,
        "int_prices": f"select as_of_date, security_id, {history} as row_in_run from days cross join range(2) as t"
        " (security_id)",
        "int_universe": "select as_of_date, security_id, true as is_member from int_prices",
        "int_returns": f"select as_of_date, case when {market} then 0.01 end as m from days cross join range(2)",
        "feature_registry": "from (values ('near', 'price', 2, 0.9), ('far', 'price', 50, 0.75),"
        " ('beta_4d', 'beta', 5, 0.9), ('free', 'price', 1, null))"
        " as t (feature_name, feature_family, min_history_days, min_coverage)",
        "feature_coverage": "select as_of_date, feature_name, 2 * share / 100 as filled, 2 as known, 0 as stale"
        f" from days cross join ({shares} union all select 'free', 0)",
    }
    test = "monitoring/assert_features_cover_the_members_that_know_their_sources"
    assert sorted(name for name, *_ in findings(test, tables)) == found


def test_bars_are_revised_by_digests_hashed_alike_and_gone_by_any():
    loads = [
        # as it was; hashed by two; revised; revised under both; gone under one, and under another than it came
        ("2020-01-01", 3, 7, "one", 1),
        ("2020-01-02", 3, 7, "one", 1), ("2020-01-02", 3, 8, "two", 2),
        ("2020-01-03", 3, 7, "one", 1), ("2020-01-03", 3, 9, "one", 2),
        ("2020-01-06", 3, 7, "one", 1), ("2020-01-06", 3, 9, "one", 2), ("2020-01-06", 3, 5, "two", 3),
        ("2020-01-06", 3, 6, "two", 4),
        ("2020-01-07", 3, 7, "one", 1), ("2020-01-07", 0, 0, "one", 2),
        ("2020-01-08", 3, 7, "one", 1), ("2020-01-08", 0, 0, "two", 2),
    ]  # fmt: skip
    sql = sql_model.compiled("monitoring/load_alerts")
    with duckdb.connect() as connection:
        connection.execute(
            "create table bar_loads (session_date date, bars bigint, digest ubigint, hashed_by varchar, day integer)"
        )
        connection.executemany("insert into bar_loads values (?, ?, ?, ?, ?)", loads)
        connection.execute(
            "alter table bar_loads add column dataset varchar default 'file';"
            "alter table bar_loads add column first_seen_at timestamp;"
            "update bar_loads set first_seen_at = timestamp '2024-01-01' + day * interval 1 day;"
            "create table row_loads (dataset varchar, security_id bigint, known_at timestamp, first_seen_at timestamp);"
            "create table int_feature_digests (input varchar, security_id bigint, row_count bigint,"
            " is_past_changed boolean, version ubigint, previous_version ubigint)"
        )
        found = connection.sql(f"select alert, subject, day(first_seen_at) from ({sql})").fetchall()
    assert sorted(found) == [
        ("bars_gone", "2020-01-07", 3),
        ("bars_gone", "2020-01-08", 3),
        ("bars_revised", "2020-01-03", 3),
        ("bars_revised", "2020-01-06", 5),
    ]


def test_rows_are_backfilled_that_were_known_before_a_load_that_did_not_have_them():
    """Three loads of a file, one of another; a row of the first load, or of the moment of the one before, is none."""
    at = [dt.datetime(2024, 1, day) for day in range(10)[1:]]
    rows = [
        ("file", 1, at[0], at[1]),
        ("file", 2, at[2], at[5]),
        ("file", 3, at[3], at[5]),
        ("file", 4, at[4], at[5]),
        ("file", 5, at[0], at[3]),
        ("file", 5, at[1], at[5]),
        ("file", None, at[0], at[5]),
        ("other", 6, at[0], at[4]),
    ]
    digests = [
        ("int_prices", 7, 30, True, 2, 1),
        ("int_prices", 8, 30, True, 2, 2),
        ("int_prices", 9, 30, True, 2, None),
        ("int_prices", 10, 30, False, 2, 1),
    ]
    with duckdb.connect() as connection:
        connection.execute(
            "create table bar_loads (dataset varchar, session_date date, bars bigint, digest ubigint,"
            " hashed_by varchar, first_seen_at timestamp);"
            "create table row_loads (dataset varchar, security_id bigint, known_at timestamp, first_seen_at timestamp);"
            "create table int_feature_digests (input varchar, security_id bigint, row_count bigint,"
            " is_past_changed boolean, version ubigint, previous_version ubigint)"
        )
        connection.executemany("insert into row_loads values (?, ?, ?, ?)", rows)
        connection.executemany("insert into int_feature_digests values (?, ?, ?, ?, ?, ?)", digests)
        found = connection.sql(sql_model.compiled("monitoring/load_alerts")).fetchall()
    assert found == [
        ("past_of_features_changed", "int_prices", "7", None, 30),
        ("rows_backfilled", "file", "2", at[5], 1),
        ("rows_backfilled", "file", "5", at[5], 2),
        ("rows_backfilled", "file", "companies", at[5], 1),
    ]


def bar_loads(connection: duckdb.DuckDBPyConnection, change: str = "") -> list[tuple]:
    """Rows of bar_loads, after a change of the bars."""
    if change:
        connection.execute(f"update int_bars set {change}")
    sql_model.run(connection, "monitoring/bar_loads")
    return connection.sql(
        "select dataset, session_date, bars, digest, first_seen_at from bar_loads order by all"
    ).fetchall()


@pytest.mark.parametrize("unadjusted", [20.0, None])
def test_a_digest_is_of_all_that_no_later_split_or_dividend_alters(unadjusted):
    """Each price and the volume alone makes another digest; a split, a dividend and a change of ticker make none."""
    with duckdb.connect() as connection:
        connection.execute(
            "create table int_bars (dataset varchar, ticker varchar, session_date date, open double, high double,"
            " low double, close double, close_total_return double, close_unadjusted double, volume_shares double)"
        )
        bar = ("file", "A", FIRST, 10.0, 12.0, 8.0, 10.0, 10.0, unadjusted, 1000.0)
        connection.execute(f"insert into int_bars values ({', '.join(['?'] * len(bar))})", bar)
        kept = ", ".join(f"null::{kind} as {name}" for name, kind in (
            ("dataset", "varchar"), ("session_date", "date"), ("bars", "bigint"), ("digest", "ubigint"),
            ("hashed_by", "varchar"), ("first_seen_at", "timestamp"),
        ))  # fmt: skip
        connection.execute(f"create table state__bar_loads as select {kept} where false")
        (first,) = bar_loads(connection)
        assert first[:3] == ("file", FIRST, 1)
        split = "open = open / 3, high = high / 3, low = low / 3, close = close / 3, volume_shares = volume_shares * 3,"
        assert bar_loads(connection, split + " close_total_return = 7, ticker = 'B'") == [first]
        changes = ["open = open * 1.3", "high = high * 1.3", "low = low * 0.7", "volume_shares = volume_shares * 2"]
        digests = {first[3]}
        for change in [*changes, *(["close_unadjusted = 21"] if unadjusted else ["open = open * 1.003"])]:
            ((*_, digest, _),) = bar_loads(connection, change)
            digests.add(digest)
        assert len(digests) == 6


def test_a_load_is_remembered_once_and_a_date_of_one_file_is_not_gone_when_another_has_it():
    with duckdb.connect() as connection:
        connection.execute(
            "create table int_bars as select 'one' as dataset, unnest([date '2020-01-01', date '2020-01-02'])"
            " as session_date, 1.0 as open, 1.0 as high, 1.0 as low, 1.0 as close, 1.0 as close_unadjusted,"
            " 1.0 as volume_shares;"
            "create table state__bar_loads (dataset varchar, session_date date, bars bigint, digest ubigint,"
            " hashed_by varchar, first_seen_at timestamp)"
        )
        sql_model.run(connection, "monitoring/bar_loads")
        connection.execute("insert into state__bar_loads by name from bar_loads")
        connection.execute("update state__bar_loads set first_seen_at = '2001-01-01'")
        assert (
            bar_loads(connection)
            == connection.sql(
                "select dataset, session_date, bars, digest, first_seen_at from state__bar_loads order by all"
            ).fetchall()
        )
        connection.execute("update state__bar_loads set hashed_by = 'another release'")
        assert len(bar_loads(connection)) == 4, "as they are by this release, beside what they were by that one"
        connection.execute("update state__bar_loads set hashed_by = version() || ' 2'")
        connection.execute("update int_bars set dataset = 'two' where session_date = date '2020-01-02'")
        found = [(dataset, day.day, bars, seen.year) for dataset, day, bars, _, seen in bar_loads(connection)]
        assert found == [("one", 1, 1, 2001), ("one", 2, 0, 2024), ("one", 2, 1, 2001), ("two", 2, 1, 2024)]
