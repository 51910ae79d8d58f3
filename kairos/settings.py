"""Vars of the project, without dbt."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from kairos import machine
from kairos.errors import SettingError

# the same in C, where the library has it: a tenth of the time
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def setting(name: str) -> str:
    """The value of a var as macro setting() gives it: KAIROS__<VAR> in the environment, else dbt_project.yml."""
    if given := os.environ.get(f"KAIROS__{name.upper()}", "").strip():
        return given
    project = machine.root() / "dbt_project.yml"
    return str(_vars(project, project.stat().st_mtime_ns)[name])


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


@cache
def _vars(project: Path, changed_at: int) -> dict[str, Any]:
    """The vars of a project's file as it was when it was last changed."""
    return yaml.load(project.read_text(), Loader=_LOADER)["vars"]
