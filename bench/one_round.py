"""One timed run of one side in a process of its own: `python -m bench.one_round SIDE FOLDER THREADS`.

SIDE is sql, polars (Parquet as Polars writes it unless told otherwise: zstd), polars_uncompressed or polars_in_memory.

Both sides are warmed on a small market first (imports, threads, code paths) and then pay for their own memory. The last
line printed is JSON: CPU seconds (user + system, all threads) and wall seconds.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path


def timed(work: Callable[[], object]) -> dict[str, float]:
    """CPU and wall seconds of a call."""
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    work()
    after, ended = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    return {
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "wall": ended - started,
    }


def sql(folder: Path, small: Path, threads: int) -> dict[str, float]:
    """The project's SQL into the DuckDB file that holds its inputs."""
    from bench import compiled, in_sql

    compiled.load(folder / "models.json")
    for market in (small, folder):
        shutil.copyfile(market / "source.duckdb", market / "work.duckdb")
    with in_sql.connect(small / "work.duckdb", threads) as con:
        in_sql.build(con)
    with in_sql.connect(folder / "work.duckdb", threads) as con:
        for table in ("int_prices", "int_returns", "int_fundamentals"):
            con.execute(f"select count(*) from intermediate.{table}").fetchall()
        return timed(lambda: in_sql.build(con))


def polars(folder: Path, small: Path, threads: int, side: str) -> dict[str, float]:
    """Polars, streaming, into a Parquet file or into memory."""
    os.environ["POLARS_MAX_THREADS"] = str(threads)
    from bench import in_polars

    in_polars.features(small).sink_parquet(small / "features.parquet")
    if side == "polars_in_memory":
        return timed(lambda: in_polars.features(folder).collect(engine="streaming"))
    compression = "uncompressed" if side == "polars_uncompressed" else "zstd"
    return timed(lambda: in_polars.features(folder).sink_parquet(folder / "features.parquet", compression=compression))


if __name__ == "__main__":
    side, folder, threads = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    if side == "sql":
        figures = sql(folder, folder / "small", threads)
    else:
        figures = polars(folder, folder / "small", threads, side)
    print(json.dumps(figures))
