"""One way to run a list of independent tasks: fits, scores, trials. No result depends on where or how many at once.

Vars say where: `executor` loky (processes of this machine), dask or ray (a cluster that runs at `executor_address` and
sees `shared_dir`). Whatever is wrong with a cluster is an ExecutorError before the first task.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import io
import os
import platform
import queue
import socket
import sys
import tempfile
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from functools import cache
from pathlib import Path
from typing import Any

from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import BrokenProcessPool
from threadpoolctl import ThreadpoolController

import kairos
from kairos import machine
from kairos.errors import ExecutorError
from kairos.settings import setting

# A task is one thread: the libraries' own pools would only fight over the cores the workers already fill.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# Workers start with the first tasks; standard output is one for all threads.
_STARTING = threading.Lock()
# Seconds an idle worker stays for the next list of tasks: the tables of a small market take a minute.
_IDLE_SECONDS = 180
# Seconds a cluster has to answer.
_PATIENCE = 30
# How often a task may lose its worker on a cluster until it is an error.
_DEATHS = 3
# Packages whose versions shape results; a worker must have the same.
_PACKAGES = ("numpy", "scipy", "scikit-learn", "xgboost-cpu", "lightgbm", "skops", "pyarrow", "threadpoolctl")
# Modules that bring a pool of threads.
_POOLED = {"numpy", "scipy.linalg", "sklearn", "xgboost", "lightgbm"}


def run(fn: Callable[[Any], Any], tasks: Sequence[Any], workers: int | None = None) -> Iterator[tuple[int, Any]]:
    """Yield (position in `tasks`, fn(task)) as results arrive.

    fn: an importable function; what it takes and returns is pickled, so a task names large arrays by path (a file in
    shared_folder()).
    workers: processes of loky, default machine.workers() (KAIROS_WORKERS). With one worker, or one task, everything
    runs in this process. A cluster has as many as it has.
    Tasks start in the order given: the longest first leaves the fewest cores idle at the end. Lists that run at the
    same time (dbt runs Python models as threads of one process) take turns on the same workers.
    A worker that is killed costs the task it had and no other. It is tried again: on a cluster three times, on loky
    once, after all others and alone. An exception of fn is raised as it is.
    Raises ExecutorError for an executor that cannot be used, before the first task; and when a task has killed its last
    worker, on loky with its name and when all others are done.
    """
    name = _executor()
    if name == "loky":
        yield from run_here(fn, tasks, workers)
    elif tasks:
        yield from (_run_on_dask if name == "dask" else _run_on_ray)(fn, tasks)


@contextlib.contextmanager
def shared_folder() -> Iterator[str]:
    """A folder for files that tasks read, gone afterwards: below var shared_dir where a cluster runs them."""
    place = tempfile.gettempdir() if _executor() == "loky" else _shared_dir()
    with machine.own_folder(Path(place), "kairos-panel-") as folder:
        yield str(folder)


def _executor() -> str:
    name = setting("executor")
    if name not in ("loky", "dask", "ray"):
        raise ExecutorError(f"var executor is '{name}'; it is loky, dask or ray (dbt_project.yml, KAIROS__EXECUTOR).")
    return name


def _shared_dir() -> str:
    place = setting("shared_dir")
    if not place or not Path(place).is_dir():
        raise ExecutorError(
            f"var shared_dir is '{place}', which is no folder. Executor {_executor()} hands the panel over as files: "
            "name a folder that this machine and every worker see under the same path (KAIROS__SHARED_DIR)."
        )
    return place


def thread_pools() -> ThreadpoolController:
    """The pools of the libraries this process has loaded; looked for again, 10 ms, when one of them is new."""
    return _pools_of(frozenset(_POOLED & sys.modules.keys()))


@cache
def _pools_of(loaded: frozenset[str]) -> ThreadpoolController:
    return ThreadpoolController()


def one_thread() -> contextlib.AbstractContextManager:
    """While it lasts, libraries of linear algebra use one thread: what runs beside it fills the other cores."""
    return thread_pools().limit(limits=1)


# --- processes of this machine


def run_here(fn: Callable[[Any], Any], tasks: Sequence[Any], workers: int | None = None) -> Iterator[tuple[int, Any]]:
    """run() on this machine whatever the executor: for tasks that write files of this machine."""
    most = workers or machine.workers()
    if min(most, len(tasks)) <= 1:
        for position, task in enumerate(tasks):
            yield position, fn(task)
        return
    lost, killers = [], []
    with contextlib.closing(_run_in_processes(fn, tasks, most)) as futures:
        for position, future in futures:
            if isinstance(future.exception(), BrokenProcessPool):
                lost.append(position)
            else:
                yield position, future.result()
    # again when all others are done, one by one and beside no idle worker: as much memory as there can be
    if lost:
        _WORKERS.dismiss()
    for position in sorted(lost):
        try:
            result = _run_alone(fn, tasks[position])
        except BrokenProcessPool:
            killers.append(_called(fn, tasks[position], position))
        else:
            yield position, result
    if killers:
        raise ExecutorError(
            f"Lost its worker process twice, the second time alone: {', '.join(killers)}; the other"
            f" {len(tasks) - len(killers)} of {len(tasks)} tasks are done. A worker is usually killed for want of"
            " memory: set KAIROS_WORKERS lower, or free memory, and build again."
        )


def _run_in_processes(fn: Callable[[Any], Any], tasks: Sequence[Any], most: int) -> Iterator[tuple[int, Future]]:
    """(position, what came of the task) as they end, `most` at a time; BrokenProcessPool where its worker died."""
    waiting, stopped, workers = enumerate(list(tasks)), threading.Event(), _WORKERS
    ended: queue.SimpleQueue[tuple[int, Future]] = queue.SimpleQueue()

    def take_tasks() -> None:
        while not stopped.is_set():
            try:
                pool = workers.take(most)
            except Exception as error:  # no process can be started: the list ends with what the machine said
                ended.put((-1, _failed(error)))
                return
            future = None
            try:
                following = None if stopped.is_set() else next(waiting, None)
                if following is None:
                    return
                position, task = following
                future = _called_in(pool, fn, task)
                wait([future])
            finally:
                workers.give_back(pool, future)
            ended.put((position, future))

    for _ in range(min(most, len(tasks))):
        threading.Thread(target=take_tasks, daemon=True).start()
    try:
        for _ in tasks:
            yield ended.get()
    finally:
        stopped.set()


class _Workers:
    """Worker processes, each in a pool of its own: loky gives up a whole pool when one of its processes dies.

    Whoever asked first gets the next free one: lists that run at the same time take turns.
    """

    def __init__(self):
        self._free: deque[ProcessPoolExecutor] = deque()
        self._asking: deque[object] = deque()
        self._there = 0
        self._changed = threading.Condition()

    def take(self, most: int) -> ProcessPoolExecutor:
        """A worker for the caller alone; a new one where none is free and fewer than `most` are there, or waits."""
        me = object()
        with self._changed:
            self._asking.append(me)
            self._changed.wait_for(lambda: self._asking[0] is me and (self._free or self._there < most))
            self._asking.popleft()
            self._changed.notify_all()
            if self._free:
                return self._free.popleft()
            pool = _one_worker(timeout=_IDLE_SECONDS)
            self._there += 1  # not before: a pool that cannot be made is not there
            return pool

    def give_back(self, pool: ProcessPoolExecutor, last: Future | None) -> None:
        """The worker is free for others, unless its last task killed it."""
        with self._changed:
            if last and isinstance(last.exception(), BrokenProcessPool):
                self._there -= 1
            else:
                self._free.append(pool)
            self._changed.notify_all()

    def dismiss(self) -> None:
        """End the workers nobody is using; what they hold of libraries is loaded again by those who follow."""
        with self._changed:
            idle = [self._free.popleft() for _ in range(len(self._free))]
            self._there -= len(idle)
            self._changed.notify_all()
        for pool in idle:
            pool.shutdown(kill_workers=True)


_WORKERS = _Workers()


def _one_worker(**options: Any) -> ProcessPoolExecutor:
    """A pool of one process, started with its first task."""
    return ProcessPoolExecutor(
        max_workers=1, env=_ONE_THREAD, initializer=_end_with, initargs=(os.getpid(),), **options
    )


def _end_with(parent: int) -> None:
    """In a worker: end it when the process that started it is gone. A killed one cannot tell it to."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _called_in(pool: ProcessPoolExecutor, fn: Callable[[Any], Any], task: Any) -> Future:
    """fn(task) in the pool; a worker that died while it was idle is seen when it is called."""
    try:
        with _starting():
            return pool.submit(fn, task)
    except Exception as error:
        return _failed(error)


