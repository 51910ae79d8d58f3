"""What happened to a market's files, load by load, kept where no refresh touches it (docs/decisions/0014).

Folders of append-only Parquet below the state, one file per load that brought something new:

* row_loads   dataset, row_key, security_id, known_at, first_seen_at: a row of filings, insiders, short interest,
              holdings or companies, as its content says, and the load it first stood in.
* bar_loads   dataset, session_date, bars, digest, hashed_by, first_seen_at: the bars of a file and date, the digest of
              what no later split or dividend changes about them, and the load in which they first were so.
"""

from __future__ import annotations

from pathlib import Path

FOLDERS = {
    "row_loads": "dataset varchar, row_key varchar, security_id bigint, known_at timestamp, first_seen_at timestamp",
    "bar_loads": "dataset varchar, session_date date, bars bigint, digest ubigint, hashed_by varchar,"
    " first_seen_at timestamp",
}


def folder(state: Path, name: str) -> Path:
    """A folder of the state, made where it is not there yet."""
    place = state / name
    place.mkdir(parents=True, exist_ok=True)
    return place


def statements(state: Path) -> list[str]:
    """SQL that shows the folders as views raw.state__<folder>, empty where nothing was kept yet."""
    views = []
    for name, columns in FOLDERS.items():
        files = state / name / "*.parquet"
        named = [column.strip().split(" ") for column in columns.split(",")]
        nothing = ", ".join(f"null::{type_} as {column}" for column, type_ in named)
        shown = ", ".join(f"{column}::{type_} as {column}" for column, type_ in named)
        select = f"select {nothing} where false"
        if any((state / name).glob("*.parquet")):
            select += f" union all select {shown} from read_parquet('{str(files).replace(chr(39), chr(39) * 2)}')"
        views.append(f"create or replace view raw.state__{name} as {select}")
    return views
