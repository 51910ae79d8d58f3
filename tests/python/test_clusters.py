"""executor.run on real clusters of two worker processes on loopback: the bytes are those of this process, a killed
worker costs its own task, and whatever is wrong is said before the first task."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import synthetic_learning as synthetic

from kairos import executor
from kairos.errors import ExecutorError
from kairos.fitting import fit_folds
from kairos.scoring import score_folds

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("panel", "labels", "folds", "specs", "params", "feature_sets")


def touched(task):
    """Leaves a file that says that a task ran, and the process."""
    folder, number = task
    (Path(folder) / f"{number}-{os.getpid()}-{time.monotonic_ns()}").touch()
    return number * number


def killed_once(task):
    """As touched(); the worker of task 3 kills itself the first time."""
    folder, number = task
    marker = Path(folder).with_suffix(".killed")
    if number == 3 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return touched(task)


def refuses(number):
    raise ValueError(f"no {number}")


def _dask(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    address = folder / "scheduler.json"
    run = [sys.executable, "-m", "dask"]
    places = ["--host", "127.0.0.1"]
    commands = [
        [*run, "scheduler", *places, "--port", "0", "--no-dashboard", "--scheduler-file", str(address)],
        [
            *run,
            "worker",
            *places,
            "--scheduler-file",
            str(address),
            "--nworkers",
            "2",
            "--nthreads",
            "1",
            "--no-dashboard",
        ],
    ]
    with (folder / "log").open("w") as log:
        started = [
            subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log, start_new_session=True)
            for command in commands
        ]
        try:
            from dask.distributed import Client

            with Client(scheduler_file=str(address), set_as_default=False, timeout=60) as client:
                client.wait_for_workers(2, timeout=60)
                yield client.scheduler.address
        finally:
            for process in reversed(started):  # workers before their scheduler
                _end(process)


def _ray(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--num-cpus=2"]
    command += ["--node-ip-address=127.0.0.1", f"--port={port}", "--include-dashboard=false", "--disable-usage-stats"]
    command += ["--object-store-memory=100000000", f"--temp-dir={folder}/ray"]
    with (folder / "log").open("w") as log:
        head = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while "Ray runtime started" not in (folder / "log").read_text():
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.2)
        yield f"127.0.0.1:{port}"
    finally:
        import ray

        ray.shutdown()
        _end(head)


def _end(process: subprocess.Popen) -> None:
    """Ask a process to stop, then end what is left of its own session."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=10)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module", params=["dask", "ray"])
def cluster(request, tmp_path_factory) -> Iterator[dict[str, str]]:
    """Settings of a cluster that runs."""
    if not importlib.util.find_spec(request.param):
        pytest.skip(f"{request.param} is not installed (requirements-{request.param}.txt)")
    folder = tmp_path_factory.mktemp(request.param)
    paths = f"{ROOT}{os.pathsep}{Path(__file__).parent}"
    environment = os.environ | {"PYTHONPATH": paths, "KAIROS_ROOT": str(ROOT), "OMP_NUM_THREADS": "1"}
    start = {"dask": _dask, "ray": _ray}[request.param]
    (folder / "shared").mkdir()
    for address in start(folder, environment):
        yield {"executor": request.param, "executor_address": address, "shared_dir": str(folder / "shared")}


def use(monkeypatch, settings: dict[str, str]) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"KAIROS__{name.upper()}", value)


def test_fits_and_scores_are_the_bytes_of_this_process(cluster, monkeypatch):
    market = synthetic.make(sessions=300, names=12)
    specs = [synthetic.spec("a_xgboost", "xgboost", "classification"), synthetic.spec("b_ridge", "ridge", "regression")]
    folds = [synthetic.fold(spec["alpha_name"], market["days"], start) for spec in specs for start in (150, 220)]
    params = [{"alpha_name": "a_xgboost", "param": "n_estimators", "value": "10"}]
    made = synthetic.relations(market, specs, folds, params)

    def learn():
        fits = [fit_folds(family, **{name: made[name] for name in NAMES}) for family in ("xgboost", "ridge")]
        for position, table in enumerate(fits):
            made["connection"].register("fitted", table)
            verb = "insert into fits" if position else "create or replace table fits as"
            made["connection"].execute(f"{verb} from fitted")
        return [*fits, score_folds(made["connection"].table("fits"), made["panel"], made["specs"])]

    monkeypatch.setenv("KAIROS_WORKERS", "1")
    here = learn()
    use(monkeypatch, cluster)
    assert all(there.equals(own) for there, own in zip(learn(), here, strict=True))
    assert list(Path(cluster["shared_dir"]).iterdir()) == []


