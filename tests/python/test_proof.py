"""The lookahead proof in its small form, and the proof seen to fail.

A market of 30 companies and 3.5 years is built whole and with everything known after a cut attacked; what is dated
at or before the cut may not differ by a bit. Then the leaks of planted_leaks.py are planted in copies of the project,
and for each the comparison must name the model that looks ahead, or the unit test must fail.
"""

from __future__ import annotations

import datetime
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
import yaml
from newcomer import SETTINGS
from planted_leaks import LEAKS, PAGE, Leak, Proof, Pytest, page
from sql_model import project_vars

from kairos import machine
from kairos.errors import ProofError
from kairos.proof import ATTACKS, Builder, attack_market, compare, default_cuts, prove, read_models, report, selectors
from kairos.proof.compare import VOLATILE
from kairos.sessions import closes

TEST_START = datetime.date(2023, 1, 3)  # the first session of a test window
AFTER_TEST_START = datetime.date(2023, 1, 9)  # four sessions later: labels of the last unpurged rows end after it
# Statements come on this date and soon after; a company traded last the session before, and its end has this date.
IN_SEASON = datetime.date(2023, 5, 8)
ATTACKED = (
    *(("deleted", cut) for cut in (AFTER_TEST_START, IN_SEASON)),
    *((attack, AFTER_TEST_START) for attack in ATTACKS if attack != "deleted"),
)
MUST_COMPARE = (
    *("int_prices", "int_returns", "int_universe", "features", "feature_coverage"),
    *("feat_cross_asset", "feat_temporal", "fct_feature_coverage"),
    *("ml_panel", "ml_folds", "ml_fits", "ml_predictions", "ml_alphas", "ml_alpha_quality", "ml_ensemble_weights"),
    *("pf_scores", "pf_target_weights", "pf_orders", "pf_trades", "pf_holdings", "pf_backtest_days"),
    *("fct_signals", "fct_alphas", "fct_weights", "fct_trades", "fct_holdings", "fct_backtest_days"),
)
FEATURES = [path.stem for path in sorted((machine.root() / "models/features").glob("*.sql"))]
# of each setting that is no number, a value that is not the project's own
OTHER_CHOICES = {
    "date_only_known": "start_of_day",
    "simfin_value_policy": "restated_date",
    "restatement_policy": "most_recent",
    "sector_policy": "snapshot",
    "fill": "next_open",
    "member_universe": "sp500",
    "folds_start_date": "2016-07-01",
    "executor": "dask",
    "executor_address": "tcp://nowhere:1",
    "shared_dir": "/nowhere",
}
PROJECT_PARTS = ("models", "python_models", "macros", "seeds", "tests", "analyses")


class Market:
    """The small market, its attacked copies and the warehouses built from them; each is made when first asked for."""

    def __init__(self, market: Path, folder: Path) -> None:
        self.folder = folder
        self.builder = Builder(settings=SETTINGS)
        self.market = market

    @cached_property
    def models(self):
        return read_models(self.builder.manifest)

    @cached_property
    def whole(self) -> Path:
        return self.builder.build(self.market, self.folder / "whole")

    def attacked_market(self, cut: datetime.date, attack: str = "deleted") -> Path:
        copy = self.folder / f"market_{attack}_{cut}/small"
        if not copy.exists():
            assert attack_market(self.market, copy, cut, attack)
        return copy

    def attacked(self, cut: datetime.date, attack: str = "deleted") -> Path:
        work = self.folder / f"{attack}_{cut}"
        if work.exists():
            return work / "kairos.duckdb"
        return self.builder.build(self.attacked_market(cut, attack), work, selectors(attack))


@pytest.fixture(scope="module")
def proof(small_market, tmp_path_factory) -> Market:
    return Market(small_market, tmp_path_factory.mktemp("proof"))


def differing(rows) -> set[str]:
    return {row.model_name for row in rows if row.rows_different}


def query(warehouse: Path, sql: str) -> list[tuple]:
    with duckdb.connect(str(warehouse), read_only=True) as con:
        return con.execute(sql).fetchall()


def one(sql: str) -> tuple:
    return duckdb.sql(sql).fetchall()[0]


