"""Finished work, kept by what it was made of: a fit or a piece of scores is made again only when something that shapes
it has changed (docs/decisions/0016).

One Parquet file per alpha and fold in a folder beside the warehouse; its metadata hold the key, a digest of every input
and of the code and libraries. A file under another key, damaged or gone is work to be done again, never an error.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kairos import executor, machine

_KEY = b"kairos_key"


class Kept:
    """Tables under (alpha, fold), each with the key it was made under; one per alpha and fold, the newest.

    Args:
        folder: where the files are; made with the first.
        is_read: False finds nothing and keeps everything anew: a full refresh.
    """

    def __init__(self, folder: Path, is_read: bool = True):
        self.folder = folder
        self.is_read = is_read

    @classmethod
    def of_this_build(cls, kind: str) -> Kept:
        """What builds of this warehouse kept of a kind; not read under dbt's --full-refresh."""
        return cls(machine.warehouse().with_suffix(".kept") / kind, is_read=not _is_full_refresh())

    def may_hold(self, alpha: str, fold: str) -> bool:
        """Whether it is worth working out a key."""
        return self.is_read and self._file(alpha, fold).exists()

    def get(self, alpha: str, fold: str, key: str, schema: pa.Schema) -> pa.Table | None:
        """The table kept under this key in this schema, or None."""
        if not self.may_hold(alpha, fold):
            return None
        try:
            file = pq.ParquetFile(self._file(alpha, fold), page_checksum_verification=True)
            if (file.schema_arrow.metadata or {}).get(_KEY) != _here(key):
                return None
            table = file.read().replace_schema_metadata(None)
        except (OSError, pa.ArrowException):
            return None
        return table if table.schema.equals(schema) else None

    def tables(
        self,
        tasks: list[dict[str, Any]],
        piece_of: Callable[[dict[str, Any]], tuple[str, str]],
        key_of: Callable[[dict[str, Any]], str],
        schema_of: Callable[[dict[str, Any]], pa.Schema],
    ) -> dict[int, pa.Table]:
        """What is kept of tasks that would be made of the same, by position.

        piece_of, key_of, schema_of: (alpha, fold), key and schema of a task; keys are worked out as tasks are run, and
        only of pieces that are kept at all.
        """
        asked = [position for position, task in enumerate(tasks) if self.may_hold(*piece_of(task))]
        found = {}
        for place, key in executor.run(key_of, [tasks[position] for position in asked]):
            task = tasks[asked[place]]
            if table := self.get(*piece_of(task), key, schema_of(task)):
                found[asked[place]] = table
        return found

    def put(self, alpha: str, fold: str, key: str, table: pa.Table) -> None:
        """Keep a table, whole or not at all: it takes its name when it is written."""
        target = self._file(alpha, fold)
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_suffix(f".{os.getpid()}.tmp")
        marked = table.replace_schema_metadata({_KEY: _here(key)})
        pq.write_table(marked, draft, compression="none", use_dictionary=False, write_page_checksum=True)
        draft.replace(target)

    def prune(self, alphas: set[str], pieces: set[tuple[str, str]]) -> None:
        """Throw away what belongs to none of these alphas, and, of an alpha with pieces (alpha, fold), to no piece.

        An alpha that is only switched off keeps what it has.
        """
        named = {alpha for alpha, _ in pieces}
        for place in self.folder.glob("*"):
            if place.name not in alphas:
                shutil.rmtree(place, ignore_errors=True)
            for file in place.glob("*") if place.name in named else ():
                if (place.name, file.stem) not in pieces:
                    file.unlink(missing_ok=True)

    def _file(self, alpha: str, fold: str) -> Path:
        return self.folder / alpha / f"{fold}.parquet"


def digest(content: Any) -> str:
    """sha256 of what JSON can write, keys in order."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def digest_of_rows(names: list[str], *columns: np.ndarray) -> str:
    """sha256 of names and arrays of one length, NaN written one way."""
    total = hashlib.sha256(json.dumps([names, len(columns[0])]).encode())
    for values in columns:
        plain = np.where(np.isnan(values), np.nan, values) if values.dtype.kind == "f" else values
        total.update(np.ascontiguousarray(plain).data)
    return total.hexdigest()


def _here(key: str) -> bytes:
    """The key with what the machine adds to the bits: Python, processor, and the kernels its linear algebra chose."""
    kernels = sorted({str(library.get("architecture")) for library in executor.thread_pools().info()})
    return digest([key, platform.python_version(), platform.machine(), kernels]).encode()


def _is_full_refresh() -> bool:
    """dbt's own flag, where dbt runs us."""
    flags = sys.modules.get("dbt.flags")
    return bool(flags and getattr(flags.get_flags(), "FULL_REFRESH", False))
