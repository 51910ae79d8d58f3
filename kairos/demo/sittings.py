"""All sittings of the exam: the tables of docs/exam.md, from markets written and warehouses built for them.

`python -m kairos.demo.sittings FOLDER` takes an hour of two cores. Each sitting leaves its series in FOLDER, and a
run that finds them there goes on with the next one, unless they are of another simulator than the present one
(`fingerprint`); markets and warehouses are deleted when they have been marked.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import numpy as np

from kairos.demo import parameters, registry
from kairos.demo.exam import REFERENCE, TRUTH, Series, mark, series, table
from kairos.demo.files import write_market
from kairos.progress import say
from kairos.proof.build import WAREHOUSE, Builder
from kairos.statistics import newey_west_error

SEEDS = (7, 1, 2)
NULL_SEEDS = tuple(range(10))
NULL_SIZE = {"securities": 100, "years": 5, "signal": 0.0}
HORIZONS = (5, 20)
HONEST = ("+ml_predictions", "+path:models/labels/labels.sql", "+int_fundamental_events")  # what `series` reads
# paths, not names: a name is also a folder of models and of tests, whose parents would come along
FILINGS = tuple(
    f"stg_sharadar__statements+,+path:models/{model}.sql"
    for model in ("features/features", "intermediate/int_fundamental_events")
)
# What is let in: the switches of the warehouse that do it, and what must be built again.
LEAKS = {
    "restated values under their first filing's date": ({"KAIROS__RESTATEMENT_POLICY": "most_recent"}, FILINGS),
    "filings at the close of their own date": ({"KAIROS__DATE_ONLY_KNOWN": "start_of_day"}, FILINGS),
    "today's sectors": ({"KAIROS__SECTOR_POLICY": "snapshot"}, ("int_sectors+,+int_universe",)),
}

# What a simulator is known by beside its parameters: sums of columns of a small market's files.
FINGERPRINT_SIZE = {"securities": 24, "years": 3, "seed": 7, "workers": 1}
FINGERPRINT = {
    "sharadar/SEP": ("close", "closeadj", "volume"),
    "sharadar/SF1": ("revenue", "netinc", "ncfo", "assets", "debt", "assetsc", "gp", "sharesbas"),
    "sharadar/SF2": ("transactionshares",),
    "sharadar/SF3A": ("totalvalue",),
    "sharadar/ACTIONS": ("value",),
    "finra/short_interest": ("currentShortPositionQuantity",),
    "cboe/VIX_History": ("CLOSE",),
    "truth": ("expected_fwd_ret_1d", "expected_fwd_ret_5d", "expected_fwd_ret_20d", "expected_fwd_ret_60d"),
}


@dataclass(frozen=True)
class Sitting:
    """Series by horizon of one market's warehouse, and the reference learner's 5-day rank ICs under each leak."""

    honest: dict[int, Series]
    leaks: dict[str, Series] = field(default_factory=dict)


def fingerprint() -> dict[str, float | str]:
    """A digest of the frozen parameters, and rows and sums of a small market's files to six digits.

    The exam's figures belong to the simulator they were taken from: with other numbers they must be taken again.
    """
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        market = write_market(Path(folder) / "market", **FINGERPRINT_SIZE)
        found = {"parameters": digest_of_parameters()}
        for file, columns in FINGERPRINT.items():
            sums = ", ".join(f"sum({column})" for column in columns)
            rows, *values = connection.execute(f"select count(*), {sums} from '{market}/{file}.parquet'").fetchone()
            found |= {f"{file} rows": rows} | {
                f"{file} {column}": float(f"{value:.6g}") for column, value in zip(columns, values, strict=True)
            }
    return found


def digest_of_parameters() -> str:
    """First 16 digits of the SHA-256 of every constant of the two modules of parameters, by name."""
    values = {
        f"{module.__name__}.{name}": value.tolist() if isinstance(value, np.ndarray) else value
        for module in (parameters, registry)
        for name, value in vars(module).items()
        if name.isupper()
    }
    return hashlib.sha256(json.dumps(values, default=repr, sort_keys=True).encode()).hexdigest()[:16]


def is_same(one: dict[str, float | str], other: dict[str, float | str]) -> bool:
    """Whether two fingerprints are of one simulator: the same parameters, sums equal but for the last of six digits."""
    return one.keys() == other.keys() and all(
        value == other[key] if isinstance(value, str) else np.isclose(value, other[key], rtol=2e-5)
        for key, value in one.items()
    )


def sit(folder: Path, name: str, size: dict[str, float], seed: int, leaks: bool, workers: int) -> Sitting:
    """Write a market, build what the exam reads, mark it; or read what an earlier run left in `folder`.

    Args:
        folder: where <name>.json is kept, and the market and warehouses while they are needed.
        size: arguments of write_market besides the seed.
        leaks: mark the reference learner under each of LEAKS as well.
        workers: processes of the builds.
    """
    kept, work = folder / f"{name}.json", folder / name
    market, warehouse = work / "market", work / "honest" / WAREHOUSE
    simulator = fingerprint()
    found = json.loads(kept.read_text()) if kept.exists() else {}
    if not found or not is_same(found["simulator"], simulator):
        shutil.rmtree(work, ignore_errors=True)
        write_market(market, seed=seed, workers=workers, **size)
        Builder(workers=workers).build(market, work / "honest", HONEST)
        found = {"honest": [as_json(series(warehouse, market, horizon)) for horizon in HORIZONS], "leaks": {}}
        found["simulator"] = simulator
        kept.write_text(json.dumps(found))
        say(f"exam: {name} marked")
    for leak in LEAKS if leaks else ():
        if leak not in found["leaks"]:
            settings, select = LEAKS[leak]
            shutil.rmtree(work / "leak", ignore_errors=True)
            (work / "leak").mkdir()
            shutil.copyfile(warehouse, work / "leak" / WAREHOUSE)
            leaking = Builder(workers=workers, settings=settings).build(market, work / "leak", select)
            found["leaks"][leak] = as_json(series(leaking, market, 5))
            kept.write_text(json.dumps(found))
            say(f"exam: {name} marked with {leak} let in")
    shutil.rmtree(work, ignore_errors=True)
    honest = [from_json(values) for values in found["honest"]]
    return Sitting({s.horizon: s for s in honest}, {leak: from_json(s) for leak, s in found["leaks"].items()})


def as_json(found: Series) -> dict:
    """A series in types of JSON, without loss."""
    ics = {who: [None if np.isnan(ic) else float(ic) for ic in values] for who, values in found.ics.items()}
    return {"horizon": found.horizon, "dates": found.dates.astype(str).tolist(), "ics": ics}


def from_json(found: dict) -> Series:
    """The series `as_json` wrote."""
    ics = {who: np.array([np.nan if ic is None else ic for ic in values]) for who, values in found["ics"].items()}
    return Series(found["horizon"], np.array(found["dates"], dtype="datetime64[D]"), ics)


def pooled(differences: list[np.ndarray], lag: int) -> tuple[float, float, float]:
    """Mean over independent markets of the means of their series, with its 95% interval; NaN are dates without one."""
    held = [x[np.isfinite(x)] for x in differences]
    mean = np.mean([x.mean() for x in held])
    error = np.sqrt(np.sum([newey_west_error(x, lag) ** 2 for x in held])) / len(held)
    return float(mean), float(mean - 1.96 * error), float(mean + 1.96 * error)


def over_markets(means: list[float]) -> tuple[float, float, float]:
    """Mean of one number per market, with its 95% interval by Student's t."""
    from scipy.stats import t

    mean, error = np.mean(means), np.std(means, ddof=1) / np.sqrt(len(means))
    reach = t.ppf(0.975, len(means) - 1) * error
    return float(mean), float(mean - reach), float(mean + reach)


