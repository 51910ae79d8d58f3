"""The whole chain as a newcomer runs it: `kairos build` on a small demo market, and built again under a reader.

The warehouse is that of newcomer.py, built once for all files that read it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import numpy as np
import pytest
from newcomer import SETTINGS

from kairos.demo.exam import examine, marks_of, series
from kairos.proof import Builder

ROOT = Path(__file__).resolve().parents[2]

# A BI tool that polls two marts which must belong to one build, and holds one connection open all along.
READER = """
import json, pathlib, sys, time, duckdb
path, stop = sys.argv[1], sys.argv[2]
question = "select count(*), sum(net_return::decimal(38,15)) from marts.fct_backtest_days"
held = duckdb.connect(path, read_only=True)
first = held.sql(question).fetchall()
polls, errors = 0, []
print("ready", flush=True)
while not pathlib.Path(stop).exists():
    try:
        with duckdb.connect(path, read_only=True) as con:
            con.sql(question).fetchall()
            con.sql("select count(*) from marts.fct_signals").fetchall()
        polls += 1
    except Exception as error:
        errors.append(repr(error))
    time.sleep(0.3)
print(json.dumps({"polls": polls, "errors": errors, "held": held.sql(question).fetchall() == first}))
"""


def test_build_is_green_and_says_where_the_marts_are(house):
    """Exit code 0, every data test run and no unit test, the headline and the next commands printed."""
    assert house.first.returncode == 0, house.first.stdout[-6000:] + house.first.stderr[-2000:]
    assert "Published" in house.first.stdout
    assert " PASS unique_key_" in house.first.stdout
    assert "::test_" not in house.first.stdout
    assert str(house.database) in house.first.stdout
    assert "net_sharpe" in house.first.stdout


def test_what_comes_next_can_be_typed_as_it_is_printed(house):
    """In a shell that knows nothing of the build: another market's files and trials would be taken for this one's."""
    (line,) = [line for line in house.first.stdout.splitlines() if "rebalance --strategy" in line]
    command = line.split("   ")[0]
    for name in ("MARKET", "DB", "STATE"):
        assert f"KAIROS_{name}={house.environment[f'KAIROS_{name}']} " in command
    bare = {"PATH": os.environ["PATH"], "KAIROS_WORKERS": "1"}
    done = subprocess.run(command, shell=True, env=bare, cwd=ROOT, capture_output=True, text=True, check=True)
    written = Path(done.stdout.rsplit("written to ", 1)[1].strip())
    assert written.parent == ROOT / "trades" / house.market.name
    written.unlink()  # and no more than it wrote: the folder may be somebody's
    with contextlib.suppress(OSError):
        written.parent.rmdir()


def test_no_published_mart_is_empty(house):
    """Every mart has rows on the demo market, but the trials and proofs: no active alpha is tuned, no proof was run."""
    marts = house.query("select table_name from information_schema.tables where table_schema = 'marts' order by 1")
    assert len(marts) >= 16
    empty = [mart for (mart,) in marts if house.query(f"select count(*) from marts.{mart}") == [(0,)]]
    assert empty == ["fct_proofs", "fct_trials"]


def test_every_view_can_be_looked_at_with_a_limit(house):
    """A limit ends one side of a positional join before the other: no view may take that for tables that do not fit."""
    with duckdb.connect(str(house.folder / "kairos.duckdb"), read_only=True) as connection:
        views = connection.sql("select schema_name, view_name from duckdb_views() where not internal").fetchall()
        assert ("marts", "feat_matrix_v2") in views and len(views) > 50
        for schema, view in views:
            if schema != "raw":
                connection.sql(f"select * from {schema}.{view} limit 5").fetchall()
        rows = "select count(*) from {}"
        assert (
            connection.sql(rows.format("marts.feat_matrix_v2")).fetchall()
            == connection.sql(rows.format("intermediate.int_prices")).fetchall()
        )


def test_alphas_and_fits_leave_the_warehouse_as_files(house):
    """kairos export and kairos models export read this warehouse's own tables."""
    out = str(house.folder / "exports")
    for words in (["export", "ml_alpha_ridge_20d"], ["models", "export", "ml_alpha_ridge_20d"]):
        done = house.kairos(*words, "--out", out)
        assert done.returncode == 0, done.stderr
    panel = duckdb.sql(f"from '{out}/ml_alpha_ridge_20d_common_shares_1d.parquet'")
    assert panel.columns[:4] == ["timestamp", "symbol", "ml_alpha_ridge_20d", "fwd_return_20d"]
    assert len(panel.columns) == 4 + 23
    scored = panel.filter("ml_alpha_ridge_20d is not null").aggregate("count(*), count(distinct (timestamp, symbol))")
    assert scored.fetchall() == house.query(
        "select count(*), count(*) from marts.fct_signals where alpha_name = 'ml_alpha_ridge_20d'"
    )
    assert list((house.folder / "exports").glob("ml_alpha_ridge_20d_*.skops"))