def test_the_small_market_exercises_the_chain(proof):
    """A proof over empty tables proves nothing: members, several fits, trades, and cuts where a leak would show."""
    sessions = list(closes())
    assert 3 <= sessions.index(AFTER_TEST_START) - sessions.index(TEST_START) <= 10
    fits = "select effective_date, count(distinct alpha_name) from ml.ml_fits group by 1 order by 1"
    fitted = dict(query(proof.whole, fits))
    assert fitted[TEST_START] >= 4
    assert sum(start <= AFTER_TEST_START for start in fitted) >= 2
    files = proof.market / "sharadar"
    on_the_day, soon = one(
        f"""select count(*) filter (where datekey = date '{IN_SEASON}'), count(*) from '{files}/SF1.parquet'
            where dimension = 'ARQ' and datekey between date '{IN_SEASON}' and date '{IN_SEASON}' + 5"""
    )
    assert on_the_day > 3
    assert soon > on_the_day
    amended = f"""select count(*) from '{files}/SF1.parquet' where dimension = 'ARQ'
        group by ticker, reportperiod having min(datekey) <= date '{IN_SEASON}' and max(datekey) > date '{IN_SEASON}'"""
    assert len(duckdb.sql(amended)) >= 3, "quarters known at the cut and restated by an amendment after it"
    before = sessions[sessions.index(IN_SEASON) - 1]
    gone = f"""select count(distinct ticker) from '{files}/ACTIONS.parquet' semi join
        (select ticker from '{files}/SEP.parquet' group by ticker having max(date) = date '{before}') using (ticker)
        where action = 'bankruptcyliquidation' and date = date '{IN_SEASON}'"""
    assert one(gone) == (1,), "an end that is not known yet at the cut"
    later = f"select count(*) from '{files}/ACTIONS.parquet' where date > date '{IN_SEASON}' and action = "
    assert one(later + "'split'") > (0,), "prices before the cut are adjusted for a split after it"
    assert one(later + "'tickerchangefrom'") > (0,), "a name before the cut is written as of after it"
    exact = "avg((closeadj::float::double = closeadj)::int)"
    assert one(f"select {exact} < 0.05 from '{files}/SEP.parquet'") == (True,), "else any order sums to the same bits"


def test_cuts_by_default_lie_where_a_leak_would_show(proof):
    first, second = default_cuts(proof.whole)
    sessions = list(closes())
    starts = {
        start for (start,) in query(proof.whole, "select test_start_date from ml.ml_folds where status = 'fitted'")
    }
    assert sessions[sessions.index(first) - 4] in starts
    assert first < second < query(proof.whole, "select max(as_of_date) from intermediate.int_prices")[0][0]


def test_a_cut_is_a_session(proof, tmp_path):
    with pytest.raises(ProofError, match="2023-01-08 is none"):
        prove(proof.market, tmp_path, [datetime.date(2023, 1, 8)])
    for outside in (datetime.date(1999, 1, 5), datetime.date(2031, 1, 2)):
        with pytest.raises(ProofError, match=f"nothing to compare at {outside}: bars of the market go from 20"):
            prove(proof.market, tmp_path, [IN_SEASON, outside])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ProofError, match="shuffled is no attack; there are deleted, scrambled, restated, resplit, "):
        prove(proof.market, tmp_path, [IN_SEASON], attacks=["deleted", "shuffled"])


@pytest.mark.parametrize(("attack", "cut"), ATTACKED, ids=str)
def test_nothing_dated_by_a_cut_depends_on_what_came_later(proof, attack, cut):
    rows = compare(proof.whole, proof.attacked(cut, attack), proof.models, cut, attack)
    print(report(rows))
    assert not differing(rows), report(rows)
    compared = {row.model_name: row.rows_compared for row in rows}
    for model in FEATURES if attack == "resplit_odd" else MUST_COMPARE:
        assert compared[model] > 0, f"nothing of {model} was compared"


