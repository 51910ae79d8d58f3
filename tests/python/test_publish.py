"""Publication: all or nothing for readers, readable by old clients, honest about what it cannot do."""

from __future__ import annotations

import datetime
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner

from kairos import machine, state
from kairos.backtest.adhoc import finished, open_warehouse, state_of
from kairos.cli import main
from kairos.errors import MarketError, PublishError
from kairos.publish import DATABASE, KEEP, declared_marts, publish
from kairos.schemas import TUNING_TRIALS

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


KILLED = """
import os, pathlib, signal, sys
from kairos import publish
def fill(connection, version, marts):
    (version / "kairos_marts.duckdb").touch()
    os.kill(os.getpid(), signal.SIGKILL)
publish.fill = fill
publish.publish(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
"""


@pytest.mark.chaos
def test_publications_that_were_killed_leave_no_version_and_take_the_place_of_none(tmp_path):
    """The versions kept for readers are whole; the next publication clears away what the killed ones left."""
    warehouse, published = tmp_path / "w.duckdb", tmp_path / "published"
    _warehouse(warehouse, 0)
    whole = [publish(warehouse, published) for _ in range(2)]
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", KILLED, str(warehouse), str(published)], cwd=machine.root())
        assert done.returncode == -signal.SIGKILL
    assert sorted(published.glob("v_*")) == whole
    (published / ".draft_current").symlink_to("nowhere")
    whole.append(publish(warehouse, published))
    assert sorted(path.name for path in published.iterdir()) == [".lock", "current", *(path.name for path in whole)]


def test_a_clock_set_back_costs_no_reader_its_version(tmp_path, monkeypatch):
    """The version that was current until now stays, whatever the names of others say."""

    class Clock(datetime.datetime):
        hours = iter((9, 8, 7, 2, 3))

        @classmethod
        def now(cls, zone=None):
            return datetime.datetime(2024, 1, 5, next(cls.hours), tzinfo=zone)

    monkeypatch.setattr("kairos.publish.datetime.datetime", Clock)
    warehouse, published = tmp_path / "w.duckdb", tmp_path / "published"
    _warehouse(warehouse, 0)
    versions = [publish(warehouse, published) for _ in range(5)]
    assert all(version.exists() for version in versions[-2:])
    assert (published / "current").resolve() == versions[-1].resolve()
    assert len(list(published.glob("v_*"))) == KEEP


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    _warehouse(tmp_path / "w.duckdb", 0)
    (tmp_path / "published").write_text("a file")
    with pytest.raises(PublishError, match=r"published cannot be written.*KAIROS_PUBLISHED"):
        publish(tmp_path / "w.duckdb", tmp_path / "published")


def test_a_terminal_that_lacks_a_sign_stops_no_command(tmp_path, monkeypatch):
    """A green build ended in a traceback where the locale has no frames for its headline tables."""
    (tmp_path / "models/marts").mkdir(parents=True)
    _warehouse(tmp_path / "w.duckdb", 0)
    for name, place in {"ROOT": ".", "DB": "w.duckdb", "PUBLISHED": "ünïcode"}.items():
        monkeypatch.setenv(f"KAIROS_{name}", str(tmp_path / place))
    (tmp_path / "dbt_project.yml").write_text("vars: {}")
    terminal = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(terminal, encoding="ascii", write_through=True))
    assert main(["publish"]) == 0
    assert terminal.getvalue().count(b"?n?code") == 2


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