def test_the_exam_marks_this_warehouse(house):
    """Rank ICs of truth and alphas, worked out by pandas from the tables and truth.parquet; the learner's are there."""
    found = series(house.folder / "kairos.duckdb", house.market, 5)
    with duckdb.connect(str(house.folder / "kairos.duckdb"), read_only=True) as connection:
        labels = connection.sql(
            "select as_of_date as date, security_id, ticker, fwd_ret_5d from labels.labels"
            " join intermediate.int_prices using (as_of_date, security_id)"
            " join intermediate.int_universe using (as_of_date, security_id) where is_member"
        ).df()
        alphas = connection.sql("select as_of_date as date, security_id, alpha_name, score from ml.ml_predictions").df()
    truth = duckdb.sql(f"from '{house.market}/truth.parquet'").df()
    rows = labels.merge(truth, on=["date", "ticker"])
    scores = {name: rows.merge(told, on=["date", "security_id"]) for name, told in alphas.groupby("alpha_name")}
    scores["truth"] = rows.assign(score=rows.expected_fwd_ret_5d)
    assert set(scores) | {"reference learner"} == set(found.ics)
    is_marked = np.isfinite(found.ics["reference learner"])
    assert is_marked.sum() > 200
    for name, told in scores.items():
        told = told.dropna(subset=["score", "fwd_ret_5d"])
        ics = told.groupby("date")[["score", "fwd_ret_5d"]].corr(method="spearman").iloc[::2, 1].droplevel(1)
        expected = ics.reindex(found.dates[is_marked]).to_numpy()
        np.testing.assert_allclose(found.ics[name][is_marked], expected, rtol=0, atol=1e-12)
    marks = {mark.who: mark for mark in marks_of(found)}
    assert {mark.who for mark in examine(house.folder / "kairos.duckdb", house.market, (20,))} == set(marks)
    assert marks["truth"].share == 1
    assert marks["truth"].dates == is_marked.sum()
    assert marks["truth"].rank_ic == pytest.approx(np.nanmean(found.ics["truth"]))


def test_second_build_gives_the_same_bytes_while_bi_reads(house):
    """Same files and state: every published Parquet file is the same to the byte; the reader never fails or moves.

    The second build stands on what the first left: fits kept, features to which nothing is to be added. It runs no data
    test, for the first ran them all, and `kairos publish` publishes it; test_proof.py makes all tables from nothing,
    with one worker, and runs the unit tests.
    """
    first = {p.name: p.read_bytes() for p in (house.published / "current").glob("*.parquet")}
    stop = house.folder / "stop"
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(house.database), str(stop)], stdout=subprocess.PIPE, text=True
    )
    assert reader.stdout.readline().strip() == "ready"
    before = (house.published / "current").resolve()
    Builder(settings=SETTINGS).build(house.market, house.folder)
    again = house.kairos("publish")
    time.sleep(1)  # the reader polls a few times more
    stop.touch()
    result = json.loads(reader.communicate(timeout=60)[0])
    assert again.returncode == 0, again.stderr
    assert (house.published / "current").resolve() != before
    assert result["errors"] == []
    assert result["held"]
    assert result["polls"] > 10
    second = {p.name: p.read_bytes() for p in (house.published / "current").glob("*.parquet")}
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_rebalance_prints_a_list_a_trader_could_use(house):
    """Ticker, side, shares, weights, reference price and reason, for the newest decision."""
    done = house.kairos("rebalance", "--strategy", "kairos_production")
    assert done.returncode == 0, done.stderr
    for column in ("ticker", "side", "shares", "before", "after", "price", "value", "reason"):
        assert column in done.stdout
    written = Path(done.stdout.split("written to ")[1].strip())
    header = written.read_text().splitlines()[0]
    written.unlink()
    assert header == "ticker,side,shares,weight_before,weight_after,reference_price_usd,value_usd,reason"
    unknown = house.kairos("rebalance", "--strategy", "nobody")
    assert unknown.returncode == 1
    assert "nobody" in unknown.stderr
    assert "kairos_production" in unknown.stderr