def dump(warehouse: Path, layers: tuple[str, ...]) -> dict[str, bytes]:
    """Every relation of the layers as Parquet, rows in canonical order; what may differ between builds is left out."""
    out = {}
    with duckdb.connect(str(warehouse), read_only=True) as con:
        relations = con.execute(
            "select table_schema || '.' || table_name from information_schema.tables where table_catalog ="
            f" current_database() and table_schema in {layers} order by 1"
        ).fetchall()
        for (name,) in relations:
            # what the state adds says in which load it did: no mart shows it
            volatile = [c for c in con.sql(f"from {name}").columns if c.endswith((*VOLATILE, "first_seen_at"))]
            columns = f"* exclude ({', '.join(volatile)})" if volatile else "*"
            buffer = io.BytesIO()
            pq.write_table(con.sql(f"select {columns} from {name} order by all").to_arrow_table(), buffer)
            out[name] = buffer.getvalue()
    return out


def test_the_same_files_give_the_same_bytes_with_one_worker_and_with_two(proof, house):
    """One worker built the proof's warehouse; two built that of `kairos build`, in another process."""
    layers = ("features", "ml", "portfolio", "marts")
    first, second = dump(proof.whole, layers), dump(house.first_warehouse, layers)
    assert {"marts.fct_signals", "marts.fct_trades", "ml.ml_fits"} <= set(first)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


# --- seen to fail ----------------------------------------------------------------------------------------------------


PROVED = [leak for leak in LEAKS if isinstance(leak.check, Proof)]
# the proof of a model on its own: copies of several such models, each with its leak, stand in one project
COPIED = [leak for leak in PROVED if leak.check.select == leak.check.caught_by and leak.check.attack == "deleted"]
TESTED = [leak for leak in LEAKS if isinstance(leak.check, str)]
LEARNED = [leak for leak in LEAKS if isinstance(leak.check, Pytest)]


def edited(text: str, file: str, edits: tuple[tuple[str, str, str], ...]) -> str:
    """The text of a file with its edits made."""
    for name, old, new in edits:
        if name == file:
            assert old in text, f"{file} no longer holds {old!r}: adapt the leak to it"
            text = text.replace(old, new)
    return text


def edited_project(folder: Path, edits: tuple[tuple[str, str, str], ...]) -> Path:
    """A copy of the project with the edits made; its parsed form is taken along, so that only they are parsed."""
    folder.mkdir()
    root = machine.root()
    for part in PROJECT_PARTS:
        if (root / part).exists():
            shutil.copytree(root / part, folder / part, ignore=shutil.ignore_patterns("python", "__pycache__"))
    for name in ("dbt_project.yml", "profiles.yml"):
        shutil.copyfile(root / name, folder / name)
    (folder / "target").mkdir()
    shutil.copyfile(root / "target/partial_parse.msgpack", folder / "target/partial_parse.msgpack")
    for file in dict.fromkeys(file for file, _, _ in edits):
        (folder / file).write_text(edited((folder / file).read_text(), file, edits))
    return folder


def leaky_copy(project: Path, model: str, leak: Leak) -> str:
    """Write a copy of a model with the leak; returns the copy's name."""
    return edited_copy(project, model, leak.edits, f"_leak_{LEAKS.index(leak):02d}")


def edited_copy(project: Path, model: str, edits: tuple[tuple[str, str, str], ...], suffix: str) -> str:
    """Write a copy of a model with the edits made, and of the macros that they alter; returns the copy's name."""
    (path,) = (project / "models").rglob(f"{model}.sql")
    sql = path.read_text()
    for file in dict.fromkeys(file for file, _, _ in edits):
        text = edited((project / file).read_text(), file, edits)
        if project / file == path:
            sql = text
            continue
        assert file.startswith("macros/"), f"{model}{suffix}: {file} is neither {path.name} nor a macro"
        macros = re.findall(r"{% macro (\w+)\(", text)
        assert any(f"{macro}(" in sql for macro in macros), f"{model}{suffix}: {path.name} does not use {file}"
        for macro in macros:
            text, sql = (re.sub(rf"\b{macro}\(", f"{macro}{suffix}(", source) for source in (text, sql))
        (project / f"macros/{Path(file).stem}{suffix}.sql").write_text(text)
    path.with_name(f"{model}{suffix}.sql").write_text(sql)
    return model + suffix


@dataclass(frozen=True)
class Leaky:
    """A project with a leaky copy of a model for each leak of TESTED and COPIED."""

    builder: Builder
    unit_tests: dict[str, str]  # leak -> the unit test on its copy
    models: dict[str, str]  # leak -> the copy
    honest: dict[str, str]  # model of COPIED -> a copy without a leak


