"""`python -m bench`: all features, the 23 of set kairos_23, and each family, in the project's SQL and in Polars.

Both sides run in turn, each in a fresh process on warm files, and the median ratio of CPU (user + system, all
threads) and wall time is printed; before anything is, all features of both sides must be equal at 1e-9. dbt's own time
is apart: the SQL is what dbt compiled, run on a plain connection. Both sides start from prices, returns, members,
statements and owners of the intermediate layer and write their features to a file: the SQL to the DuckDB file, Polars
to Parquet. Of a set both sides work out its columns alone; a family of the SQL finds the families it reads already
built. The SQL makes as many tables at a time as there are threads, as a build does. Of the 23 a second line says what
working them out takes, where neither side stores them.
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

# CPU of the SQL over CPU of Polars streaming
GOALS = {"all": 1.0, "kairos_23": 0.6}
SIDES = ("sql", "polars")
# beside them, of the sets whose families read no other family: all worked out, no feature stored
UNSTORED = {"kairos_23": ("sql_unstored", "polars_unstored")}
# other yardsticks for the sets with a goal
OTHER_SIDES = ("polars_uncompressed", "polars_in_memory")


def prepare(folder: Path, securities: int, years: int) -> None:
    """Write the market, a small one for warming up, and the compiled models."""
    for target, size in ((folder, (securities, years)), (folder / "small", (20, 3))):
        if not (target / f"{data.TABLES[-1]}.parquet").exists():
            target.mkdir(parents=True, exist_ok=True)
            data.write(target, *size)
    compiled.save(folder / "models.json")


def run(side: str, of_set: str, folder: Path, threads: int) -> dict[str, float]:
    """One round of one side in a process of its own."""
    command = [sys.executable, "-m", "bench.one_round", side, of_set, str(folder), str(threads)]
    done = subprocess.run(command, cwd=compiled.ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{side} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def check(folder: Path, threads: int) -> int:
    """Stop unless both sides, as they stand on disk, are equal (family by family, to spare memory); number of rows."""
    with in_sql.connect(folder / "work.duckdb", threads) as con:
        ours = in_sql.features(con)
        for features in in_polars.FAMILIES.values():
            columns = [*compare.KEYS, *features]
            theirs = pl.read_parquet(folder / "features.parquet", columns=columns)
            if found := compare.differences(ours.select(*columns).pl(), theirs, features):
                raise SystemExit("The two sides differ; nothing was timed.\n" + "\n".join(found))
        return theirs.height


def compared(rounds: list[dict[str, dict[str, float]]]) -> dict[str, float]:
    """Medians over the rounds: SQL over each side of Polars, like stored with like, and what each side takes."""
    found = {}
    for side in rounds[0]:
        ours = "sql_unstored" if side == "polars_unstored" else "sql"
        for measure in ("cpu", "wall", "peak_gb"):
            found[f"{side}_{measure}"] = statistics.median(one[side][measure] for one in rounds)
            if side.startswith("polars"):
                ratio = statistics.median(one[ours][measure] / one[side][measure] for one in rounds)
                found[f"{measure}_vs_{side}"] = ratio
    return found


def line(found: dict[str, float], ours: str, theirs: str, goal: float | None = None) -> str:
    """What two sides take, and their ratio beside its goal."""
    ratio = found[f"cpu_vs_{theirs}"]
    verdict = "" if goal is None else f" (goal {goal:.2f}: {'' if ratio <= goal else 'not '}reached)"
    return (
        f"CPU seconds {found[f'{ours}_cpu']:.2f} SQL, {found[f'{theirs}_cpu']:.2f} Polars, ratio {ratio:.2f}{verdict},"
        f" wall {found[f'wall_vs_{theirs}']:.2f}; peak {found[f'{ours}_peak_gb']:.1f} and"
        f" {found[f'{theirs}_peak_gb']:.1f} GB"
    )


def main() -> None:
    """Equality, then alternating rounds, then the ratios."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--securities", type=int, default=1000)
    parser.add_argument("--years", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--sets", nargs="+", default=[*GOALS, *in_polars.FAMILIES], help="all, kairos_23, families")
    parser.add_argument("--yardsticks", action="store_true", help="also Polars without compression, and in memory")
    given = parser.parse_args()
    folder = compiled.ROOT / "target" / "bench" / f"{given.securities}x{given.years}"
    print(f"Market of {given.securities:,} securities x {given.years} years ...", flush=True)
    prepare(folder, given.securities, given.years)
    # not timed: a machine that was idle may have to fetch its memory back from its host first
    for side in SIDES:
        run(side, "all", folder, given.threads)
    rows = check(folder, given.threads)
    print(f"Both sides give equal rows at 1e-9: {rows:,} rows x {len(in_polars.FEATURES)} features.", flush=True)
    medians = {}
    for of_set in given.sets:
        others = OTHER_SIDES if of_set in GOALS and given.yardsticks else ()
        sides = SIDES + UNSTORED.get(of_set, ()) + others
        rounds = []
        while len(rounds) < given.rounds:
            # in turn forwards and backwards: who comes first finds less of the memory at hand
            turn = sides[:: -1 if len(rounds) % 2 else 1]
            taken = {side: run(side, of_set, folder, given.threads) for side in turn}
            rounds.append({side: taken[side] for side in sides})
        found = medians[of_set] = compared(rounds)
        print(f"{of_set}: {line(found, *SIDES, GOALS.get(of_set))}", flush=True)
        if of_set in UNSTORED:
            print(f"    no feature stored: {line(found, *UNSTORED[of_set])}", flush=True)
        for side in others:
            print(
                f"    over {side}: CPU {found[f'cpu_vs_{side}']:.2f}, wall {found[f'wall_vs_{side}']:.2f}", flush=True
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
        "medians": medians,
    }
    path = results / f"features_vs_polars_{given.securities}x{given.years}.json"
    path.write_text(json.dumps(report, indent=2) + "\n")
    print(f"Written to {path.relative_to(compiled.ROOT)}.")


if __name__ == "__main__":
    main()
