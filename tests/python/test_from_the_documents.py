"""docs/from_the_documents.md: every link is followed to a relation, column, row of a seed, command, file or name."""

from __future__ import annotations

import csv
import importlib
import re
import shlex
from pathlib import Path

import pytest
from sql_model import project_vars

from kairos.cli import parser

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/from_the_documents.md").read_text()
TITLES = [
    "Kairos ML Alpha v2 - Migration Summary",
    "ML Alpha Factor & Strategy Integration - Design Document (E3)",
    "ML Model Improvement Plan",
    "ML Pipeline Module",
    "ML Implementation Plan (Step 3)",
]
# word before a name -> seed and the column that lists such names
LISTED = {
    "feature": ("feature_registry", "feature_name"),
    "alpha": ("alpha_specs", "alpha_name"),
    "strategy": ("strategies", "strategy"),
    "ensemble": ("ensembles", "ensemble_name"),
    "bundle": ("factor_bundles", "bundle_name"),
    "set": ("feature_sets", "feature_set"),
}


def rows_of(title: str) -> list[list[str]]:
    """The cells of a section's table."""
    section = PAGE.split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


ROWS = [row for title in TITLES for row in rows_of(title)]
LINKS = sorted({link for _, here, *_ in ROWS for link in re.findall(r"`([^`]+)`", here)})


@pytest.fixture(scope="module")
def relations(builder) -> dict[str, set[str]]:
    """schema.name of every model and seed -> its described columns."""
    kinds = ("model", "seed")
    nodes = [node for node in builder.manifest["nodes"].values() if node["resource_type"] in kinds]
    found = {f"{node['schema']}.{node['name']}": set(node["columns"]) for node in nodes}
    variables = project_vars()
    found["ml.ml_alphas"] |= {*variables["active_alphas"], *variables["ensembles"], *variables["blends"]}
    return found


def resolves(link: str, relations: dict[str, set[str]]) -> bool:
    """Whether what a link names is there."""
    word, _, rest = link.partition(" ")
    if word == "kairos":
        parser().parse_args(shlex.split(rest))  # exits where the command or an argument is not known
        return True
    if word == "make":
        return re.search(rf"^{rest}:", (ROOT / "Makefile").read_text(), flags=re.M) is not None
    if word == "var":
        return rest in project_vars()
    if word in LISTED:
        seed, column = LISTED[word]
        with (ROOT / f"seeds/{seed}.csv").open() as file:
            return rest in {row[column] for row in csv.DictReader(file)}
    if link.startswith("kairos."):
        module, _, name = link.rpartition(".")
        return hasattr(importlib.import_module(module), name)
    if "/" in link or link in ("requirements.in", "dbt_project.yml"):
        return (ROOT / link).is_file()
    parts = link.split(".")
    table = ".".join(parts[:2])
    return table in relations and (len(parts) == 2 or parts[2] in relations[table])


@pytest.mark.parametrize("link", LINKS)
def test_every_link_leads_somewhere(link, relations):
    assert resolves(link, relations), f"`{link}` is not there"


@pytest.mark.parametrize(
    "link",
    ["ml.ml_fitz", "ml.ml_fits.median", "feature rsi_15", "alpha x", "var x", "make x", "kairos.cv.x", "kairos/x.py"],
)
def test_a_link_that_leads_nowhere_is_seen(link, relations):
    assert not resolves(link, relations)


@pytest.mark.parametrize("command", ["kairos models expert x", "kairos cv --panle x", "kairos fly"])
def test_a_command_that_is_not_there_is_seen(command, relations):
    with pytest.raises(SystemExit):
        resolves(command, relations)


@pytest.mark.parametrize("title", TITLES)
def test_every_row_says_where_or_why_not(title):
    rows = rows_of(title)
    assert len(rows) > 20
    for row in rows:
        assert len(row) in (2, 3), row
        name, here, *how = row
        assert name
        assert "`" in here or here.startswith("open: ") or (here == "none" and how and how[0]), row


def test_what_is_open_is_listed_and_what_is_listed_is_open():
    used = {item for row in ROWS for cell in row[1:] for item in re.findall(r"open: ([a-z ]+)", cell)}
    assert used == {item for item, _ in rows_of("What is open")}
