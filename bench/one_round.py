"""One timed run of one side in a process of its own: `python -m bench.one_round SIDE SET FOLDER THREADS`.

SIDE is sql, polars (Parquet as Polars writes it unless told otherwise: zstd), polars_uncompressed or polars_in_memory;
sql_unstored and polars_unstored keep no more than the greatest value of each column.
SET is all, kairos_23 or a family of bench.in_polars; sql_unstored needs one whose families read no other family.

Both sides are warmed on a small market first (imports, threads, code paths) and then pay for their own memory. The last
line printed is JSON: CPU seconds (user + system, all threads), wall seconds, and the process's peak memory in GB.
"""

from __future__ import annotations

import csv
import json
import os
import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def columns(of_set: str) -> list[str]:
    """The features of a set, in the order of bench.in_polars."""
    from bench.in_polars import FAMILIES, FEATURES

    if of_set in FAMILIES:
        return FAMILIES[of_set]
    if of_set == "all":
        return FEATURES
    with (ROOT / "seeds" / "feature_sets.csv").open() as file:
        names = {row["feature_name"] for row in csv.DictReader(file) if row["feature_set"] == of_set}
    return [name for name in FEATURES if name in names]


def timed(work: Callable[[], object]) -> dict[str, float]:
    """CPU and wall seconds of a call, and the peak memory of the process so far in GB."""
    # what is still to be written to the disk, as copies of the inputs, is not this work's
    os.sync()
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    work()
    after, ended = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    # not ru_maxrss, which begins with what the parent process held
    peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
    return {
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "wall": ended - started,
        "peak_gb": peak / 2**20,
    }


def sql(folder: Path, small: Path, threads: int, side: str, features: list[str]) -> dict[str, float]:
    """The project's SQL into the DuckDB file that holds its inputs, or of the families the greatest values alone."""
    from bench import compiled, in_sql

    def work(con, tables, reads):
        if side == "sql_unstored":
            in_sql.greatest(con, tables, reads)
        else:
            in_sql.build(con, tables, reads, threads)

    compiled.load(folder / "models.json")
    for market in (small, folder):
        shutil.copyfile(market / "source.duckdb", market / "work.duckdb")
    with in_sql.connect(small / "work.duckdb", threads) as con:
        compiled.build(con, [*in_sql.ROWS, *in_sql.STATEMENTS, *in_sql.TABLES])
        tables = in_sql.wanted(in_sql.stored(con), features)
        reads = in_sql.read(con, tables)
        work(con, tables, reads)
    with in_sql.connect(folder / "work.duckdb", threads) as con:
        in_sql.prepare(con, tables)
        for table in ("int_prices", "int_returns", "int_universe", "int_fundamentals"):
            con.execute(f"select count(*) from intermediate.{table}").fetchall()
        return timed(lambda: work(con, tables, reads))


def polars(folder: Path, small: Path, threads: int, side: str, features: list[str]) -> dict[str, float]:
    """Polars, streaming, into a Parquet file or into memory, or the greatest values alone."""
    os.environ["POLARS_MAX_THREADS"] = str(threads)
    from bench import in_polars

    if side == "polars_unstored":
        in_polars.greatest(small, features)
        return timed(lambda: in_polars.greatest(folder, features))
    in_polars.features(small, features).sink_parquet(small / "features.parquet")
    if side == "polars_in_memory":
        return timed(lambda: in_polars.features(folder, features).collect(engine="streaming"))
    to, compression = folder / "features.parquet", "uncompressed" if side == "polars_uncompressed" else "zstd"
    return timed(lambda: in_polars.features(folder, features).sink_parquet(to, compression=compression))


if __name__ == "__main__":
    side, of_set, folder, threads = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
    if side.startswith("sql"):
        figures = sql(folder, folder / "small", threads, side, columns(of_set))
    else:
        figures = polars(folder, folder / "small", threads, side, columns(of_set))
    print(json.dumps(figures))
