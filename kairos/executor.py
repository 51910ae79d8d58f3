"""One way to run a list of independent tasks: fits, scores, trials. No result depends on how many workers there are."""

from __future__ import annotations

import contextlib
import io
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from typing import Any

from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import BrokenProcessPool

from kairos import machine
from kairos.errors import ExecutorError

# A task is one thread: the libraries' own pools would only fight over the cores the workers already fill.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# Workers start with the first tasks; standard output is one for all threads.
_STARTING = threading.Lock()
# Seconds an idle worker stays for the next list of tasks: the tables of a small market take a minute.
_IDLE_SECONDS = 180


def run(fn: Callable[[Any], Any], tasks: Sequence[Any], workers: int | None = None) -> Iterator[tuple[int, Any]]:
    """Yield (position in `tasks`, fn(task)) as results arrive.

    fn: an importable function; what it takes and returns is pickled, so a task names large arrays by path.
    workers: processes to use, default machine.workers() (KAIROS_WORKERS). With one worker, or one task, everything
    runs in this process.
    Tasks start in the order given: the longest first leaves the fewest cores idle at the end. Lists that run at the
    same time (dbt runs Python models as threads of one process) wait in one queue for the same workers.
    A worker that is killed costs the tasks in flight, which are tried once more in new workers.
    Raises ExecutorError when workers die twice; an exception of fn is raised as it is.
    """
    count = workers or machine.workers()
    if min(count, len(tasks)) <= 1:
        for position, task in enumerate(tasks):
            yield position, fn(task)
        return
    waiting = dict(enumerate(tasks))
    for attempt in (1, 2):
        try:
            for position, result in _run_in_processes(fn, waiting, count):
                del waiting[position]
                yield position, result
            return
        except BrokenProcessPool as error:
            if attempt == 2:
                raise ExecutorError(
                    f"Worker processes died twice; {len(waiting)} of {len(tasks)} tasks are not done. A worker is "
                    "usually killed for want of memory: set KAIROS_WORKERS lower, or free memory, and build again."
                ) from error


def _run_in_processes(fn: Callable[[Any], Any], tasks: dict[int, Any], count: int) -> Iterator[tuple[int, Any]]:
    """One attempt in worker processes; raises BrokenProcessPool when a worker dies."""
    # starting a process flushes stdout, which a caller that silences dbt may have set to None
    with _STARTING, contextlib.redirect_stdout(io.StringIO()) if sys.stdout is None else contextlib.nullcontext():
        pool = get_reusable_executor(max_workers=count, timeout=_IDLE_SECONDS, env=_ONE_THREAD)
        futures = {pool.submit(fn, task): position for position, task in tasks.items()}
    try:
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        for future in futures:
            future.cancel()