@pytest.fixture(scope="module")
def leaky(proof, tmp_path_factory) -> Leaky:
    assert proof.builder.parsed
    project, unit_tests = edited_project(tmp_path_factory.mktemp("leaks") / "project", ()), {}
    written = {}
    for path in sorted((project / "models").rglob("*unit_tests.yml")):
        for test in yaml.safe_load(path.read_text())["unit_tests"]:
            written[test["name"]] = test
    for leak in TESTED:
        test = written[leak.check]
        model = leaky_copy(project, test["model"], leak)
        unit_tests[leak.name] = leak.check + model.removeprefix(test["model"])
        copy = test | {"name": unit_tests[leak.name], "model": model}
        (project / f"models/_{model}.yml").write_text(yaml.safe_dump({"version": 2, "unit_tests": [copy]}))
    models = {leak.name: leaky_copy(project, leak.check.caught_by, leak) for leak in COPIED}
    honest = {
        model: edited_copy(project, model, (), "_honest") for model in sorted({leak.check.caught_by for leak in COPIED})
    }
    return Leaky(Builder(project, settings=SETTINGS), unit_tests, models, honest)


@pytest.fixture(scope="module")
def said(proof, leaky, tmp_path_factory) -> dict[str, str]:
    """unit test -> what it says: those of the project, and those on models with a leak, all in one run of dbt.

    They test code, not a configuration: the environment sets every setting to something else.
    """
    work = tmp_path_factory.mktemp("unit_tests")
    shutil.copyfile(proof.whole, work / "kairos.duckdb")
    return Builder(leaky.builder.project, settings=other_settings()).unit_tests(proof.market, work, ["test_type:unit"])


def other_settings() -> dict[str, str]:
    """For each setting of the project a value that it does not have, as a build's environment gives it."""
    values = project_vars()
    numbers = {name: str(value + 1) for name, value in values.items() if isinstance(value, int)}
    others = numbers | OTHER_CHOICES
    assert {name for name, value in values.items() if not isinstance(value, list | dict)} == set(others)
    return {f"KAIROS__{name.upper()}": value for name, value in others.items()}


@pytest.mark.leaks
def test_every_unit_test_passes(proof, said):
    """On the models as they are; `dbt test --select NAME` says how rows differ."""
    of_the_project = {test.name: said.get(test.name, "not run") for test in proof.builder.parsed.unit_tests.values()}
    assert len(of_the_project) > 80
    assert {name: status for name, status in of_the_project.items() if status != "pass"} == {}


def built_over(
    proof: Market, cut: datetime.date, builder: Builder, select: list[str], folder: Path, attack: str = "deleted"
) -> list[Path]:
    """What is selected, built by another project over copies of the whole warehouse and of the attacked one."""
    pairs: list[tuple[Callable[[], Path], Path]] = [
        (lambda: proof.whole, proof.market),
        (lambda: proof.attacked(cut, attack), proof.attacked_market(cut, attack)),
    ]
    warehouses = []
    for side, (built, market) in enumerate(pairs):
        work = folder / str(side)
        work.mkdir()
        shutil.copyfile(built(), work / "kairos.duckdb")
        warehouses.append(builder.build(market, work, select))
    return warehouses


@pytest.fixture(scope="module")
def copied(proof, leaky, tmp_path_factory) -> list[Path]:
    """Both warehouses with the copies of COPIED, all in one run of dbt each."""
    assert not any(leak.check.in_season for leak in COPIED)
    folder = tmp_path_factory.mktemp("copied")
    select = [*leaky.models.values(), *leaky.honest.values()]
    return built_over(proof, AFTER_TEST_START, leaky.builder, select, folder)


@pytest.mark.leaks
@pytest.mark.parametrize("leak", TESTED, ids=lambda leak: leak.name)
def test_a_unit_test_catches(said, leaky, leak):
    assert said[leaky.unit_tests[leak.name]] == "fail", f"{leak.check} on {leak.edits}"