def test_a_folder_may_be_called_what_it_likes(tmp_path):
    """Quotes, brackets that DuckDB would take for a pattern, and letters beyond ASCII."""
    folder = tmp_path / 'it\'s [an] "ünusual" * place'
    folder.mkdir()
    _warehouse(folder / "w.duckdb", 3)
    newest = publish(folder / "w.duckdb", folder / "published")
    with duckdb.connect(str(newest / DATABASE), read_only=True) as connection:
        assert connection.sql("select distinct version from marts.fct_a").fetchall() == [(3,)]
    with open_warehouse(folder / "w.duckdb") as connection:
        assert connection.sql("select n from marts.v_a").fetchall() == [(ROWS,)]
    rows = pa.table({"study_id": ["s"], **{name: [None] for name in TUNING_TRIALS.names[1:]}}).cast(TUNING_TRIALS)
    state.append(folder / "state", "ml_trials", rows)
    with duckdb.connect() as connection:
        connection.execute("create schema raw")
        for _ in range(2):  # by a pattern, and file by file beside what a killed build had begun
            connection.execute(state.view(folder / "state", "ml_trials"))
            assert connection.sql("select study_id from raw.state__ml_trials").fetchall() == [("s",)]
            (folder / "state/ml_trials/tmp_0123.parquet").touch()


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


def test_a_version_is_all_marts_of_one_build(tmp_path):
    """A warehouse without one of the project's marts is not published."""
    warehouse, published, marts = tmp_path / "w.duckdb", tmp_path / "published", tmp_path / "models/marts/more"
    _warehouse(warehouse, 0)
    marts.mkdir(parents=True)
    for name in ("fct_a", "fct_b", "v_a", "fct_late"):
        (marts / f"{name}.sql").touch()
    with pytest.raises(PublishError, match=r"w.duckdb lacks 1 of 4 marts, fct_late among them"):
        publish(warehouse, published, declared_marts(tmp_path))
    assert not published.exists()
    (marts / "fct_late.sql").unlink()
    publish(warehouse, published, declared_marts(tmp_path))


