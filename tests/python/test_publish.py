"""Publication: all or nothing for readers, readable by old clients, honest about what it cannot do."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import duckdb
import pytest

from kairos.errors import PublishError
from kairos.publish import DATABASE, KEEP, publish

ROWS = 20_000

# A BI tool: opens published/current, reads two marts that must agree, keeps an old connection open all along.
READER = """
import json, sys, duckdb, pathlib
path, stop = sys.argv[1], sys.argv[2]
versions = "select min(version), max(version), count(*) from marts."
held = duckdb.connect(path, read_only=True)
first = held.sql(versions + "fct_a").fetchall()[0]
polls, mixed, errors, seen = 0, 0, [], set()
print("ready", flush=True)
while not pathlib.Path(stop).exists():
    try:
        with duckdb.connect(path, read_only=True) as con:
            a = con.sql(versions + "fct_a").fetchall()[0]
            b = con.sql(versions + "fct_b").fetchall()[0]
    except Exception as error:
        errors.append(repr(error))
        continue
    polls += 1
    mixed += a != b or a[0] != a[1]
    seen.add(a[0])
again = held.sql(versions + "fct_a").fetchall()[0]
print(json.dumps({"polls": polls, "mixed": mixed, "errors": errors, "seen": sorted(seen), "held": first == again}))
"""

HOLDER = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); input()"


def _warehouse(path, version):
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema if not exists marts")
        for mart in ("fct_a", "fct_b"):
            connection.execute(
                f"create or replace table marts.{mart} as select {version} as version, i from range({ROWS}) t (i)"
            )
        connection.execute("create or replace view marts.v_a as select count(*) as n from marts.fct_a")


def test_reader_process_never_sees_a_mixture(tmp_path):
    """A reader polls through six publications while the warehouse is rewritten: no error, no mixed version."""
    warehouse, published, stop = tmp_path / "w.duckdb", tmp_path / "published", tmp_path / "stop"
    _warehouse(warehouse, 0)
    publish(warehouse, published)
    database = published / "current" / DATABASE
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(database), str(stop)], stdout=subprocess.PIPE, text=True
    )
    assert reader.stdout.readline().strip() == "ready"
    for version in range(1, 7):
        _warehouse(warehouse, version)
        publish(warehouse, published)
        time.sleep(0.2)
    time.sleep(0.3)
    stop.touch()
    result = json.loads(reader.communicate(timeout=60)[0])
    assert result["errors"] == []
    assert result["mixed"] == 0
    assert result["held"], "the connection that stayed open must go on reading its own version"
    assert result["polls"] > 10
    assert result["seen"][-1] == 6, "the reader must reach the newest version without help"


def test_publish_keeps_three_versions_and_all_marts(tmp_path):
    """Every mart stands in the database and as Parquet; the oldest versions go."""
    warehouse, published = tmp_path / "w.duckdb", tmp_path / "published"
    for version in range(5):
        _warehouse(warehouse, version)
        newest = publish(warehouse, published)
    versions = sorted(d.name for d in published.glob("v_*"))
    assert len(versions) == KEEP
    assert (published / "current").resolve() == newest.resolve()
    with duckdb.connect(str(published / "current" / DATABASE), read_only=True) as connection:
        tables = {name for (name,) in connection.sql("select table_name from information_schema.tables").fetchall()}
        assert connection.sql("select current_database()").fetchall() == [("kairos_marts",)]
    assert tables == {"fct_a", "fct_b", "v_a"}
    assert {p.stem for p in newest.glob("*.parquet")} == tables


def test_published_file_has_the_storage_version_of_duckdb_1_2(tmp_path):
    """DuckDB writes its storage version at byte 12 of the header; 65 is what 1.2 writes, a later one it refuses."""
    _warehouse(tmp_path / "w.duckdb", 0)
    version = publish(tmp_path / "w.duckdb", tmp_path / "published")
    header = (version / DATABASE).read_bytes()[:20]
    assert header[8:12] == b"DUCK"
    assert int.from_bytes(header[12:20], "little") <= 65


def test_publish_refuses_a_missing_and_a_locked_warehouse(tmp_path):
    """Both messages name the file and the cure, and nothing is published."""
    warehouse, published = tmp_path / "w.duckdb", tmp_path / "published"
    with pytest.raises(PublishError, match=r"no warehouse at .*w\.duckdb.*make build"):
        publish(warehouse, published)
    _warehouse(warehouse, 0)
    command = [sys.executable, "-c", HOLDER, str(warehouse)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline().strip() == "held"
    with pytest.raises(PublishError, match=r"w\.duckdb is held by another process.*KAIROS_DB"):
        publish(warehouse, published)
    holder.communicate("\n", timeout=30)
    assert not (published / "current").exists()


def test_publish_without_marts_leaves_the_last_version(tmp_path):
    """A warehouse without marts is an error and the current link stays."""
    warehouse, published = tmp_path / "w.duckdb", tmp_path / "published"
    _warehouse(warehouse, 0)
    before = publish(warehouse, published)
    duckdb.connect(str(tmp_path / "empty.duckdb")).close()
    with pytest.raises(PublishError, match="at least one mart"):
        publish(tmp_path / "empty.duckdb", published)
    assert (published / "current").resolve() == before.resolve()
    assert [d.name for d in published.glob("v_*")] == [before.name]
