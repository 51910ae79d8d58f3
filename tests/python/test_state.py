"""The append-only state: builds and commands at once, files that are damaged or of another version."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kairos import machine, state
from kairos.backtest import trials
from kairos.errors import StateError
from kairos.schemas import TUNING_TRIALS

HOLDER = """
import pathlib, sys
from kairos import state
state.begin(pathlib.Path(sys.argv[1]))
print("held", flush=True)
input()
"""


def _holder(place: Path) -> subprocess.Popen:
    """Another build that is under way."""
    command = [sys.executable, "-c", HOLDER, str(place)]
    held = subprocess.Popen(command, cwd=machine.root(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert held.stdout.readline().strip() == "held"
    return held


def test_one_build_at_a_time_adds_to_a_state(tmp_path, monkeypatch):
    """Two that began with the same state both wrote every row and event down, and no later build passed its tests."""
    monkeypatch.setattr(state, "_PATIENCE", 0.3)
    other = _holder(tmp_path)
    with pytest.raises(StateError, match=r"Another build is adding to the state .*KAIROS_STATE"):
        state.begin(tmp_path)
    with pytest.raises(StateError, match="Try again when it is done"), state.no_build(tmp_path):
        pass
    other.communicate("\n", timeout=30)
    state.begin(tmp_path)
    state.begin(tmp_path)  # the build's own process
    state.end(tmp_path)
    state.end(tmp_path)


@pytest.mark.chaos
def test_a_killed_build_holds_nothing_and_its_drafts_go(tmp_path):
    other = _holder(tmp_path)
    kept = tmp_path / "row_loads/0123.parquet"
    kept.parent.mkdir()
    for file in (kept, kept.with_name("tmp_0123.parquet"), kept.with_name("0123.77.tmp")):
        file.write_bytes(b"PAR1")
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    state.begin(tmp_path)
    state.end(tmp_path)
    assert list(kept.parent.iterdir()) == [kept]


def test_a_file_system_without_locks_stops_nobody(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    state.begin(tmp_path)
    state.end(tmp_path)
    with state.no_build(tmp_path), state.locked(tmp_path), machine.own_folder(tmp_path, "own-") as folder:
        assert folder.is_dir()
    assert not folder.exists()


def _try_out(place: str) -> int:
    """What one of several ad-hoc backtests at once adds: a configuration of its own and one that all share."""
    outcome = dict.fromkeys(("start_date", "end_date", "sessions", "annual_return", "annual_vol", "sharpe"))
    own = [trials.trial(key, {"top_n": key}, outcome | {"max_drawdown": None}) for key in (str(os.getpid()), "shared")]
    for _ in range(10):
        trials.append_trials(Path(place), own)
    return os.getpid()


def test_no_try_is_lost_or_doubled_by_commands_at_once(tmp_path):
    with ProcessPoolExecutor(4) as pool:
        keys = {str(pid) for pid in pool.map(_try_out, [str(tmp_path)] * 40)}
    found = trials.read_trials(tmp_path)["configuration_key"].to_pylist()
    assert sorted(found) == sorted(keys | {"shared"})


@pytest.mark.parametrize("damage", ["empty", "cut off", "random", "older", "newer"])
def test_a_file_that_cannot_be_used_stops_the_build_with_the_cure(damage, tmp_path):
    """Before the first model, by name; columns of a later version do no harm."""
    rows = pa.table({"study_id": ["s"], **{name: [None] for name in TUNING_TRIALS.names[1:]}}).cast(TUNING_TRIALS)
    state.append(tmp_path, "ml_trials", rows)
    (file,) = state.files(tmp_path, "ml_trials")
    if damage == "older":
        pq.write_table(rows.drop_columns(["status"]), file)
    elif damage == "newer":
        pq.write_table(rows.append_column("more", pa.array([1])), file)
    else:
        content = file.read_bytes()
        file.write_bytes({"empty": b"", "cut off": content[:-9], "random": os.urandom(len(content))}[damage])
    if damage == "newer":
        with duckdb.connect() as connection:
            connection.execute("create schema raw")
            for statement in state.statements(tmp_path):
                connection.execute(statement)
            assert connection.sql("select study_id from raw.state__ml_trials").fetchall() == [("s",)]
        return
    with pytest.raises(StateError, match=rf"{file.name}: ml_trials cannot be read.*move it away"):
        state.statements(tmp_path)
