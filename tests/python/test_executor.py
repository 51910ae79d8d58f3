"""executor.run: all results once, in process or not; a killed worker costs its own task, a killer is named."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from executor_tasks import (
    begins_and_refuses_the_first,
    killed_always,
    killed_once,
    refuses,
    squared,
    started,
    waits_and_kills,
)

from kairos import executor, machine
from kairos.errors import ExecutorError
from kairos.executor import run


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_gives_one_result_with_its_position(workers):
    results = dict(run(squared, [5, 6, 7, 8], workers))
    assert {position: value for position, (value, _) in results.items()} == {0: 25, 1: 36, 2: 49, 3: 64}


def test_lists_that_run_at_the_same_time_share_the_workers(monkeypatch):
    monkeypatch.setattr(executor, "_WORKERS", executor._Workers())  # without those that another file may have started
    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(lambda tasks=tasks: dict(run(squared, tasks, 2))) for tasks in ([1, 2, 3], [4, 5])]
    first, second = (done.result() for done in both)
    assert {position: value for position, (value, _) in first.items()} == {0: 1, 1: 4, 2: 9}
    assert {position: value for position, (value, _) in second.items()} == {0: 16, 1: 25}
    assert len({pid for _, pid in (*first.values(), *second.values())}) <= 2


def test_a_list_that_only_waits_is_not_harmed_by_the_death_of_another_lists_worker(tmp_path):
    with ThreadPoolExecutor(1) as thread:
        other = thread.submit(lambda: dict(run(waits_and_kills, [(n, str(tmp_path)) for n in range(2)], 2)))
        while len(list(tmp_path.glob("held_*"))) < 2:
            time.sleep(0.05)
        mine = dict(run(squared, [1, 2, 3], 2))
        assert {position: value for position, (value, _) in mine.items()} == {0: 1, 1: 4, 2: 9}
        assert other.result() == {0: 0, 1: 1}


def test_a_worker_that_died_while_nobody_used_it_harms_no_task():
    first = dict(run(squared, [1, 2, 3, 4], 2))
    for pid in {pid for _, pid in first.values()}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    results = dict(run(squared, [1, 2, 3, 4], 2))
    assert {position: value for position, (value, _) in results.items()} == {0: 1, 1: 4, 2: 9, 3: 16}


def test_a_list_that_nobody_reads_any_more_starts_no_further_task(tmp_path):
    results = run(started, [(n, str(tmp_path)) for n in range(40)], 2)
    next(results)
    results.close()
    assert [value for _, (value, _) in sorted(run(squared, [2, 3, 4], 2))] == [4, 9, 16]
    assert len(list(tmp_path.iterdir())) < 10


def test_what_keeps_workers_from_starting_is_raised_and_keeps_nobody_waiting(monkeypatch):
    def full(**options):
        raise OSError("Too many open files")

    workers = executor._Workers()
    monkeypatch.setattr(executor, "_WORKERS", workers)
    with monkeypatch.context() as broken, pytest.raises(OSError, match="Too many open files"):
        broken.setattr(executor, "ProcessPoolExecutor", full)
        list(run(squared, [1, 2, 3], 2))
    assert [value for _, (value, _) in sorted(run(squared, [2, 3], 2))] == [4, 9]
    workers.dismiss()


def test_one_task_or_one_worker_stays_in_this_process():
    assert next(run(squared, [4], 2))[1] == (16, os.getpid())
    assert {pid for _, (_, pid) in run(squared, [4, 5], 1)} == {os.getpid()}
    assert os.getpid() not in {pid for _, (_, pid) in run(squared, [4, 5], 2)}


def test_no_tasks_no_results():
    assert list(run(squared, [])) == []


@pytest.mark.chaos
def test_a_killed_worker_costs_its_task_alone(tmp_path):
    """Twenty tasks, two workers: what the other worker had goes on, and only the killed task begins twice."""
    results = dict(run(killed_once, [(n, str(tmp_path)) for n in range(20)], 2))
    assert results == {n: n * n for n in range(20)}
    begun = [len(list(tmp_path.glob(f"{n}_*"))) for n in range(20)]
    assert begun == [2 if n == 3 else 1 for n in range(20)]


@pytest.mark.chaos
def test_a_task_that_kills_its_worker_again_is_named_when_all_others_are_done():
    tasks = [{"spec": {"alpha_name": "an_alpha"}, "fold": {"fold_id": f"2020-0{n}-01"}} for n in range(1, 7)]
    done = []
    killer = r"killed_always of an_alpha 2020-03-01; the other 5 of 6 tasks are done.*KAIROS_WORKERS lower"
    with pytest.raises(ExecutorError, match=killer):
        done.extend(position for position, _ in run(killed_always, tasks, 2))
    assert sorted(done) == [0, 1, 3, 4, 5]


KILLED = """
import sys
import executor_tasks
from kairos import executor
with executor.shared_folder() as folder:
    print(folder, flush=True)
    list(executor.run(executor_tasks.says_who_and_waits, [sys.argv[1]] * 2, 2))
"""


def _runs(pid: int) -> bool:
    """Whether a process is there, and not only waits for somebody to hear that it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.chaos
def test_a_killed_process_leaves_no_worker_and_no_panel(tmp_path, monkeypatch):
    """Its workers end by themselves, in the middle of a task; its folder goes with the next one's, and no other."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    paths = os.pathsep.join([str(machine.root()), str(Path(__file__).parent)])
    (tmp_path / "who").mkdir()
    environment = os.environ | {"PYTHONPATH": paths, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", KILLED, str(tmp_path / "who")]
    killed = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    left = Path(killed.stdout.readline().strip())
    until = time.monotonic() + 60
    while len(workers := [int(file.name) for file in (tmp_path / "who").iterdir()]) < 2:
        assert time.monotonic() < until
        time.sleep(0.05)
    killed.kill()
    killed.wait()
    try:
        while any(_runs(pid) for pid in workers):
            assert time.monotonic() < until
            time.sleep(0.1)
    finally:
        for pid in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    assert left.exists()
    (tmp_path / "kairos-panel-of-mine").mkdir()
    with executor.shared_folder() as held, executor.shared_folder():
        assert not left.exists() and Path(held).exists() and (tmp_path / "kairos-panel-of-mine").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_the_task_is_raised_as_it_is(workers):
    with pytest.raises(ValueError, match="no 1"):
        list(run(refuses, [1, 1], workers))


def test_an_error_ends_its_list_and_leaves_the_workers_to_others(tmp_path):
    with pytest.raises(ValueError, match="no 0"):
        list(run(begins_and_refuses_the_first, [(n, str(tmp_path)) for n in range(40)], 2))
    assert [value for _, (value, _) in sorted(run(squared, [2, 3, 4], 2))] == [4, 9, 16]
    assert len(list(tmp_path.iterdir())) < 10


def test_workers_start_where_stdout_is_silenced():
    with contextlib.redirect_stdout(None):
        results = dict(run(squared, [1, 2], 2))
    assert {position: value for position, (value, _) in results.items()} == {0: 1, 1: 4}


@pytest.mark.chaos
def test_the_pool_works_again_after_a_death(tmp_path):
    dict(run(killed_once, [(n, str(tmp_path)) for n in range(6)], 2))
    assert [value for _, (value, _) in sorted(run(squared, [2, 3], 2))] == [4, 9]
