"""scikit-learn estimators as skops bytes that are the same in every process.

skops names its parts by memory addresses, stamps its archive with the clock and writes whatever lies between the fields
of a tree's nodes. Here the parts are numbered in the order of their names, the archive carries no time and what lies
between fields is zero; skops reads it as any other of its files, and only types it
trusts, so nothing is ever unpickled.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import skops.io

ARCHIVE_EPOCH = (1980, 1, 1, 0, 0, 0)


def dump(estimator: Any) -> bytes:
    """Canonical skops bytes of a scikit-learn estimator. Raises ValueError for one whose parts refer to each other."""
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(estimator))) as archive:
        schema = json.loads(archive.read("schema.json"))
        parts = {name: archive.read(name) for name in archive.namelist() if name != "schema.json"}
    renamed: dict[str, bytes] = {}
    _renumber(schema, parts, renamed, [0])
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression=zipfile.ZIP_STORED) as archive:
        for name, content in [*renamed.items(), ("schema.json", json.dumps(schema, sort_keys=True).encode())]:
            archive.writestr(zipfile.ZipInfo(name, date_time=ARCHIVE_EPOCH), content)
    return out.getvalue()


def load(content: bytes, trusted: Sequence[str] = ()) -> Any:
    """The estimator of `content`.

    trusted: types beyond skops' own that the caller checks. skops raises UntrustedTypesFoundException for others.
    """
    return skops.io.loads(content, trusted=list(trusted))


def _renumber(node: Any, parts: dict[str, bytes], renamed: dict[str, bytes], counter: list[int]) -> None:
    """Number nodes and their files in one order, in place."""
    if isinstance(node, dict):
        if node.get("__loader__") == "CachedNode":
            raise ValueError("An estimator whose parts refer to each other has no canonical skops bytes.")
        if "__id__" in node:
            counter[0] += 1
            node["__id__"] = counter[0]
        if isinstance(node.get("file"), str) and node["file"] in parts:
            name = f"{counter[0]}.npy"
            renamed[name] = _without_padding(parts[node["file"]])
            node["file"] = name
        for key in sorted(node):
            _renumber(node[key], parts, renamed, counter)
    elif isinstance(node, list):
        for value in node:
            _renumber(value, parts, renamed, counter)


def _without_padding(content: bytes) -> bytes:
    """An .npy file as it is, of records with zeros between their fields."""
    records = np.load(io.BytesIO(content), allow_pickle=False)
    if not records.dtype.names:
        return content
    clean = np.zeros(records.shape, records.dtype)
    for name in records.dtype.names:
        clean[name] = records[name]
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, np.lib.format.header_data_from_array_1_0(clean))
    return buffer.getvalue() + clean.view(np.uint8).tobytes()