def _failed(error: Exception) -> Future:
    """What came of a task that could not begin."""
    future = Future()
    future.set_exception(error)
    return future


def _run_alone(fn: Callable[[Any], Any], task: Any) -> Any:
    """fn(task) in a worker process of its own; raises BrokenProcessPool when it dies."""
    pool = _one_worker()
    try:
        return _called_in(pool, fn, task).result()
    finally:
        pool.shutdown(kill_workers=True)


@contextlib.contextmanager
def _starting() -> Iterator[None]:
    """Starting a process flushes stdout, which a caller that silences dbt may have set to None."""
    with _STARTING, contextlib.redirect_stdout(io.StringIO()) if sys.stdout is None else contextlib.nullcontext():
        yield


def _called(fn: Callable[[Any], Any], task: Any, position: int) -> str:
    """What an error calls a task: alpha and fold where it has them."""
    parts = [task.get(part) or {} for part in ("fit", "spec", "fold")] if isinstance(task, dict) else []
    names = [str(part[key]) for part in parts for key in ("alpha_name", "fold_id") if key in part]
    return f"{fn.__name__} of {' '.join(dict.fromkeys(names)) or f'task {position}'}"


# --- clusters


def _run_on_dask(fn: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    """Dask's own tasks. A finished result that lived on a killed worker is made again, so each is taken as it comes."""
    try:
        from dask.distributed import Client, as_completed
        from distributed.scheduler import KilledWorker
    except ImportError as error:
        raise _not_installed("dask") from error
    address = _address()
    try:
        client = Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise _no_answer("dask", address) from error
    with client:
        with _probe() as probe:
            _compare(client.run(worker_state, probe), f"Dask scheduler at {address}")
        futures = {client.submit(fn, task, pure=False): position for position, task in enumerate(tasks)}
        try:
            for future in as_completed(list(futures), loop=client.loop):
                yield futures[future], future.result()
                future.release()
        except KilledWorker as error:
            raise _died_again("dask") from error


def _run_on_ray(fn: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    """Ray's own tasks, panels by path: its object store is not used."""
    try:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
    except ImportError as error:
        raise _not_installed("ray") from error
    address = _address()
    with _STARTING:  # one connection for all threads, kept for the build
        if not ray.is_initialized():
            try:
                _knock(address)  # Ray itself tries for minutes
                ray.init(address=address, log_to_driver=False, configure_logging=False)
            except (OSError, ValueError, RuntimeError) as error:
                raise _no_answer("ray", address) from error
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    with _probe() as probe:
        asked = {
            node: ray.remote(num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False))(
                worker_state
            ).remote(probe)
            for node in nodes
        }
        try:
            states = {node: ray.get(said, timeout=10 * _PATIENCE) for node, said in asked.items()}
        except ray.exceptions.RayError as error:  # no answer in time, a worker that dies, a package that is not there
            raise ExecutorError(
                f"Ray at {address}: a node cannot run kairos ({error}). Install this machine's lock and this version of"
                " kairos there, or take the node away."
            ) from error
        _compare(states, f"Ray at {address}")
    call = ray.remote(num_cpus=1, max_retries=_DEATHS, retry_exceptions=False)(fn)
    positions = {call.remote(task): position for position, task in enumerate(tasks)}
    left = list(positions)
    try:
        while left:
            done, left = ray.wait(left)
            yield positions[done[0]], ray.get(done[0])
    except ray.exceptions.RayTaskError as error:
        raise (error.cause if isinstance(error.cause, Exception) else error) from None
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as error:
        raise _died_again("ray") from error
    finally:
        for reference in left:
            ray.cancel(reference)


def worker_state(probe: str) -> dict[str, str]:
    """What a worker is: versions, code, and what it reads in the probe file. Runs on each worker."""
    try:
        found = Path(probe).read_text()
    except OSError as error:
        found = str(error)
    return versions() | {"probe": found}


@cache
def versions() -> dict[str, str]:
    """Versions of all that shapes a result, and a digest of the package's source."""
    package = Path(kairos.__file__).parent
    source = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(package.rglob("*.py")))).hexdigest()[:12]
    installed = {}
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # xgboost has two names
            installed[name] = importlib.metadata.version(name)
    return {"python": platform.python_version(), "kairos": f"{kairos.__version__}+{source}"} | installed


