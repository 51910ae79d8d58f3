"""kairos export against tables written by hand and joined by pandas."""

from __future__ import annotations

import json
import re
import shlex

import duckdb
import numpy as np
import pandas as pd
import pytest

from kairos.cli import main

DAYS, IDS = pd.bdate_range("2021-03-01", periods=30), [11, 12, 13]


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    """Three members; the third changes its ticker, the first alphas and the last returns are missing."""
    rng = np.random.default_rng(1)
    keys = pd.MultiIndex.from_product([DAYS, IDS], names=["as_of_date", "security_id"]).to_frame(index=False)

    def draw() -> np.ndarray:
        return rng.normal(size=len(keys))

    day = keys["as_of_date"].rank(method="dense").to_numpy() - 1
    changed = np.where((keys["security_id"] == 13) & (day >= 10), "NEW", "T" + keys["security_id"].astype(str))
    outsider = pd.DataFrame({"as_of_date": DAYS, "security_id": 99, "ticker": "OUT"})
    alpha = np.where(day < 8, np.nan, draw())
    return {
        "panel": keys.assign(
            session_index=day, is_member=True, decided_at=keys["as_of_date"], vol_21=draw(), roa=draw()
        ),
        "prices": pd.concat([keys.assign(ticker=changed), outsider]),
        "labels": keys.assign(fwd_ret_5d=np.where(day > 24, np.nan, draw()), fwd_ret_20d=draw()),
        "alphas": keys.assign(ml_alpha_ridge_5d=alpha, ml_alpha_ensemble_20d=alpha, alpha_v8=alpha),
    }


@pytest.fixture
def warehouse(tables, tmp_path, monkeypatch):
    """A warehouse with what the export reads."""
    path = tmp_path / "kairos.duckdb"
    with duckdb.connect(str(path)) as con:
        for schema in ("ml", "intermediate", "labels", "marts", "seeds"):
            con.execute(f"create schema {schema}")
        places = {"panel": "ml.ml_panel", "prices": "intermediate.int_prices", "labels": "labels.labels"}
        for name, place in (places | {"alphas": "ml.ml_alphas"}).items():
            con.register("frame", tables[name].sample(frac=1, random_state=2))
            con.execute(f"create table {place} as select * replace (as_of_date::date as as_of_date) from frame")
        con.execute(
            """create table marts.dim_alphas as from (values ('ml_alpha_ridge_5d', 5), ('ml_alpha_ensemble_20d', 20),
                ('alpha_v8', null)) as a(alpha_name, horizon_days);
            create table seeds.alpha_specs as
                select 'ml_alpha_ridge_5d' as alpha_name, 5 as horizon_days, 'one' as feature_set;
            create table seeds.alpha_params as
                select 'ml_alpha_ridge_5d' as alpha_name, 'alpha' as param, '10' as value;
            create table seeds.feature_sets as select 'one' as feature_set, 'roa' as feature_name;
            create table ml.ml_fits as select 'ml_alpha_ridge_5d' as alpha_name, '2021-03-01' as fold_id, 'f' as fit_id,
                date '2021-03-11' as effective_date, 24 as n_train_rows;
            create table ml.ml_alpha_quality as from (values ('ml_alpha_ridge_5d', 5, 0.1, 0.2),
                ('ml_alpha_ridge_5d', 5, 0.3, 0.4)) as q(alpha_name, horizon_days, ic, rank_ic)"""
        )
    monkeypatch.setenv("KAIROS_DB", str(path))
    monkeypatch.setenv("KAIROS_WORKERS", "1")
    return path


def exported(tmp_path, *words) -> tuple[pd.DataFrame, dict]:
    assert main(["export", *words, "--out", str(tmp_path)]) == 0
    file = tmp_path / f"{words[0]}_common_shares_1d.parquet"
    return pd.read_parquet(file), json.loads(file.with_name(f"{file.stem}_metadata.json").read_text())