@pytest.mark.chaos
def test_tasks_run_on_the_workers_and_a_killed_one_costs_its_own_task(cluster, monkeypatch, tmp_path):
    use(monkeypatch, cluster)
    folder = tmp_path / "ran"
    folder.mkdir()
    results = dict(executor.run(killed_once, [(str(folder), number) for number in range(12)]))
    assert results == {number: number * number for number in range(12)}
    ran = [file.name.split("-") for file in folder.iterdir()]
    assert str(os.getpid()) not in {pid for _, pid, _ in ran}
    assert len({pid for _, pid, _ in ran}) >= 2
    # a result that lived on the killed worker and was not fetched yet may be made twice, others never
    assert 12 <= len(ran) <= 14
    assert folder.with_suffix(".killed").exists()


def test_an_error_of_the_task_is_raised_as_it_is(cluster, monkeypatch):
    use(monkeypatch, cluster)
    with pytest.raises(ValueError, match="no 1"):
        list(executor.run(refuses, [1, 1]))


def test_other_versions_on_the_workers_are_refused_before_the_first_task(cluster, monkeypatch, tmp_path):
    use(monkeypatch, cluster)
    other = executor.versions() | {"numpy": "1.0"}
    monkeypatch.setattr(executor, "versions", lambda: other)
    with pytest.raises(ExecutorError, match=r"worker .* has numpy \S+ for 1.0. Bits are promised for equal versions"):
        list(executor.run(touched, [(str(tmp_path), 1)]))
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_does_not_see_the_shared_folder_is_refused(cluster, monkeypatch, tmp_path):
    """The probe's path is another one for the workers, as a folder that is not mounted there would be."""
    use(monkeypatch, cluster)
    hidden = tmp_path / "not there"
    monkeypatch.setattr(executor, "_probe", lambda: contextlib.nullcontext(str(hidden)))
    with pytest.raises(ExecutorError, match=r"cannot read a file in shared_dir .*not there.* Mount the folder there"):
        list(executor.run(touched, [(str(tmp_path), 1)]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["dask", "ray"])
def test_what_is_missing_is_said_with_the_cure(name, monkeypatch, tmp_path):
    task = (str(tmp_path), 1)
    monkeypatch.setenv("KAIROS__EXECUTOR", "spark")
    with pytest.raises(ExecutorError, match="var executor is 'spark'; it is loky, dask or ray"):
        list(executor.run(touched, [task]))
    monkeypatch.setenv("KAIROS__EXECUTOR", name)
    with pytest.raises(ExecutorError, match=r"shared_dir is '', .*KAIROS__SHARED_DIR"), executor.shared_folder():
        pass
    package = "dask.distributed" if name == "dask" else "ray"
    with monkeypatch.context() as without:
        without.setitem(sys.modules, package, None)
        with pytest.raises(ExecutorError, match=rf"pip install -r requirements-{name}.txt"):
            list(executor.run(touched, [task]))
    if not importlib.util.find_spec(name):
        pytest.skip(f"{name} is not installed")
    with pytest.raises(ExecutorError, match="executor_address is empty"):
        list(executor.run(touched, [task]))
    if name == "ray":
        importlib.import_module("ray").shutdown()  # it stays connected from one list of tasks to the next
    monkeypatch.setattr(executor, "_PATIENCE", 0.5)
    monkeypatch.setenv("KAIROS__EXECUTOR_ADDRESS", "tcp://127.0.0.1:9" if name == "dask" else "127.0.0.1:9")
    with pytest.raises(ExecutorError, match="nothing answers at"):
        list(executor.run(touched, [task]))
    assert list(tmp_path.iterdir()) == []