@contextlib.contextmanager
def _probe() -> Iterator[str]:
    """A file in the shared folder whose content nobody can know without reading it."""
    path = Path(_shared_dir()) / f"kairos-probe-{uuid.uuid4().hex}"
    path.write_text(path.name[::-1])
    try:
        yield str(path)
    finally:
        path.unlink()


def _compare(states: dict[str, dict[str, str]], where: str) -> None:
    """Refuse a cluster without workers, a worker that does not see the shared folder, and a mixture of versions."""
    if not states:
        raise ExecutorError(f"{where} has no workers. Start some, or set executor to loky.")
    own = versions()
    for worker, state in states.items():
        if not state["probe"].endswith("-eborp-soriak"):
            raise ExecutorError(
                f"{where}: worker {worker} cannot read a file in shared_dir {_shared_dir()} ({state['probe']}). "
                "Mount the folder there under the same path."
            )
        if wrong := [f"{name} {state.get(name)} for {own[name]}" for name in own if state.get(name) != own[name]]:
            raise ExecutorError(
                f"{where}: worker {worker} has {', '.join(wrong)}. Bits are promised for equal versions only: "
                "install this machine's lock and this version of kairos there."
            )


def _address() -> str:
    if address := setting("executor_address"):
        return address
    raise ExecutorError(
        f"var executor is '{_executor()}' and executor_address is empty: name its scheduler or head, such as "
        "tcp://scheduler:8786 (KAIROS__EXECUTOR_ADDRESS)."
    )


def _knock(address: str) -> None:
    """Raises OSError where nothing listens at host:port."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if port.isdigit():
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()


def _not_installed(name: str) -> ExecutorError:
    return ExecutorError(
        f"Executor {name} needs a package: pip install -r requirements-{name}.txt, here and on workers."
    )


def _no_answer(name: str, address: str) -> ExecutorError:
    return ExecutorError(f"Executor {name}: nothing answers at {address}. Start it, or correct executor_address.")


def _died_again(name: str) -> ExecutorError:
    return ExecutorError(
        f"Executor {name}: a task lost its worker again and again, usually for want of memory. Give workers more "
        "memory or fewer threads, and build again; finished fits are kept."
    )
