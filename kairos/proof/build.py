"""Warehouses built inside this process: dbt without tests and without publication, seconds per build."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from types import CodeType
from unittest import mock

from kairos import machine
from kairos.errors import ProofError

PROJECT = ("seeds", "models", "python_models", "macros", "kairos")  # what a warehouse depends on
PARSED_FOR = "target/ci/kairos.duckdb"  # the warehouse of target ci: what is parsed here serves the linter too
_BEGINS_WITH = re.compile(r"(\s|--[^\n]*\n|/\*.*?\*/)*with(?!\w)(\s+recursive(?!\w))?", re.DOTALL | re.IGNORECASE)
_COMPILED: dict[tuple[type, str], CodeType] = {}  # (environment of Jinja, template) -> code
WAREHOUSE = "kairos.duckdb"  # one file name for all: compiled SQL and views name the catalog, which is the file's stem


class Builder:
    """A dbt project that is parsed once and builds any number of markets.

    Args:
        project: root of the dbt project, default this one. Its parsed form is kept in <project>/target.
        state: append-only state the builds start from, each on its own copy; none = an empty one.
        settings: variables of the environment, such as KAIROS__MIN_CROSS_SECTION.
        workers: cores for dbt, DuckDB and fits.
    """

    def __init__(
        self,
        project: Path | None = None,
        *,
        state: Path | None = None,
        settings: dict[str, str] | None = None,
        workers: int = 1,
    ) -> None:
        self.project = project or machine.root()
        self.state = state
        self.settings = settings or {}
        self.workers = workers

    @cached_property
    def parsed(self):
        """dbt's manifest, as an object of dbt. Parsed under one path of the warehouse wherever the project stands: dbt
        parses anew when a variable of the profile has another value. Of processes that ask at the same time the first
        parses, and the others read what it left.
        """
        with self.parsing():
            return self._invoke(["parse"], self._environment(self.project, self.project) | {"KAIROS_DB": PARSED_FOR})

    @contextlib.contextmanager
    def parsing(self) -> Iterator[None]:
        """What dbt keeps of a parse in <project>/target is this process's alone."""
        (self.project / "target").mkdir(exist_ok=True)
        with (self.project / "target/parse.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @cached_property
    def _without_tests(self):
        """The manifest that builds are given. With 420 tests in it dbt needs a second more for every build to make and
        search its graph, and builds here run none. The nodes are those of `parsed`.
        """
        nodes = {name: node for name, node in self.parsed.nodes.items() if node.resource_type != "test"}
        manifest = object.__new__(type(self.parsed))  # copy.copy would go by dbt's pickling, which loses lookups
        vars(manifest).update(vars(self.parsed) | {"nodes": nodes, "unit_tests": {}})
        return manifest

    @property
    def manifest(self) -> dict:
        """dbt's manifest, as in manifest.json."""
        return self.parsed.to_dict(omit_none=False)

    @property
    def code_version(self) -> str:
        """Digest of the project's own part in a build: seeds, SQL, macros, dbt_project.yml and the package; settings of
        the environment and libraries are not in it."""
        files = [path for part in PROJECT for path in sorted((self.project / part).rglob("*")) if _is_source(path)]
        digest = hashlib.sha256()
        for path in [self.project / "dbt_project.yml", *files]:
            digest.update(f"{path.relative_to(self.project)}\0".encode() + path.read_bytes() + b"\0")
        return digest.hexdigest()[:16]

    def build(self, market: Path, work: Path, select: Sequence[str] = ()) -> Path:
        """Build seeds and models of a market into `work`/kairos.duckdb and return that path.

        Args:
            market: directory of vendor files.
            work: directory of this build: warehouse and its copy of the state. Where it holds a warehouse, models are
                built over it.
            select: dbt selectors; none = everything.

        Raises:
            ProofError: dbt did not pass; names the nodes and what they said.
        """
        work.mkdir(parents=True, exist_ok=True)
        if self.state and self.state.exists() and not (work / "state").exists():
            shutil.copytree(self.state, work / "state")
        arguments = ["build", "--resource-type", "seed", "--resource-type", "model"]
        if select:
            arguments += ["--select", *select]
        self._invoke(arguments, self._environment(market, work), self._without_tests)
        return work / WAREHOUSE

    def compile(self, target: Path, select: Sequence[str]) -> list:
        """Compile what is selected into a target folder of its own; returns dbt's nodes, with their compiled_code."""
        arguments = ["compile", "--select", *select, "--target-path", str(target)]
        environment = self._environment(target / "market", target)
        return [result.node for result in self._invoke(arguments, environment, self.parsed).results]

    def selected(self, select: Sequence[str], kind: str = "model") -> list[str]:
        """Names of the models that selectors choose, or of the tests or seeds that come with them."""
        arguments = ["list", "--resource-type", kind, "--output", "name", "--select", *select]
        return self._invoke(arguments, self._environment(self.project / "market", self.project), self.parsed)

    def unit_tests(self, market: Path, work: Path, names: Sequence[str]) -> dict[str, str]:
        """Run dbt's unit tests by name and return what each said: pass, fail or error.

        Args:
            market: directory of vendor files.
            work: directory that holds a warehouse with every input of the models tested.
            names: names of unit tests, or other selectors of dbt.
        """
        variables = self._environment(market, work)
        with _given_put_in_front():
            done = self._invoke(["test", "--select", *names], variables, self.parsed, must_pass=False)
        return {result.node.name: str(result.status) for result in done.results}

    def _environment(self, market: Path, work: Path) -> dict[str, str]:
        """What a build is told of its places; all it writes stands below `work`."""
        own = (work / name for name in (WAREHOUSE, "state", "published"))
        return machine.environment(self.project, market, *own, self.workers) | self.settings

    def _invoke(self, arguments: list[str], variables: dict[str, str], manifest=None, *, must_pass: bool = True):
        """Run one dbt command in this process, release the warehouse, and return the command's result."""
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager
        from dbt.cli.main import dbtRunner

        quiet = ["--log-level", "none", "--log-level-file", "none", "--no-write-json"]
        places = ["--project-dir", str(self.project), "--profiles-dir", str(self.project)]
        with (
            _environment_of(variables),
            _no_events(),
            _templates_compiled_once(),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            try:
                done = dbtRunner(manifest=manifest).invoke([*quiet, *arguments, *places])
            finally:
                DuckDBConnectionManager.close_all_connections()
        if not done.success and (must_pass or done.result is None):
            results = getattr(done.result, "results", [])
            said = [f"{r.node.name}: {' '.join(str(r.message).split())[-600:]}" for r in results if r.status == "error"]
            raise ProofError(f"dbt {arguments[0]} did not pass. {' | '.join(said) or done.exception}")
        return done.result


def _is_source(path: Path) -> bool:
    return path.suffix in (".sql", ".py", ".csv", ".yml")


@contextlib.contextmanager
def _no_events() -> Iterator[None]:
    """dbt fills and sends 30 events per node, and nobody reads them here."""
    from dbt_common.events.base_types import BaseEvent
    from dbt_common.events.event_manager import EventManager

    with (
        mock.patch.object(BaseEvent, "__init__", lambda event, *told, **fields: None),
        mock.patch.object(EventManager, "fire_event", lambda *event, **options: None),
    ):
        yield


def _templates_compiled_once() -> contextlib.AbstractContextManager:
    """dbt compiles the text of a model anew for each parse, build and unit test, and always to the same."""
    from dbt_common.clients.jinja import MacroFuzzEnvironment

    def compiled(environment, source: str):
        kind = (type(environment), source)
        if kind not in _COMPILED:
            _COMPILED[kind] = super(MacroFuzzEnvironment, environment).compile(source)
        return _COMPILED[kind]

    return mock.patch.object(MacroFuzzEnvironment, "compile", compiled)


def _given_put_in_front() -> contextlib.AbstractContextManager:
    """dbt reads all the SQL of a unit test's model, half a second of it, to find the `with` that the given rows go
    behind. Where a model begins with that word, there it is.
    """
    from dbt import compilation

    read_all = compilation.inject_ctes_into_sql

    def put_in_front(sql: str, ctes: list) -> str:
        begins = _BEGINS_WITH.match(sql)
        if not ctes or not begins:
            return read_all(sql, ctes)
        return f"{begins[0]} {', '.join(cte.sql for cte in ctes)}, {sql[begins.end() :]}"

    return mock.patch.object(compilation, "inject_ctes_into_sql", put_in_front)


@contextlib.contextmanager
def _environment_of(variables: dict[str, str]) -> Iterator[None]:
    """Set variables of the environment for a while."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
