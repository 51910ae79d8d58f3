"""`python -m bench`: the 23 features (and adv_20) and the technical family in the project's SQL and in Polars.

1,000 securities x 10 years. First both sides must give equal rows at 1e-9; then they run in turn, each in a fresh
process on warm files, and the median ratio of CPU (user + system, all threads) and wall time is printed. dbt's own time
is apart: the SQL is what dbt compiled, run on a plain connection. Both sides start from prices, returns and statements
of the intermediate layer and write all features to a file: the SQL to the DuckDB file, Polars to Parquet.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl

from bench import compare, compiled, data, in_polars, in_sql

GOAL = 1.0
SIDES = ("sql", "polars", "polars_uncompressed", "polars_in_memory")


def prepare(folder: Path, securities: int, years: int) -> None:
    """Write the market, a small one for warming up, and the compiled models."""
    for target, size in ((folder, (securities, years)), (folder / "small", (20, 3))):
        if not (target / "int_share_factors.parquet").exists():
            target.mkdir(parents=True, exist_ok=True)
            data.write(target, *size)
    compiled.save(folder / "models.json")


def run(side: str, folder: Path, threads: int) -> dict[str, float]:
    """One round of one side in a process of its own."""
    command = [sys.executable, "-m", "bench.one_round", side, str(folder), str(threads)]
    done = subprocess.run(command, cwd=compiled.ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{side} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def check(folder: Path, threads: int) -> int:
    """Stop unless both sides, as they stand on disk, are equal; the number of rows."""
    with in_sql.connect(folder / "work.duckdb", threads) as con:
        ours = in_sql.features(con).pl()
    theirs = pl.read_parquet(folder / "features.parquet")
    if found := compare.differences(ours, theirs, in_polars.FEATURES):
        raise SystemExit("The two sides differ; nothing was timed.\n" + "\n".join(found))
    return ours.height


def main() -> None:
    """Equality, then alternating rounds, then the ratios."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--securities", type=int, default=1000)
    parser.add_argument("--years", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    given = parser.parse_args()
    folder = compiled.ROOT / "target" / "bench" / f"{given.securities}x{given.years}"
    print(f"Market of {given.securities:,} securities x {given.years} years ...", flush=True)
    prepare(folder, given.securities, given.years)
    for side in ("sql", "polars"):
        run(side, folder, given.threads)
    rows = check(folder, given.threads)
    print(f"Both sides give equal rows at 1e-9: {rows:,} rows x {len(in_polars.FEATURES)} features.", flush=True)
    rounds = []
    for number in range(1, given.rounds + 1):
        rounds.append({side: run(side, folder, given.threads) for side in SIDES})
        figures = ", ".join(f"{side} {rounds[-1][side]['cpu']:.2f} ({rounds[-1][side]['wall']:.2f})" for side in SIDES)
        print(f"round {number}: CPU seconds (wall) {figures}", flush=True)
    ratios = {
        f"{measure}_vs_{side}": statistics.median(one["sql"][measure] / one[side][measure] for one in rounds)
        for side in SIDES[1:]
        for measure in ("cpu", "wall")
    }
    verdict = "reached" if ratios["cpu_vs_polars"] <= GOAL else "not reached"
    print(
        f"Median ratio, SQL to a DuckDB file over Polars streaming to a Parquet file: "
        f"CPU {ratios['cpu_vs_polars']:.2f}, wall {ratios['wall_vs_polars']:.2f} (goal {GOAL:.2f} CPU: {verdict}).\n"
        f"Over Polars writing its Parquet file without compression, as the DuckDB file holds its doubles: "
        f"CPU {ratios['cpu_vs_polars_uncompressed']:.2f}, wall {ratios['wall_vs_polars_uncompressed']:.2f}.\n"
        f"Over Polars that keeps its result in memory and writes nothing: "
        f"CPU {ratios['cpu_vs_polars_in_memory']:.2f}, wall {ratios['wall_vs_polars_in_memory']:.2f}."
    )
    results = compiled.ROOT / "bench" / "results"
    results.mkdir(exist_ok=True)
    report = {
        "securities": given.securities,
        "years": given.years,
        "rows": rows,
        "features": len(in_polars.FEATURES),
        "threads": given.threads,
        "load_average": os.getloadavg()[0],
        "versions": {"duckdb": duckdb.__version__, "polars": pl.__version__, "python": sys.version.split()[0]},
        "rounds": rounds,
        "median_ratios": ratios,
    }
    path = results / "features_vs_polars.json"
    path.write_text(json.dumps(report, indent=2) + "\n")
    print(f"Written to {path.relative_to(compiled.ROOT)}.")


if __name__ == "__main__":
    main()
