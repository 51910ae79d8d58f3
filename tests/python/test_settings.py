"""Vars, the variables of the environment that override them, and those that name places: what cannot be is refused."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
import sql_model

from kairos import settings
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