def marks_table(sittings: dict[int, Sitting]) -> str:
    """Marks of the truth, the reference learner and every alpha, a table per seed."""
    parts = []
    for seed, sitting in sittings.items():
        marks = [
            mark(who, horizon, ics, found.ics[TRUTH])
            for horizon, found in sitting.honest.items()
            for who, ics in found.ics.items()
        ]
        parts.append(f"Seed {seed}:\n\n{table(marks)}")
    return "\n\n".join(parts)


def leaks_table(sittings: dict[int, Sitting]) -> str:
    """Rise of the reference learner's 5-day rank IC under each leak, on the same dates: by seed, pooled, by year."""
    columns = [f"seed {seed}" for seed in sittings]
    years = sorted({int(y) for s in sittings.values() for y in np.unique(years_of(s.honest[5])) if y})
    head = ["let in", "all seeds (95%)", *columns, *map(str, years)]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for leak in LEAKS:
        rises = {
            seed: sitting.leaks[leak].ics[REFERENCE] - sitting.honest[5].ics[REFERENCE]
            for seed, sitting in sittings.items()
        }
        cells = [interval(pooled(list(rises.values()), 4))]
        cells += [interval(pooled([rise], 4)) for rise in rises.values()]
        cells += [
            interval(pooled([rises[seed][years_of(s.honest[5]) == year] for seed, s in sittings.items()], 4))
            for year in years
        ]
        lines.append("| " + " | ".join([leak, *cells]) + " |")
    return "\n".join(lines)


def years_of(found: Series) -> np.ndarray:
    """(D,) calendar years of the dates; those without a mark of the reference learner are year 0."""
    years = found.dates.astype("datetime64[Y]").astype(int) + 1970
    return np.where(np.isfinite(found.ics[REFERENCE]), years, 0)


def nulls_table(nulls: list[Sitting]) -> str:
    """Mean rank IC over the null markets of everyone who scored there."""
    lines = ["| score | horizon | mean rank IC over the markets (95%) |", "|---|---:|---|"]
    for horizon in HORIZONS:
        for who in nulls[0].honest[horizon].ics:
            if who != TRUTH:  # one number for all names: it ranks nobody
                means = [float(np.nanmean(null.honest[horizon].ics[who])) for null in nulls]
                lines.append(f"| {who} | {horizon} | {interval(over_markets(means))} |")
    return "\n".join(lines)


def interval(found: tuple[float, float, float]) -> str:
    """Mean and interval for the page."""
    return f"{found[0]:.4f} ({found[1]:.4f} to {found[2]:.4f})"


def main(folder: Path) -> None:
    """Every sitting that `folder` does not hold yet, then the tables."""
    folder.mkdir(parents=True, exist_ok=True)
    real = {seed: sit(folder, f"seed_{seed}", {}, seed, True, 1) for seed in SEEDS}
    nulls = [sit(folder, f"null_{seed}", NULL_SIZE, seed, False, 1) for seed in NULL_SEEDS]
    print(f"Fingerprint of the simulator:\n\n`{json.dumps(fingerprint())}`\n")
    print(f"{marks_table(real)}\n\n{leaks_table(real)}\n\n{nulls_table(nulls)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