@pytest.mark.parametrize(
    ("words", "horizon", "factors"),
    [
        (["ml_alpha_ridge_5d"], 5, ["roa"]),
        (["ml_alpha_ridge_5d", "--horizon", "20"], 20, ["roa"]),
        (["ml_alpha_ensemble_20d"], 20, ["vol_21", "roa"]),
        (["alpha_v8", "--horizon", "5"], 5, ["vol_21", "roa"]),
    ],
)
def test_the_panel_is_what_pandas_joins(warehouse, tables, tmp_path, words, horizon, factors):
    panel, told = exported(tmp_path, *words)
    keys = ["as_of_date", "security_id"]
    joined = tables["panel"].merge(tables["prices"], on=keys).merge(tables["alphas"], on=keys)
    joined = joined.merge(tables["labels"], on=keys)
    joined["timestamp"] = joined["as_of_date"].dt.tz_localize("UTC")
    joined = joined.rename(columns={"ticker": "symbol", f"fwd_ret_{horizon}d": f"fwd_return_{horizon}d"})
    columns = ["timestamp", "symbol", words[0], f"fwd_return_{horizon}d", *factors]
    expected = joined.sort_values(["timestamp", "symbol"])[columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(panel, expected, check_dtype=False)
    assert str(panel["timestamp"].dt.tz) == "UTC"
    assert set(panel["symbol"]) == {"T11", "T12", "T13", "NEW"}
    assert (told["horizon_days"], told["factors"], told["rows"]) == (horizon, factors, 90)
    assert told["rows_with_alpha"] == 66
    assert told["entry_lag_sessions"] == 1


def test_the_metadata_say_how_the_alpha_came_about(warehouse, tmp_path):
    told = exported(tmp_path, "ml_alpha_ridge_5d")[1]
    assert told["model_config"]["params"] == {"alpha": "10"}
    assert [fit["fold_id"] for fit in told["fits"]] == ["2021-03-01"]
    assert told["metrics"]["dates"] == 2
    assert told["metrics"]["ic"] == pytest.approx(0.2)
    assert told["metrics"]["rank_ic_ir"] == pytest.approx(0.3 / np.std([0.2, 0.4], ddof=1))


def test_an_exported_panel_is_one_to_cross_validate_on(warehouse, tmp_path, capsys):
    exported(tmp_path, "alpha_v8", "--horizon", "5")
    file = tmp_path / "alpha_v8_common_shares_1d.parquet"
    words = ["--panel", str(file), "--family", "ridge", "--entry-lag", "1", "--n-splits", "2", "--features", "roa"]
    assert main(["cv", *words, "--out", str(tmp_path / "mine.parquet")]) == 0
    assert pd.read_parquet(tmp_path / "mine.parquet")["ml_alpha_ridge_5d"].notna().sum() == 60


def test_the_command_that_is_said_afterwards_works_for_the_alpha_of_its_own_default_name(warehouse, tmp_path, capsys):
    exported(tmp_path, "ml_alpha_ridge_5d")
    _, _, said = capsys.readouterr().out.partition("Your own fit on it: kairos ")
    assert main([*shlex.split(said), "--n-splits", "2", "--out", str(tmp_path / "mine.parquet")]) == 0
    assert "ml_alpha_own_ridge_5d" in pd.read_parquet(tmp_path / "mine.parquet")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ml_alpha_rigde_5d"], "not in this warehouse; there are: ml_alpha_ridge_5d, ml_alpha_ensemble_20d, alpha_v8"),
        (["alpha_v8"], "alpha_v8 has no horizon of its own. .*--horizon 5"),
        (["alpha_v8", "--horizon", "9"], "no forward return of 9 days; the labels have fwd_ret_5d, fwd_ret_20d"),
    ],
)
def test_what_is_not_there_is_answered_with_what_is(warehouse, tmp_path, capsys, words, message):
    assert main(["export", *words, "--out", str(tmp_path)]) == 1
    assert re.search(message, capsys.readouterr().err)


def test_a_folder_that_cannot_be_written_says_so(warehouse, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["export", "ml_alpha_ridge_5d", "--out", str(tmp_path / "file")]) == 1
    assert re.search(r"ml_alpha_ridge_5d_.*\.parquet cannot be written: .*--out", capsys.readouterr().err)


def test_an_alpha_without_a_value_is_said_to_have_none(warehouse, tmp_path, capsys):
    exported(tmp_path, "ml_alpha_ridge_5d")
    assert "None of" not in capsys.readouterr().out
    with duckdb.connect(str(warehouse)) as con:
        con.execute("update ml.ml_alphas set ml_alpha_ridge_5d = null")
    panel, _ = exported(tmp_path, "ml_alpha_ridge_5d")
    assert panel["ml_alpha_ridge_5d"].isna().all() and len(panel) == 90
    assert "None of the 90 rows has a value of ml_alpha_ridge_5d: marts.fct_folds says" in capsys.readouterr().out


def test_a_market_without_members_leaves_no_empty_panel(warehouse, tmp_path, capsys):
    with duckdb.connect(str(warehouse)) as con:
        con.execute("delete from ml.ml_panel")
    assert main(["export", "ml_alpha_ridge_5d", "--out", str(tmp_path / "out")]) == 1
    assert re.search("no security of this market is a member on any date.*member_universe", capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_a_warehouse_that_is_not_built_to_its_end(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KAIROS_DB", str(tmp_path / "kairos.duckdb"))
    duckdb.connect(str(tmp_path / "kairos.duckdb")).close()
    assert main(["export", "alpha_v8", "--horizon", "5"]) == 1
    assert "is not built to its end" in capsys.readouterr().err
