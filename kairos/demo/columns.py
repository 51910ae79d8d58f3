"""Columns of the vendor files: companies one after the other, missing numbers as NULL, and what is drawn for them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

DAY = np.timedelta64(1, "D")
OF_THE_FILES = 1_000_000_007  # keeps these streams apart from the simulator's
PURPOSES = ("statement", "missing", "counts", "insiders", "owners", "short", "company", "ending", "holders")


def random(seed: int, number: int, purpose: str) -> np.random.Generator:
    """The generator of one company and purpose."""
    return np.random.default_rng([seed, OF_THE_FILES, number, PURPOSES.index(purpose)])


def join(values: list[np.ndarray], kind: type = float) -> np.ndarray:
    """The companies' arrays one after the other."""
    return np.concatenate(values).astype(kind) if values else np.zeros(0, kind)


def numbers(values: np.ndarray) -> pa.Array:
    """Doubles, NaN as NULL."""
    return pa.array(np.where(np.isfinite(values), values, np.nan), pa.float64(), from_pandas=True)


def repeated(texts: list[str], lengths: list[int]) -> pa.DictionaryArray:
    """Each text as often as its length says; a text may come twice.

    The dictionary holds every text once: Parquet pages of a dictionary with repetitions end in bytes nobody wrote.
    """
    place = {text: k for k, text in enumerate(dict.fromkeys(texts))}
    codes = np.repeat(np.array([place[text] for text in texts], dtype=np.int32), lengths)
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(list(place), pa.string()))


def flag(is_set: np.ndarray, letter: str) -> pa.Array:
    """The letter where set, else NULL."""
    return pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(is_set.size, np.int32), mask=~is_set.astype(bool)), pa.array([letter])
    )