PROJECT = {
    "dbt_project.yml": """
name: kairos
version: '1.0'
profile: small
models: {+schema: marts, +access: public, +materialized: table}
on-run-start: ["{{ build_begins() }}"]
on-run-end: ["{{ build_ends(results) }}", "{{ publish_marts(results) }}", "{{ report_failed_tests(results) }}"]
""",
    "profiles.yml": """
small:
  target: only
  outputs:
    only:
      type: duckdb
      path: "{{ env_var('KAIROS_DB') }}"
      threads: 2
      plugins: [{module: kairos.dbt_plugin}]
""",
    "models/fct_a.sql": "with one as (select 1 as n) select n from one",
    "models/fct_b.sql": "{{ config(materialized='view') }} select n from {{ ref('fct_a') }}",
    "models/units.yml": """
unit_tests:
  - {name: is_handed_on, model: fct_b, given: [{input: ref('fct_a'), rows: [{n: 5}]}], expect: {rows: [{n: 5}]}}
""",
}


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A dbt project with two marts and a unit test: build(*options) says whether it passed, and the versions there."""
    project = tmp_path / "project"
    for name, text in PROJECT.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    (project / "macros").mkdir()
    for macro in (
        "publish_marts.sql",
        "build_underway.sql",
        "report_failed_tests.sql",
        "models_built.sql",
        "generate_schema_name.sql",
    ):
        shutil.copy(machine.root() / "macros" / macro, project / "macros")
    places = (tmp_path / "market", tmp_path / "w.duckdb", tmp_path / "state", tmp_path / "published")
    for name, value in machine.environment(project, *places, 2).items():
        monkeypatch.setenv(name, value)

    def build(*options: str, command: str = "build") -> tuple[bool, list[str]]:
        try:
            done = dbtRunner().invoke(
                [command, "--project-dir", str(project), "--profiles-dir", str(project), "--no-partial-parse", *options]
            )
        finally:
            DuckDBConnectionManager.close_all_connections()
        return done.success, sorted(path.name for path in (tmp_path / "published").glob("v_*"))

    return project, build


def test_a_green_dbt_build_publishes_with_unit_tests_and_without(small, capfd):
    """As README says of `dbt build` and `kairos build`; of a part nothing is published."""
    _, build = small
    passed, versions = build()
    assert passed
    assert len(versions) == 1
    said = capfd.readouterr().out
    assert "PASS fct_b::is_handed_on" in said
    assert f"Published 2 marts: {versions[0]}" in said
    assert build("--exclude-resource-type", "unit_test")[1][0] == versions[0]
    assert "Published 2 marts" in capfd.readouterr().out
    assert len(build("--select", "fct_a")[1]) == 2
    assert "Not published: a selected build" in capfd.readouterr().out


def test_commands_add_to_the_state_that_the_warehouse_was_built_from(small, tmp_path, monkeypatch, capsys):
    """A build is told its market in front of the command, and the command after it is not: a trial in the ledger of
    another market is missing in its own."""
    _, build = small
    assert build()[0]
    assert state_of(tmp_path / "w.duckdb") == tmp_path / "state"
    monkeypatch.delenv("KAIROS_STATE")
    said = rf"built from the market {tmp_path}/market and its state {tmp_path}/state, but .* the state state/market:"
    with pytest.raises(MarketError, match=rf"{said} .* KAIROS_STATE={tmp_path}/state, or build"):
        state_of(tmp_path / "w.duckdb")
    assert build()[0]
    assert state_of(tmp_path / "w.duckdb") == tmp_path / "project/state/market"
    monkeypatch.delenv("KAIROS_MARKET")
    for command in (["backtest", "--strategy", "a"], ["models", "promote", "a", "1", "--why", "b"]):
        assert main([*command]) == 1
        said = capsys.readouterr().err
        assert "name the state state/demo" in said and f"Run it with KAIROS_MARKET={tmp_path}/market, or build" in said
    assert not (tmp_path / "project/state/demo").exists()


def test_the_places_of_a_warehouse_are_named_as_a_shell_takes_them(tmp_path, monkeypatch):
    """With blanks in them, and with the state where a variable names another: without it that would hold again."""
    with duckdb.connect(str(tmp_path / "w.duckdb")) as con:
        con.execute("create schema raw")
        con.execute("create table raw.built_from as select 'my market/a' as market, 'state/a' as state")
    monkeypatch.delenv("KAIROS_STATE", raising=False)
    monkeypatch.setenv("KAIROS_MARKET", "market/b")
    with pytest.raises(MarketError, match=r"Run it with KAIROS_MARKET='my market/a', or build"):
        state_of(tmp_path / "w.duckdb")
    monkeypatch.setenv("KAIROS_STATE", "state/b")
    with pytest.raises(MarketError, match=r"Run it with KAIROS_MARKET='my market/a' KAIROS_STATE=state/a, or build"):
        state_of(tmp_path / "w.duckdb")


def test_a_mart_that_cannot_be_copied_is_named_and_leaves_nothing(small, capfd, tmp_path):
    """A view that fails when it is read passes its build. The last version stays, alone."""
    project, build = small
    _, versions = build("--exclude-resource-type", "unit_test")
    fails = "select if(n = 1, error('no such thing'), n) as n"
    (project / "models/fct_b.sql").write_text(PROJECT["models/fct_b.sql"].replace("select n", fails))
    capfd.readouterr()
    assert build("--exclude-resource-type", "unit_test") == (False, versions)
    assert "Mart fct_b cannot be copied; the last version stays" in capfd.readouterr().out
    assert (tmp_path / "published/current").resolve().name == versions[0]


def test_what_a_build_that_stopped_has_left_is_neither_published_nor_traded(small, tmp_path):
    """Half of its tables are of another build, until what did not pass has passed, whatever else a part says."""
    project, build = small
    assert build("--exclude-resource-type", "unit_test")[0]
    (project / "models/fct_b.sql").write_text("select no_such_column from {{ ref('fct_a') }}")
    assert not build()[0]
    (project / "models/fct_b.sql").write_text(PROJECT["models/fct_b.sql"])
    assert refused(tmp_path)
    assert build("--select", "fct_a")[0]
    assert refused(tmp_path)
    assert build("--select", "fct_b")[0]
    assert not refused(tmp_path)
    publish(tmp_path / "w.duckdb", tmp_path / "published")


@pytest.mark.parametrize("command", ["build", "run"])
def test_what_a_killed_build_has_left_is_known_until_a_whole_one_has_passed(small, tmp_path, command):
    """It had no chance to say what it did. What `dbt run` does not run it cannot mend."""
    _, build = small
    assert build("--exclude-resource-type", "unit_test")[0]
    with duckdb.connect(str(tmp_path / "w.duckdb")) as connection:
        connection.execute("create table raw.build_underway as select 'killed' as invocation_id, null::varchar as node")
        connection.execute("insert into raw.build_underway values ('failed', 'test.kairos.of_data')")
    assert build("--select", "fct_a", "fct_b")[0]
    assert refused(tmp_path)
    assert build(command=command)[0]
    assert refused(tmp_path) == (command == "run")
    with duckdb.connect(str(tmp_path / "w.duckdb")) as connection:
        left = "select count(*) from duckdb_tables() where table_name = 'build_underway'"
        if connection.execute(left).fetchall() == [(1,)]:
            assert connection.execute("select node from raw.build_underway").fetchall() == [("test.kairos.of_data",)]


def refused(folder: Path) -> bool:
    """Whether neither publication nor trades are made of a warehouse; one of them alone would be a mistake."""
    said = []
    try:
        with finished(folder / "w.duckdb"):
            said.append("")
    except MarketError as error:
        said.append(str(error))
    try:
        publish(folder / "w.duckdb", folder / "again")
        said.append("")
    except PublishError as error:
        said.append(str(error))
    assert bool(said[0]) == bool(said[1])
    assert all("was stopped or did not pass" in text for text in said if text)
    return bool(said[0])


def test_a_failing_unit_test_keeps_the_marts_from_being_published(small, capfd):
    project, build = small
    (project / "models/units.yml").write_text(PROJECT["models/units.yml"].replace("[{n: 5}]}}", "[{n: 6}]}}"))
    assert build() == (False, [])
    assert "Not published" in capfd.readouterr().out


def test_a_failing_data_test_shows_what_it_found(small, capfd):
    """Rows of a failure and of a warning, the first three; of refused rows only where report_refused_rows is silent."""
    project, build = small
    (project / "tests").mkdir()
    for name, config in (
        ("assert_few", ""),
        ("assert_fine", ""),
        ("assert_quiet", "{{ config(severity='warn') }}"),
        ("assert_told", "{{ config(severity='warn', meta={'is_said_of_refused_rows': true}) }}"),
    ):
        rows = "where false" if name == "assert_fine" else "-- the last line"
        (project / f"tests/{name}.sql").write_text(
            f"{config} select n + i as n, 'cure' as said from {{{{ ref('fct_a') }}}}, range(4) as t (i) {rows}"
        )
    assert build("--exclude-resource-type", "unit_test") == (False, [])
    said = [line.split("  ", 1)[1] for line in capfd.readouterr().out.splitlines() if ", row " in line]
    expected = [
        (name, n) for name in ("assert_few (fail", "assert_quiet (warn", "assert_told (warn") for n in (1, 2, 3)
    ]
    assert sorted(said) == [f"{name}, row {n} of 4): n={n}, said=cure" for name, n in expected]
    (project / "models/int_quarantine.sql").write_text("select 1 as n")
    build("--exclude-resource-type", "unit_test")
    lines = [line for line in capfd.readouterr().out.splitlines() if ", row " in line]
    assert len(lines) == 6 and not any("assert_told" in line for line in lines)


def test_a_demo_market_that_cannot_be_written_ends_the_build_with_its_reason(small):
    """One reason, and nothing that the interpreter says of itself at its end."""
    project, _ = small
    (project / "market/demo").mkdir(parents=True)
    (project / "market/demo/mine.csv").write_text("kept")
    places = {name: place for name, place in os.environ.items() if name != "KAIROS_MARKET"}
    command, here = [sys.executable, "-m", "kairos.cli", "build"], Path(__file__).parents[2]
    done = subprocess.run(command, cwd=here, env=places, capture_output=True, text=True)
    assert done.returncode == 1
    (reason,) = done.stderr.splitlines()
    assert "holds 1 files that are not a demo market's (mine.csv among them)" in reason
    assert "The build did not pass" in done.stdout
    assert (project / "market/demo/mine.csv").read_text() == "kept"