@pytest.fixture(scope="module")
def said_of_python(tmp_path_factory) -> dict[str, str]:
    """leak -> what its test says of a copy of the package with the leak, all in forks of one process; "" -> what all of
    them say of a copy without one."""
    root, tests = machine.root(), []
    asked_of = [*dict.fromkeys(f"{leak.check.file}::{leak.check.name}" for leak in LEARNED)]
    for number, leak in enumerate([None, *LEARNED]):
        copy = tmp_path_factory.mktemp(f"python_{number}")
        for part in ("kairos", "tests/python"):
            shutil.copytree(root / part, copy / part)
        for name in ("dbt_project.yml", "pyproject.toml"):
            shutil.copyfile(root / name, copy / name)
        if leak is None:
            tests.append([str(copy), asked_of])
            continue
        for file in dict.fromkeys(file for file, _, _ in leak.edits):
            (copy / file).write_text(edited((copy / file).read_text(), file, leak.edits))
        tests.append([str(copy), [f"{leak.check.file}::{leak.check.name}"]])
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("KAIROS_", "PYTEST_"))}
    # one worker: starting processes costs more than these tests; one thread: a process with threads cannot be forked
    environment |= {"PYTHONPATH": str(root), "KAIROS_WORKERS": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    command = [sys.executable, str(root / "tests/python/pytest_in_forks.py")]
    asked = json.dumps(tests)
    done = subprocess.run(command, env=environment, input=asked, stdout=subprocess.PIPE, text=True, check=True)
    return dict(zip(("", *(leak.name for leak in LEARNED)), json.loads(done.stdout), strict=True))


@pytest.mark.leaks
@pytest.mark.parametrize("leak", LEARNED, ids=lambda leak: leak.name)
def test_a_test_of_python_catches(said_of_python, leak):
    """The named test fails on a copy with the leak, by what it asserts."""
    said = said_of_python[leak.name]
    assert "1 failed" in said, said
    assert re.search(r"^E +(AssertionError|Failed: DID NOT RAISE)", said, flags=re.MULTILINE), said


@pytest.mark.leaks
def test_tests_of_python_pass_on_a_copy_without_a_leak(said_of_python):
    said = said_of_python[""]
    assert " passed" in said and not re.search(r"\d (failed|error)", said), said


def is_caught(proof: Market, warehouses: list[Path], cut: datetime.date, leak: Leak, copy: str = "") -> bool:
    """Whether the proof names the model that the leak says, or its copy."""
    (model,) = (model for model in proof.models if model.name == leak.check.caught_by)
    rows = compare(*warehouses, [replace(model, name=copy or model.name)], cut, leak.check.attack)
    print(f"{leak.name}, caught by:\n{report(rows)}")
    return differing(rows) == {copy or model.name}


@pytest.mark.leaks
@pytest.mark.parametrize("leak", COPIED, ids=lambda leak: leak.name)
def test_the_proof_catches_in_a_model(proof, leaky, copied, leak):
    assert is_caught(proof, copied, AFTER_TEST_START, leak, leaky.models[leak.name])


@pytest.mark.leaks
def test_the_proof_finds_nothing_in_copies_without_a_leak(proof, leaky, copied):
    models = [replace(m, name=leaky.honest[m.name]) for m in proof.models if m.name in leaky.honest]
    assert len(models) == len(leaky.honest)
    rows = compare(*copied, models, AFTER_TEST_START)
    assert {row.model_name for row in rows} == set(leaky.honest.values())
    assert not differing(rows), report(rows)


@pytest.mark.leaks
@pytest.mark.parametrize("leak", [leak for leak in PROVED if leak not in COPIED], ids=lambda leak: leak.name)
def test_the_proof_catches(proof, tmp_path, leak):
    assert proof.builder.parsed
    cut = IN_SEASON if leak.check.in_season else AFTER_TEST_START
    builder = Builder(edited_project(tmp_path / "project", leak.edits), settings=SETTINGS)
    warehouses = built_over(proof, cut, builder, leak.check.select.split(), tmp_path, leak.check.attack)
    assert is_caught(proof, warehouses, cut, leak)


def test_the_page_lists_every_leak():
    assert PAGE.read_text() == page(), "write it anew: python tests/python/planted_leaks.py"
    assert len(LEAKS) == len({leak.name for leak in LEAKS})
