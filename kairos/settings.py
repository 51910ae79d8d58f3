"""Vars of the project, without dbt."""

from __future__ import annotations

import difflib
import os
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from kairos import machine
from kairos.errors import SettingError

# the same in C, where the library has it: a tenth of the time
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# What else of the environment is read; the last two by the tests alone.
PLACES = ("ROOT", "MARKET", "DB", "STATE", "PUBLISHED", "WORKERS", "TARGET", "SHARED", "TEST_WAREHOUSE")


def setting(name: str) -> str:
    """The value of a var as macro setting() gives it: KAIROS__<VAR> in the environment, else dbt_project.yml."""
    if given := os.environ.get(f"KAIROS__{name.upper()}", "").strip():
        return given
    return str(_project_vars()[name])


def setting_number(name: str) -> int:
    """The value of a var that is a whole number, as macro setting_number() gives it.

    Raises:
        SettingError: it is not a whole number of 0 or more.
    """
    given = setting(name)
    if not (given.isascii() and given.isdigit()):
        raise SettingError(
            f"var {name} must be a whole number of 0 or more, got '{given}'. Correct it in dbt_project.yml or unset"
            f" KAIROS__{name.upper()}."
        )
    return int(given)


def check_environment() -> None:
    """Every KAIROS__ variable is a var that one value fits, and no KAIROS_ variable looks like a misspelt place: it
    would go by without a word. A KAIROS_ variable that is nothing like one of ours is somebody else's.

    Raises:
        SettingError: a name that nothing reads, or that of a var with more than one value; says which is nearest.
    """
    values = _project_vars()
    lists = {f"KAIROS__{name.upper()}": name for name, value in values.items() if isinstance(value, list | dict)}
    known = {f"KAIROS__{name.upper()}" for name in values} - set(lists) | {f"KAIROS_{name}" for name in PLACES}
    for name in sorted(name for name in os.environ if name.startswith("KAIROS_") and name not in known):
        if name in lists:
            raise SettingError(
                f"{name} cannot override var {lists[name]}, which holds more than one value. Unset it and change the"
                " var in dbt_project.yml."
            )
        is_var = name.startswith("KAIROS__")
        near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.7 if is_var else 0.85)
        if not (is_var or near):
            continue
        cure = f"Did you mean {near[0]}?" if near else "The vars of dbt_project.yml and the README name those that are."
        raise SettingError(f"{name} is set, and nothing reads it. {cure} Correct or unset it.")


def _project_vars() -> dict[str, Any]:
    project = machine.root() / "dbt_project.yml"
    return _vars(project, project.stat().st_mtime_ns)


@cache
def _vars(project: Path, changed_at: int) -> dict[str, Any]:
    """The vars of a project's file as it was when it was last changed."""
    return yaml.load(project.read_text(), Loader=_LOADER).get("vars", {})
