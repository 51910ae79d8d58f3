"""Vars of the project, without dbt."""

from __future__ import annotations

import os

import yaml

from kairos import machine


def setting(name: str) -> str:
    """The value of a var as macro setting() gives it: KAIROS__<VAR> in the environment, else dbt_project.yml."""
    given = os.environ.get(f"KAIROS__{name.upper()}")
    if given is not None:
        return given
    return str(yaml.safe_load((machine.root() / "dbt_project.yml").read_text())["vars"][name])
