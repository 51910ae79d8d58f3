"""Vars, the variables of the environment that override them, and those that name places: what cannot be is refused."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest
import sql_model
from dbt_common.exceptions import DbtRuntimeError

from kairos import machine, publish, settings
from kairos.dbt_plugin import Plugin
from kairos.errors import SettingError


class RefusedError(Exception):
    """What dbt raises for a macro's refusal."""


def _refuse(message):
    raise RefusedError(message)


def _macro(call, **environment):
    """What a call of a macro gives under an environment, with the project's vars."""
    text = sql_model.template(f"{{{{ {call} }}}}").render(
        var=lambda name: sql_model.project_vars()[name],
        env_var=environment.get,
        exceptions=SimpleNamespace(raise_compiler_error=_refuse),
        **{"return": lambda value: value},
    )
    return text.strip()


@pytest.mark.parametrize("given", ["nine", "46d", "-5", "1.5", "nan"])
def test_a_number_that_is_none_is_refused_and_never_zero(given, monkeypatch):
    """Jinja's own int makes a 0 of the first two: short interest would be known at its settlement."""
    name = "short_interest_known_after_sessions"
    says = f"var {name} must be a whole number of 0 or more, got '{given}'.*unset KAIROS__{name.upper()}"
    with pytest.raises(RefusedError, match=says):
        _macro(f"setting_number('{name}')", **{f"KAIROS__{name.upper()}": given})
    monkeypatch.setenv(f"KAIROS__{name.upper()}", given)
    with pytest.raises(SettingError, match=says):
        settings.setting_number(name)


@pytest.mark.parametrize("given", ["low", "-5", "nan"])
def test_a_number_need_not_be_whole_where_the_macro_says_so(given):
    call = "setting_number('universe_min_price_usd', is_whole=false)"
    with pytest.raises(RefusedError, match=f"must be a number of 0 or more, got '{given}'"):
        _macro(call, KAIROS__UNIVERSE_MIN_PRICE_USD=given)
    assert float(_macro(call, KAIROS__UNIVERSE_MIN_PRICE_USD="0.5")) == 0.5


@pytest.mark.parametrize(
    "given", ["soon", "2013-1-01", "2013-13-01", "2013-04-31", "2013-02-29", "20130101", "1985-01-01", "2036-01-01"]
)
def test_a_date_that_is_no_day_of_the_calendar_is_refused(given):
    """Folds counted from a day before the calendar were none, and so were fits, scores and trades."""
    says = f"var folds_start_date must be a date from 1990-01-01 .*, got '{given}'.*unset KAIROS__FOLDS_START_DATE"
    with pytest.raises(RefusedError, match=says):
        _macro("setting_date('folds_start_date')", KAIROS__FOLDS_START_DATE=given)
    for good in ("1990-01-01", "2012-02-29", "2035-12-31"):
        assert _macro("setting_date('folds_start_date')", KAIROS__FOLDS_START_DATE=good) == good


def test_an_empty_variable_is_not_set(monkeypatch):
    assert _macro("setting_number('entry_lag_sessions')", KAIROS__ENTRY_LAG_SESSIONS="") == "1"
    assert _macro("setting_number('entry_lag_sessions')", KAIROS__ENTRY_LAG_SESSIONS="0") == "0"
    monkeypatch.setenv("KAIROS__ENTRY_LAG_SESSIONS", " ")
    assert settings.setting_number("entry_lag_sessions") == 1
    monkeypatch.setenv("KAIROS__ENTRY_LAG_SESSIONS", "0")
    assert settings.setting_number("entry_lag_sessions") == 0


def test_no_sql_makes_a_number_of_a_setting_by_itself():
    files = [path for folder in ("models", "tests", "analyses") for path in (sql_model.ROOT / folder).rglob("*.sql")]
    assert not [path.name for path in files if re.search(r"setting\([^)]*\)+ *\| *(int|float)", path.read_text())]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("KAIROS__MIN_CROSS_SECTOIN", "nothing reads it. Did you mean KAIROS__MIN_CROSS_SECTION?"),
        ("KAIROS__min_cross_section", "nothing reads it"),
        ("KAIROS_MARKT", "nothing reads it. Did you mean KAIROS_MARKET?"),
        ("KAIROS__ACTIVE_ALPHAS", "cannot override var active_alphas, which holds more than one value"),
    ],
)
def test_a_variable_that_nothing_reads_is_refused(name, says, monkeypatch):
    monkeypatch.setenv("KAIROS_HOME", "of somebody else's wrapper")
    settings.check_environment()
    monkeypatch.setenv(name, "30")
    with pytest.raises(SettingError, match=f"{name}.*{re.escape(says)}"):
        settings.check_environment()


