"""executor.run: all results once, in process or not; a killed worker costs a retry, a second one is an error."""

from __future__ import annotations

import contextlib
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kairos.errors import ExecutorError
from kairos.executor import run


def squared(task):
    return task * task, os.getpid()


def killed_once(task):
    """Kills its own process the first time the marker file is not there."""
    number, marker = task
    if number == 3 and not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def killed_always(number):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def refuses(number):
    raise ValueError(f"no {number}")


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_gives_one_result_with_its_position(workers):
    results = dict(run(squared, [5, 6, 7, 8], workers))
    assert {position: value for position, (value, _) in results.items()} == {0: 25, 1: 36, 2: 49, 3: 64}


def test_lists_that_run_at_the_same_time_share_the_workers():
    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(lambda tasks=tasks: dict(run(squared, tasks, 2))) for tasks in ([1, 2, 3], [4, 5])]
    first, second = (done.result() for done in both)
    assert {position: value for position, (value, _) in first.items()} == {0: 1, 1: 4, 2: 9}
    assert {position: value for position, (value, _) in second.items()} == {0: 16, 1: 25}
    assert len({pid for _, pid in (*first.values(), *second.values())}) <= 2


def test_one_task_or_one_worker_stays_in_this_process():
    assert next(run(squared, [4], 2))[1] == (16, os.getpid())
    assert {pid for _, (_, pid) in run(squared, [4, 5], 1)} == {os.getpid()}
    assert os.getpid() not in {pid for _, (_, pid) in run(squared, [4, 5], 2)}


def test_no_tasks_no_results():
    assert list(run(squared, [])) == []


def test_a_killed_worker_costs_one_retry(tmp_path):
    marker = tmp_path / "killed"
    results = dict(run(killed_once, [(n, str(marker)) for n in range(6)], 2))
    assert marker.exists()
    assert results == {n: n * n for n in range(6)}


def test_workers_that_die_twice_are_an_error_with_the_cure():
    with pytest.raises(ExecutorError, match=r"died twice; .* of 6 tasks are not done.*KAIROS_WORKERS lower"):
        list(run(killed_always, list(range(6)), 2))


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_the_task_is_raised_as_it_is(workers):
    with pytest.raises(ValueError, match="no 1"):
        list(run(refuses, [1, 1], workers))


def test_workers_start_where_stdout_is_silenced():
    with contextlib.redirect_stdout(None):
        results = dict(run(killed_always, [1, 2], 2))
    assert results == {0: 1, 1: 2}


def test_the_pool_works_again_after_a_death(tmp_path):
    with pytest.raises(ExecutorError):
        list(run(killed_always, list(range(6)), 2))
    assert [value for _, (value, _) in sorted(run(squared, [2, 3], 2))] == [4, 9]