def test_backtest_with_overrides_adds_one_trial(house):
    """An ad-hoc run answers, is written to the trials ledger once, and refuses a parameter nobody reads."""
    command = ("backtest", "--strategy", "kairos_production", "--set", "top_n=10", "target_vol=0.2")
    count = f"select count(*) from '{house.folder}/state/backtest_trials/*.parquet'"
    built = duckdb.sql(count).fetchall()[0][0]
    assert built == 4, "five strategies of the seed, two of them one configuration, in the ledger once after two builds"
    for _ in range(2):
        done = house.kairos(*command)
        assert done.returncode == 0, done.stderr
        assert "Sharpe" in done.stdout
    assert duckdb.sql(count).fetchall()[0][0] == built + 1
    wrong = house.kairos("backtest", "--strategy", "kairos_production", "--set", "top_m=10")
    assert wrong.returncode == 1
    assert "top_m" in wrong.stderr
    assert "top_n" in wrong.stderr


def test_locked_warehouse_is_one_clear_message(house):
    """Somebody holds the warehouse: the message names the file and three ways out, and nothing is rebuilt."""
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); input()",
            house.environment["KAIROS_DB"],
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout.readline().strip() == "held"
    done = house.kairos("build")
    holder.communicate("\n", timeout=30)
    assert done.returncode == 1
    assert "kairos.duckdb is held by another process" in done.stderr
    assert "KAIROS_DB" in done.stderr


def test_broken_market_fails_before_the_first_model_and_keeps_the_marts(house, tmp_path):
    """A market without prices: the file, the cure, exit code 1, and the published marts as they were."""
    before = (house.published / "current").resolve()
    broken = house.environment | {"KAIROS_MARKET": str(tmp_path / "nothing")}
    done = subprocess.run(
        [sys.executable, "-m", "kairos.cli", "build"],
        cwd=ROOT,
        env=broken,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert str(tmp_path / "nothing") in done.stdout + done.stderr
    assert (house.published / "current").resolve() == before


def test_a_selected_build_reports_refused_rows_and_does_not_publish(house, tmp_path):
    """A text price and a key delivered twice do not stop the build: dbt says which rows of which file, and the cure.
    A partial `dbt build` leaves the published version and says so.

    Built over the house's own warehouse, for dbt parses anew for another one: only published marts are read after this.
    """
    market = tmp_path / "market"
    shutil.copytree(house.market, market)
    with duckdb.connect() as connection:
        bars = f"read_parquet('{market}/sharadar/SEP.parquet')"
        text = f"(select *, row_number() over () as rn from {bars})"
        text = (
            f"(select * exclude (rn, close), case rn when 500 then 'n/a' else close::varchar end as close from {text})"
        )
        twice = f"(select * replace ((low * 1.0001)::varchar as close) from {bars} limit 1 offset 700)"
        connection.execute(f"copy (from {text} union all by name {twice}) to '{market}/sharadar/SEP.csv' (header)")
    (market / "sharadar" / "SEP.parquet").unlink()
    (market / "sp500").mkdir()
    (market / "sp500" / "membership.csv").write_text("ticker,start_date,end_date\nNO.NE,2001-01-02,\n")
    models = ("--resource-type", "seed", "--resource-type", "model")
    before = (house.published / "current").resolve()
    done = house.dbt("build", "-s", "+int_quarantine", "unpriced_tickers", *models, KAIROS_MARKET=str(market))
    assert "Refused 1 row of sharadar/SEP.csv: a cell is not of its column's type" in done.stdout
    assert "close='n/a' is not a number. Cure: write plain numbers" in done.stdout
    assert "Refused 2 rows of sharadar/SEP.csv: rows with one key disagree" in done.stdout
    unpriced = "1 of 1 tickers of sp500/membership.csv have no price bars, rows not used: 1, e.g. NO.NE."
    assert unpriced in done.stdout
    assert "Not published: a selected build" in done.stdout
    assert (house.published / "current").resolve() == before


def test_real_without_a_market_says_how(house):
    """`make real` without KAIROS_MARKET stops and says how to set it."""
    environment = {k: v for k, v in house.environment.items() if k != "KAIROS_MARKET"}
    done = subprocess.run(
        [sys.executable, "-m", "kairos.cli", "build", "--real"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "KAIROS_MARKET=" in done.stderr


def test_readme_queries_answer(house):
    """Each SQL example of the README runs on the published marts and gives the columns the README shows."""
    readme = (ROOT / "README.md").read_text()
    examples = re.findall(r"```sql\n(.*?)```\n\n```\n(.*?)```", readme, flags=re.S)
    assert len(examples) >= 3
    for sql, shown in examples:
        with duckdb.connect(str(house.database), read_only=True) as connection:
            answer = connection.sql(sql)
            header = [cell.strip() for cell in shown.splitlines()[1].strip("│").split("│")]
            assert header == answer.columns
            assert answer.fetchall(), sql
