"""`python -m bench.increment`: what one new day costs the features, against making them anew; dbt's own time apart.

The compiled models on the synthetic market of bench.data, once at 10 years and once at 25 (fewer names). In full: the
order of rows and each family as dbt makes it. A day: the digests of everything read, then the batch of the newest
session for the order of rows and each family, as the materialization feature_family adds it. Before ratios are printed
every table has to equal, in all rows, the one made in full.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
from collections.abc import Sequence
from pathlib import Path

import duckdb

from bench import compiled, data, in_sql
from bench.one_round import timed

GOALS = {10: 0.25, 25: 0.10}
ROWS = "int_feature_rows"
VIEWS = ("int_price_runs", "int_fundamentals_as_of")


def families(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Make the order of rows and every family whose inputs are there, after the families it reads; their names."""
    compiled.build(con, [ROWS])
    made, left = [ROWS], [n for n, m in compiled.models().items() if m.materialized == "feature_family" and n != ROWS]
    while True:
        before = len(left)
        for name in list(left):
            try:
                compiled.build(con, [name])
            except (duckdb.CatalogException, duckdb.BinderException):
                continue
            made.append(name)
            left.remove(name)
        if len(left) == before:
            break
    if left:
        print(f"Left out, for the synthetic market lacks what they read: {', '.join(left)}.", flush=True)
    return made


def _here(con: duckdb.DuckDBPyConnection, sql: str) -> str:
    """Compiled SQL on the connection's own catalog."""
    return sql.replace(f'"{compiled.CATALOG}".', f'"{con.execute("select current_database()").fetchone()[0]}".')


def _table(name: str) -> str:
    return f"{compiled.models()[name].schema}.{name}"


def prepare(con: duckdb.DuckDBPyConnection) -> None:
    """The views and the fundamentals that families read."""
    compiled.build(con, [VIEWS[0], "int_fundamental_events", "int_fundamental_steps", VIEWS[1]])


def forget_day(con: duckdb.DuckDBPyConnection, tables: list[str], renewed: Sequence[int] = ()) -> None:
    """Take the rows of the newest session, and all rows of some securities, out of the tables."""
    for name in tables:
        con.execute(
            f"delete from {_table(name)} where as_of_date = (select max(as_of_date) from intermediate.int_prices)"
            f" or list_position({list(renewed)}::bigint[], security_id) > 0"
        )
    con.execute("checkpoint")


def add_day(con: duckdb.DuckDBPyConnection, tables: list[str], renewed: Sequence[int] = ()) -> None:
    """Digests, then the batch of the newest session and of all rows of some securities."""
    compiled.build(con, ["int_feature_digests"])
    con.execute(
        "set variable sessions_back = (select list(distinct as_of_date order by as_of_date desc)[:2048]"
        " from intermediate.int_prices)"
    )
    con.execute(f"set variable renewed = {list(renewed)}::bigint[]")
    for name in tables:
        con.execute(
            f"insert into {_table(name)} select * from ({_here(con, compiled.models()[name].sql)}) where as_of_date >="
            " getvariable('sessions_back')[1] or list_position(getvariable('renewed'), security_id) > 0"
            " order by security_id, as_of_date"
        )
    con.execute("reset variable sessions_back")
    con.execute("reset variable renewed")
    con.execute("checkpoint")


def fingerprints(con: duckdb.DuckDBPyConnection, tables: list[str]) -> dict[str, tuple]:
    """Number of rows and a digest of all their bits, by table; when a row was added is no part of it."""
    found = {}
    for name in tables:
        columns = "columns(* exclude (batch))" if name == ROWS else "columns(*)"
        found[name] = con.execute(
            f"select count(*), bit_xor(hash(hash(t))) from (select {columns} from {_table(name)}) as t"
        ).fetchall()[0]
    return found


def measure(folder: Path, securities: int, years: int, rounds: int, threads: int) -> dict:
    """Seconds in full and for a day, after both have given the same rows."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / f"{data.TABLES[-1]}.parquet").exists():
        data.write(folder, securities, years)
    shutil.copyfile(folder / "source.duckdb", folder / "work.duckdb")
    with in_sql.connect(folder / "work.duckdb", threads) as con:
        prepare(con)
        tables = families(con)

        def in_full() -> None:
            compiled.build(con, tables)
            con.execute("checkpoint")

        full = [timed(in_full) for _ in range(rounds)]
        made, day = fingerprints(con, tables), []
        for _ in range(rounds):
            forget_day(con, tables)
            assert fingerprints(con, tables) != made
            day.append(timed(lambda: add_day(con, tables)))
            if fingerprints(con, tables) != made:
                raise SystemExit("A day added does not equal the table made in full; nothing is reported.")
        rows = con.execute("select count(*) from intermediate.int_prices").fetchall()[0][0]
    seconds = {
        kind: {m: statistics.median(one[m] for one in runs) for m in ("cpu", "wall")}
        for kind, runs in (("in_full", full), ("a_day", day))
    }
    ratios = {m: seconds["a_day"][m] / seconds["in_full"][m] for m in ("cpu", "wall")}
    return {
        "securities": securities,
        "years": years,
        "rows": rows,
        "tables": tables,
        "seconds": seconds,
        "ratios": ratios,
    }


def main() -> None:
    """Both lengths of history, then the ratios."""
    parser = argparse.ArgumentParser(prog="python -m bench.increment", description=__doc__)
    parser.add_argument("--securities", type=int, nargs=2, default=[1000, 400], metavar=("AT_10_YEARS", "AT_25_YEARS"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    given = parser.parse_args()
    report = []
    for (years, goal), securities in zip(GOALS.items(), given.securities, strict=True):
        folder = compiled.ROOT / "target" / "bench" / f"day_{securities}x{years}"
        found = measure(folder, securities, years, given.rounds, given.threads)
        report.append(found)
        cpu = {kind: found["seconds"][kind]["cpu"] for kind in ("in_full", "a_day")}
        verdict = "reached" if found["ratios"]["cpu"] <= goal else "not reached"
        print(
            f"{securities:,} securities x {years} years, {found['rows']:,} rows, {len(found['tables'])} tables: "
            f"in full {cpu['in_full']:.2f} CPU seconds, a day {cpu['a_day']:.2f}; "
            f"ratio {found['ratios']['cpu']:.3f} CPU, {found['ratios']['wall']:.3f} wall "
            f"(goal {goal:.2f} CPU: {verdict}).",
            flush=True,
        )
    path = compiled.ROOT / "bench" / "results" / "a_day_added.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n")
    print(f"Written to {path.relative_to(compiled.ROOT)}.")


if __name__ == "__main__":
    main()
