"""What happened to a market's files, load by load, kept where no refresh touches it (docs/decisions/0014).

Folders of append-only Parquet below the state, one file per load that brought something new:

* row_loads   dataset, row_key, security_id, known_at, first_seen_at: a row of filings, insiders, short interest,
              holdings or companies, as its content says, and the load it first stood in.
* bar_loads   dataset, session_date, bars, digest, hashed_by, first_seen_at: the bars of a file and date, the digest of
              what no later split, dividend or change of name alters, and the load in which they first were so.
* ml_trials   study_id, trial_number, alpha_name, fold_id, params and what came of them: every set of parameters ever
              tried inside a fold's training window (kairos/tuning.py).
* registry_events  event_number, alpha_name, event, fit_id, fold_id, version, effective_date, who, why, gate_result,
              first_seen_at: what happened to the alphas' fits (kairos.registry).
* registry_fits    the rows of ml_fits that were promoted or rolled back to, with their bytes.
* proof_results    proved_at, code_version, attack, cut_date, model_name, column_name and what was compared and
                   differed: every proof that was run to its end (kairos.proof).
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from kairos import machine
from kairos.errors import StateError
from kairos.schemas import FITS, PROOFS, REGISTRY_EVENTS, TUNING_TRIALS
from kairos.sql import literal

_SQL_TYPES = {
    "string": "varchar",
    "date32[day]": "date",
    "timestamp[us]": "timestamp",
    "int32": "integer",
    "int64": "bigint",
    "double": "double",
    "binary": "blob",
    "list<item: string>": "varchar[]",
    "list<item: double>": "double[]",
}


def _columns(schema: pa.Schema) -> str:
    """The columns of a schema with their types in SQL."""
    return ", ".join(f"{field.name} {_SQL_TYPES[str(field.type)]}" for field in schema)


FOLDERS = {
    "row_loads": "dataset varchar, row_key varchar, security_id bigint, known_at timestamp, first_seen_at timestamp",
    "bar_loads": "dataset varchar, session_date date, bars bigint, digest ubigint, hashed_by varchar,"
    " first_seen_at timestamp",
    "ml_trials": _columns(TUNING_TRIALS),
    "registry_events": _columns(REGISTRY_EVENTS),
    "registry_fits": _columns(FITS),
    "proof_results": _columns(PROOFS),
}


# Locks that builds of this process hold, by state.
_HELD: dict[Path, IO] = {}
# Seconds that a build waits for a command to be done with the state; another build takes longer.
_PATIENCE = 10


@contextlib.contextmanager
def locked(state: Path) -> Iterator[None]:
    """One command at a time reads the state and adds to it: whoever comes second sees what the first one added.

    Raises StateError when the state cannot be written.
    """
    with _opened(state, "append.lock") as lock:
        machine.lock(lock)
        yield


def begin(state: Path) -> None:
    """Let the build of this process, and no other, add to the state until end() or the end of the process; clear away
    what killed ones had begun to write.

    Raises StateError when another build does, or when the state cannot be written.
    """
    place = state.resolve()
    if place in _HELD:
        return
    lock = _opened(state, "build.lock")
    until = time.monotonic() + _PATIENCE
    while not machine.lock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB):
        if time.monotonic() > until:
            lock.close()
            raise StateError(
                f"Another build is adding to the state {state}, and two at once would both say that they saw a row"
                " first. Wait until it is done, or give this one a state of its own (KAIROS_STATE)."
            )
        time.sleep(0.2)
    _HELD[place] = lock
    with locked(state):
        for draft in (*state.glob("*/tmp_*.parquet"), *state.glob("*/*.tmp")):
            with contextlib.suppress(OSError):  # somebody else's: it is in nobody's way
                draft.unlink()


def end(state: Path) -> None:
    """Let others add to the state."""
    if lock := _HELD.pop(state.resolve(), None):
        lock.close()


@contextlib.contextmanager
def no_build(state: Path) -> Iterator[None]:
    """While it lasts no build adds to the state. Raises StateError when one does already."""
    with _opened(state, "build.lock") as lock:
        if not machine.lock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB):
            raise StateError(f"A build is adding to the state {state}. Try again when it is done.")
        yield


def _opened(state: Path, name: str) -> IO:
    try:
        state.mkdir(parents=True, exist_ok=True)
        return machine.lock_file(state / name)
    except OSError as error:
        raise StateError(f"{state}: cannot be written ({error}). KAIROS_STATE names the folder.") from error


def folder(state: Path, name: str) -> Path:
    """A folder of the state, made where it is not there yet."""
    place = state / name
    place.mkdir(parents=True, exist_ok=True)
    return place


def files(state: Path, name: str) -> list[Path]:
    """The files of a folder by name, without what a build that was killed had begun to write (DuckDB's tmp_...)."""
    return sorted(file for file in (state / name).glob("*.parquet") if not file.name.startswith("tmp_"))


def read(state: Path, name: str, schema: pa.Schema) -> pa.Table:
    """All rows of a folder, in the order of its files' names; empty where nothing was kept yet.

    Raises StateError for a file that cannot be read or has other columns.
    """
    tables = []
    for file in files(state, name):
        try:
            tables.append(pq.read_table(file, columns=schema.names).cast(schema))
        except (OSError, ValueError, pa.ArrowException) as error:
            raise _unreadable(file, name, error) from error
    return pa.concat_tables(tables) if tables else schema.empty_table()


def _unreadable(file: Path, name: str, why: object) -> StateError:
    return StateError(
        f"{file}: {name} cannot be read ({why}). Restore the file from a backup, or move it away; its rows are then no"
        " longer counted."
    )


def append(state: Path, name: str, rows: pa.Table) -> None:
    """Add rows to a folder in one new file, called after its content, whole or not at all.

    Raises StateError when it cannot be written.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink)
    content = sink.getvalue().to_pybytes()
    target = state / name / f"{hashlib.sha256(content).hexdigest()[:16]}.parquet"
    draft = target.with_suffix(f".{os.getpid()}.tmp")
    try:
        folder(state, name)
        draft.write_bytes(content)
        draft.replace(target)
    except OSError as error:
        raise StateError(f"{target}: cannot be written ({error}). KAIROS_STATE names the folder.") from error


def statements(state: Path) -> list[str]:
    """SQL that shows the folders as views raw.state__<folder>, empty where nothing was kept yet.

    Raises StateError for a file that cannot be opened or lacks a column.
    """
    for name in FOLDERS:
        for file in files(state, name):
            try:
                lacking = sorted({column for column, _ in _named(name)} - set(pq.read_schema(file).names))
            except (OSError, pa.ArrowException) as error:
                raise _unreadable(file, name, error) from error
            if lacking:
                raise _unreadable(file, name, f"it lacks {', '.join(lacking)}: another version of kairos wrote it")
    return [view(state, name) for name in FOLDERS]


def _named(name: str) -> list[list[str]]:
    """Columns of a folder with their types."""
    return [column.strip().split(" ") for column in FOLDERS[name].split(",")]


def view(state: Path, name: str) -> str:
    """SQL that shows a folder as view raw.state__<folder>, with the files that are there now."""
    named = _named(name)
    nothing = ", ".join(f"null::{type_} as {column}" for column, type_ in named)
    shown = ", ".join(f"{column}::{type_} as {column}" for column, type_ in named)
    select = f"select {nothing} where false"
    if there := files(state, name):
        # a pattern also finds what is added while the view stands; it cannot leave anything out
        is_all = len(there) == len(list((state / name).glob("*.parquet")))
        paths = (
            [f"{glob.escape(str(state / name))}/*.parquet"] if is_all else [glob.escape(str(file)) for file in there]
        )
        quoted = ", ".join(map(literal, paths))
        select += f" union all select {shown} from read_parquet([{quoted}])"
    return f"create or replace view raw.state__{name} as {select}"