def test_every_place_that_is_read_is_known():
    """And none is known that nothing reads."""
    root = sql_model.ROOT
    files = [*(root / "kairos").rglob("*.py"), root / "profiles.yml", root / "tests/python/conftest.py"]
    read = {name for file in files for name in re.findall(r"\bKAIROS_([A-Z][A-Z_]*)\b", file.read_text())}
    assert read == set(settings.PLACES)


@pytest.mark.parametrize("given", ["abc", "0", "-1", "1.5"])
def test_workers_that_are_no_number_are_refused_by_name(given, monkeypatch):
    monkeypatch.setenv("KAIROS_WORKERS", given)
    with pytest.raises(SettingError, match=f"KAIROS_WORKERS must be a whole number of 1 or more, got '{given}'"):
        machine.workers()


def test_an_empty_place_is_not_set(monkeypatch):
    """The project's root was taken for the market."""
    monkeypatch.setenv("KAIROS_MARKET", "")
    monkeypatch.setenv("KAIROS_WORKERS", "")
    assert machine.market_dir() == machine.root() / "market/demo"
    assert machine.workers() >= 1


def test_a_warehouse_that_cannot_be_opened_is_a_sentence_with_the_cure(tmp_path):
    """Its folder is made where it is missing."""
    publish.check_warehouse(tmp_path / "new/kairos.duckdb")
    assert duckdb.connect(str(tmp_path / "new/kairos.duckdb"), read_only=True).sql("show tables").fetchall() == []
    with pytest.raises(SettingError, match=r"is a folder\. Set KAIROS_DB to a file"):
        publish.check_warehouse(tmp_path / "new")
    (tmp_path / "file").write_text("none")
    with pytest.raises(SettingError, match=r"file/kairos\.duckdb cannot be made.*Correct KAIROS_DB"):
        publish.check_warehouse(tmp_path / "file/kairos.duckdb")
    with pytest.raises(SettingError, match="cannot be opened"):
        publish.check_warehouse(tmp_path / "file")


def test_a_link_to_a_warehouse_of_another_name_is_refused(tmp_path):
    """dbt took its database for kairos, DuckDB for big: no model could be made."""
    (tmp_path / "kairos.duckdb").symlink_to(tmp_path / "big.duckdb")
    with pytest.raises(SettingError, match=r"is a link to .*Set KAIROS_DB to .*big\.duckdb"):
        publish.check_warehouse(tmp_path / "kairos.duckdb")
    (tmp_path / "disk").mkdir()
    (tmp_path / "same.duckdb").symlink_to(tmp_path / "disk/same.duckdb")
    publish.check_warehouse(tmp_path / "same.duckdb")
    assert (tmp_path / "disk/same.duckdb").exists()


@pytest.mark.parametrize("said", ["Permission denied", "Read-only file system", "No space left on device"])
def test_a_warehouse_nobody_may_write_is_not_called_damaged(said):
    """Who follows the advice about a damaged one moves a sound one away."""
    message = publish.locked_message(Path("w.duckdb"), OSError(f'Cannot open file "w.duckdb": {said}'))
    assert "KAIROS_DB" in message and "damaged" not in message


@pytest.mark.parametrize("name", ["marts", "ml", "memory", "temp", "main", "it's", 'a"b', "kairos.v2"])
def test_a_warehouse_whose_name_says_something_else_to_duckdb_is_refused(name, tmp_path):
    """marts.marts was ambiguous after half a build, and of kairos.v2.duckdb DuckDB calls the database kairos."""
    with pytest.raises(SettingError, match=rf"cannot be called {re.escape(name)}\.duckdb.*such as .*kairos\.duckdb"):
        publish.check_warehouse(tmp_path / f"{name}.duckdb")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"KAIROS_WORKERS": "abc"}, "KAIROS_WORKERS must be a whole number"),
        ({"KAIROS_MARKT": "elsewhere"}, "Did you mean KAIROS_MARKET?"),
        ({"KAIROS_DB": "."}, "is a folder. Set KAIROS_DB to a file"),
    ],
)
def test_dbt_itself_says_the_cure(environment, says, tmp_path, monkeypatch):
    """dbt makes the plugin before it opens the warehouse, and shows its errors without a traceback."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    credentials = SimpleNamespace(path=environment.get("KAIROS_DB", str(tmp_path / "kairos.duckdb")))
    with pytest.raises(DbtRuntimeError, match=re.escape(says)):
        Plugin("kairos", {}, credentials)
