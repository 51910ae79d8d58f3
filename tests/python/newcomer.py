"""A small demo market and what a newcomer makes of it, once for all test files: written and built by the first to ask.

30 companies and 3.5 years are the least on which everything happens that the lookahead proof and the tests of a whole
build need: several folds, a training window of 24 months, restatements, a company that ends, a change of ticker.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import cached_property
from pathlib import Path

import duckdb

ROOT = Path(__file__).resolve().parents[2]
SIZE = {"securities": 30, "years": 3.5, "seed": 16}
# 30 names: a date is a cross-section from 10 on; half a year of history gives more folds in a short market.
SETTINGS = {
    "KAIROS__MIN_CROSS_SECTION": "10",
    "KAIROS__MIN_SECTOR_NAMES": "2",
    "KAIROS__UNIVERSE_MIN_HISTORY_SESSIONS": "130",
}


class House:
    """A warehouse of the market and places of their own below one folder, built by two workers."""

    def __init__(self, folder: Path, market: Path):
        self.folder = folder
        self.market = market
        self.published = folder / "published"
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("KAIROS_")} | {
            "KAIROS_ROOT": str(ROOT),
            "KAIROS_MARKET": str(self.market),
            "KAIROS_DB": str(folder / "kairos.duckdb"),
            "KAIROS_STATE": str(folder / "state"),
            "KAIROS_PUBLISHED": str(self.published),
            "DBT_TARGET_PATH": str(folder / "target"),
            "DBT_LOG_PATH": str(folder / "logs"),
            "KAIROS_WORKERS": "2",
            **SETTINGS,
        }

    def build(self) -> None:
        """The first build, with every data test; its warehouse is kept, for later builds write over it."""
        done = self.kairos("build")
        (self.folder / "first.json").write_text(json.dumps([done.returncode, done.stdout, done.stderr]))
        if done.returncode == 0:
            self.first_warehouse.parent.mkdir()
            shutil.copyfile(self.environment["KAIROS_DB"], self.first_warehouse)

    @cached_property
    def first(self) -> subprocess.CompletedProcess:
        """What the first build said."""
        return subprocess.CompletedProcess(["kairos", "build"], *json.loads((self.folder / "first.json").read_text()))

    @property
    def first_warehouse(self) -> Path:
        """The warehouse as the first build left it, under the same file name: views name the catalog."""
        return self.folder / "first/kairos.duckdb"

    def kairos(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run a kairos command as a user would."""
        return subprocess.run(
            [sys.executable, "-m", "kairos.cli", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def dbt(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        """Run a dbt command as a user would."""
        return subprocess.run(
            [sys.executable, "-m", "dbt.cli.main", *arguments],
            cwd=ROOT,
            env=self.environment | {"DBT_PROFILES_DIR": str(ROOT)} | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def database(self) -> Path:
        return self.published / "current" / "kairos_marts.duckdb"

    def query(self, sql: str):
        """Rows read from the published marts."""
        with duckdb.connect(str(self.database), read_only=True) as connection:
            return connection.sql(sql).fetchall()
