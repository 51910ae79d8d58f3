"""Write a simulated market as vendor files: group by group, on as many processes as there are, in bounded memory.

A group of companies is simulated and turned into tables by one worker, which leaves them on disk; this process appends
them to the market's Parquet files in the groups' order. Groups do not depend on the number of workers, so neither do
the bytes.
"""

from __future__ import annotations

import functools
import shutil
import time
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.ipc as pa_ipc
import pyarrow.parquet as pq

from kairos import executor, machine
from kairos.demo import vendors
from kairos.demo.world import World, world
from kairos.errors import OutputError, SpecError
from kairos.progress import say

ROWS_IN_A_GROUP = 131_072
SECONDS_BETWEEN_LINES = 10
# How doubles are packed, by what takes the fewest bytes: prices in cents and rounded ratios repeat themselves, adjusted
# closes repeat their neighbours' bytes, and for all others it pays to store the bytes of a number apart.
REPEATING = ("open", "high", "low", "close", "closeunadj", "evebit", "evebitda", "pb", "pe", "ps")
PLAIN = ("closeadj",)
TRUTH = "truth.parquet"  # also what tells a demo market from a user's own


class Task(NamedTuple):
    """One group of companies of a market, and the folder for its tables."""

    securities: int
    years: float
    seed: int
    signal: float
    group: int
    folder: Path


def write_market(
    out: Path,
    securities: int = 400,
    years: float = 8,
    seed: int = 7,
    signal: float = 1.0,
    workers: int | None = None,
) -> Path:
    """Write the market into `out`, one folder per vendor, and return it.

    Args:
        out: folder to make; one that is empty or holds a demo market is replaced in one step, when all is written.
        securities: companies; SPY and the sector funds come in addition.
        years: back from the market's last session.
        seed: everything follows from it and from the size; same arguments, same bytes.
        signal: scales the planted premia, 0 = nothing to learn.
        workers: processes, default KAIROS_WORKERS or the machine's cores.

    Raises:
        SpecError: a size that cannot be drawn, or `out` holds something else than a demo market.
        OutputError: nothing can be written there.
    """
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise SpecError(f"{out} is a file. Name a folder for the demo market.")
    if out.exists() and any(out.iterdir()) and not (out / TRUTH).exists():
        _refuse_strangers(out, _files_of(out))
    drawn = _world(securities, years, seed, signal)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with machine.own_folder(out.parent, f".{out.name}.") as scratch:
            try:
                written = scratch / "market"
                parts = scratch / "groups"
                parts.mkdir()
                tasks = [Task(securities, years, seed, signal, k, parts) for k in range(len(drawn.chunks))]
                _write(drawn, tasks, written, workers)
                if out.exists():
                    _refuse_strangers(out, _files_of(out) - _files_of(written))
                    out.rename(scratch / "replaced")
                written.rename(out)
            finally:
                _remove(scratch)
    except OSError as error:
        raise OutputError(f"{out} cannot be written: {error}. Make room, or name another folder with --out.") from error
    return out


def _files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def _refuse_strangers(out: Path, strangers: set[str]) -> None:
    """Files that are not a demo market's are somebody's."""
    if strangers:
        raise SpecError(
            f"{out} holds {len(strangers)} files that are not a demo market's ({min(strangers)} among them) and would "
            "be lost. Choose another --out, or move them away."
        )


def _remove(folder: Path) -> None:
    """Delete a folder into which a worker may still be writing after a failure; its next file finds no folder."""
    for _ in range(5):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.2)


@functools.lru_cache(maxsize=1)
def _world(securities: int, years: float, seed: int, signal: float) -> World:
    """What all companies share, drawn once in each process."""
    return world(securities, years, seed, signal)


def write_group(task: Task) -> list[vendors.Company]:
    """Simulate a group and leave its tables in the task's folder; returns what other tables need of its companies."""
    drawn = _world(task.securities, task.years, task.seed, task.signal)
    group = vendors.files_of(drawn.market, drawn.histories(drawn.chunks[task.group]))
    for name, table in group.tables.items():
        with pa.OSFile(str(_part(task, name)), "wb") as sink, pa_ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    return group.companies


def _part(task: Task, name: str) -> Path:
    return task.folder / f"{task.group:05d}_{name.replace('/', '_')}.arrow"


def _write(drawn: World, tasks: list[Task], written: Path, workers: int | None) -> None:
    """Append the groups' tables in order as they become ready, then write the tables of the whole market."""
    started = said = time.monotonic()
    waiting: dict[int, list[vendors.Company]] = {}
    companies: list[vendors.Company] = []
    files = Files(written)
    with files:
        done = 0
        for position, found in executor.run_here(write_group, tasks, workers):
            waiting[position] = found
            while done in waiting:
                companies += waiting.pop(done)
                for name in vendors.GROUP_TABLES:
                    part = _part(tasks[done], name)
                    with pa.memory_map(str(part)) as source:
                        files.append(name, pa_ipc.open_file(source).read_all())
                    part.unlink()
                done += 1
            if time.monotonic() - said > SECONDS_BETWEEN_LINES:
                said = time.monotonic()
                say(f"demo market: {len(companies)} of {drawn.market.size} securities, {said - started:.0f} s")
        for name, table in vendors.whole_market_files(drawn.market, companies).items():
            files.append(name, table)


class Files:
    """The market's open files; a table appended under a name becomes row groups of the file of that name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writers: dict[str, pq.ParquetWriter] = {}

    def __enter__(self) -> Files:
        return self

    def __exit__(self, *_: object) -> None:
        for writer in self._writers.values():
            writer.close()

    def append(self, name: str, table: pa.Table) -> None:
        """Add the table's rows; a name with the suffix .csv is written as such, once."""
        path = self.folder / (name if name.endswith(".csv") else f"{name}.parquet")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".csv":
            pa_csv.write_csv(table, path)
            return
        if name not in self._writers:
            doubles = {f.name for f in table.schema if pa.types.is_floating(f.type)}
            split = [n for n in table.schema.names if n in doubles.difference(REPEATING, PLAIN)]
            self._writers[name] = pq.ParquetWriter(
                path,
                table.schema,
                compression="zstd",
                use_dictionary=[n for n in table.schema.names if n not in split and n not in PLAIN],
                use_byte_stream_split=split,
                store_schema=False,
            )
        self._writers[name].write_table(table, row_group_size=ROWS_IN_A_GROUP)
