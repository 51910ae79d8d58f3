"""kairos cv against its blocks written out by hand: who is learned from, what is scored, what is written."""

from __future__ import annotations

import json
import pickle
import re

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy import stats

from kairos import executor
from kairos.cli import main
from kairos.cv import MLExperimentConfig, MLModelConfig, date_ics, prepare_ml_dataset, read_panel, run_time_series_cv
from kairos.errors import KairosError
from kairos.families import FAMILIES
from kairos.statistics import newey_west_error

DAYS, NAMES, HORIZON, SPLITS = 90, 12, 5, 4
FACTORS = ["momentum 12-1", "value", "ones"]
RIDGE = MLModelConfig("ridge", {"alpha": 0.1})


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    """Blocks of so few rows are not worth a worker's start."""
    monkeypatch.setenv("KAIROS_WORKERS", "1")


@pytest.fixture(scope="module")
def panel() -> pd.DataFrame:
    """Prices whose returns the first factor foretells; the second is often NULL, the third never varies."""
    rng = np.random.default_rng(0)
    days = pd.bdate_range("2020-01-01", periods=DAYS, tz="UTC")
    signal = rng.normal(size=(DAYS, NAMES)).cumsum(axis=0) * 0.2
    prices = np.exp(np.cumsum(0.004 * np.vstack([np.zeros(NAMES), signal[:-1]]) + rng.normal(0, 0.02, signal.shape), 0))
    label = np.full_like(prices, np.nan)
    label[:-HORIZON] = prices[HORIZON:] / prices[:-HORIZON] - 1
    value = np.where(rng.random(signal.shape) < 0.3, np.nan, rng.normal(size=signal.shape))
    columns = {"fwd_return_5d": label, "momentum 12-1": signal, "value": value, "ones": np.ones_like(value)}
    keys = {"timestamp": np.repeat(days, NAMES), "symbol": np.tile([f"S{i:02}" for i in range(NAMES)], DAYS)}
    return pd.DataFrame(keys | {name: values.ravel() for name, values in columns.items()} | {"sector": "tech"})


def cv(panel, model=RIDGE, **changes) -> dict:
    return run_time_series_cv(panel, MLExperimentConfig(**{"n_splits": SPLITS} | changes), model)


def day_of(panel) -> np.ndarray:
    return panel["timestamp"].dt.normalize().rank(method="dense").to_numpy().astype(int) - 1


def block_starts(days: int = DAYS, splits: int = SPLITS) -> list[int]:
    """Blocks of equal length up to the end."""
    length = days // (splits + 1)
    return [days - (splits - k) * length for k in range(splits)]


def by_hand(panel, train_size=None, standardize=True, lag=0) -> np.ndarray:
    """Medians, standardisation and ridge by the normal equations, block by block."""
    day, label, X = day_of(panel), panel["fwd_return_5d"].to_numpy(), panel[FACTORS].to_numpy()
    out = np.full(len(panel), np.nan)
    starts = block_starts()
    for start, stop in zip(starts, [*starts[1:], DAYS], strict=True):
        end = start - HORIZON - lag  # of days: the label of day end - 1 ends the day before the block
        is_train = (day < end) & (day >= (end - train_size if train_size else 0)) & ~np.isnan(label)
        Z = pd.DataFrame(X).fillna(pd.DataFrame(X[is_train]).median()).to_numpy()
        if standardize:
            scale = Z[is_train].std(axis=0)
            Z = (Z - Z[is_train].mean(axis=0)) / np.where(scale > 0, scale, 1)
        mean, y_mean = Z[is_train].mean(axis=0), label[is_train].mean()
        C = Z[is_train] - mean
        beta = np.linalg.solve(C.T @ C + 0.1 * np.eye(3), C.T @ (label[is_train] - y_mean))
        is_test = (day >= start) & (day < stop)
        out[is_test] = (Z[is_test] - mean) @ beta + y_mean
    return out[~np.isnan(out)]


@pytest.mark.parametrize("train_size", [None, 10])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("lag", [0, 1])
def test_scores_are_those_of_blocks_written_out_by_hand(panel, train_size, standardize, lag):
    shuffled = panel.sample(frac=1, random_state=3)
    found = cv(shuffled, train_size=train_size, standardize=standardize, entry_lag=lag)
    told = found["predictions_df"]
    np.testing.assert_allclose(told["y_pred"], by_hand(panel, train_size, standardize, lag), rtol=1e-8, atol=1e-12)
    expected = panel.iloc[-len(told) :].reset_index(drop=True)
    pd.testing.assert_frame_equal(told[["timestamp", "symbol"]], expected[["timestamp", "symbol"]], check_dtype=False)
    np.testing.assert_array_equal(told["y_true"], expected["fwd_return_5d"])
    assert found["feature_names"] == FACTORS
    assert list(told.columns) == ["timestamp", "symbol", "y_true", "y_pred", "split_index"]


def changed_scores(panel, is_changed, columns=("fwd_return_5d",)) -> set[int]:
    """Blocks whose scores change when these rows say something else."""
    other = panel.copy()
    for column in columns:
        other.loc[is_changed, column] = 3.0
    before, after = cv(panel)["predictions_df"], cv(other)["predictions_df"]
    return set(before["split_index"][before["y_pred"] != after["y_pred"]])


def test_labels_that_reach_into_a_block_are_purged_and_no_others(panel):
    start = block_starts()[0]
    day = day_of(panel)
    assert 0 not in changed_scores(panel, (day >= start - HORIZON) & (day < start))
    assert 0 in changed_scores(panel, day == start - HORIZON - 1)


@pytest.mark.parametrize("rows_a_day", [1, 2])
def test_a_label_over_days_its_symbol_misses_is_purged_by_its_own_end(panel, rows_a_day):
    """S03 pauses for six days around a block's start: its label of eight days before ends inside the block."""
    start = block_starts()[0]
    day, symbol = day_of(panel), panel["symbol"]
    gappy = panel[(symbol != "S03") | (day < start - 3) | (day >= start + 3)]
    if rows_a_day == 2:
        gappy = pd.concat([gappy, gappy.assign(timestamp=gappy["timestamp"] + pd.Timedelta(hours=20))])
    gappy = gappy.sort_values(["timestamp", "symbol"]).reset_index(drop=True)
    day, symbol = day_of(gappy), gappy["symbol"]
    assert 0 not in changed_scores(gappy, (day == start - 8) & (symbol == "S03"))
    assert 0 in changed_scores(gappy, (day == start - 9) & (symbol == "S03"))
    assert 0 in changed_scores(gappy, (day == start - 8) & (symbol == "S04"))


def test_nothing_from_a_block_on_changes_its_estimator(panel):
    """What comes later may be anything; of the block itself only the labels."""
    starts = block_starts()
    day = day_of(panel)
    assert changed_scores(panel, day >= starts[1]) <= {1, 2, 3}
    assert 1 not in changed_scores(panel, day >= starts[1])
    assert {0, 1} & changed_scores(panel, day >= starts[2], ("fwd_return_5d", "value")) == set()


def test_days_are_dates_whatever_the_hours_in_them(panel):
    """Two rows a day of each symbol: blocks and purge count days, and both rows of a day stand in one block."""
    evening = panel.assign(timestamp=panel["timestamp"] + pd.Timedelta(hours=20))
    found = cv(pd.concat([panel, evening]))
    day = found["predictions_df"].groupby(found["predictions_df"]["timestamp"].dt.date)["split_index"]
    assert (day.nunique() == 1).all()
    pd.testing.assert_series_equal(found["metrics_df"]["n_purged"], 2 * cv(panel)["metrics_df"]["n_purged"])


def test_metrics_are_those_of_scipy_and_count_every_row(panel):
    found = cv(panel)
    told = found["predictions_df"]
    ics = date_ics(told)
    for at, rows in told.dropna().groupby("timestamp"):
        assert ics.loc[at, "ic"] == pytest.approx(stats.pearsonr(rows["y_true"], rows["y_pred"])[0], abs=1e-12)
        assert ics.loc[at, "rank_ic"] == pytest.approx(stats.spearmanr(rows["y_true"], rows["y_pred"])[0], abs=1e-12)
    assert found["global_metrics"]["rank_ic"] == pytest.approx(ics["rank_ic"].mean())
    assert found["global_metrics"]["rank_ic_ir"] == pytest.approx(ics["rank_ic"].mean() / ics["rank_ic"].std())
    assert found["global_metrics"]["rank_ic"] > 0.05
    assert found["global_metrics"]["dates"] == told.dropna()["timestamp"].nunique()
    metrics = found["metrics_df"]
    starts = np.array(block_starts())
    np.testing.assert_array_equal(metrics["n_train"], (starts - HORIZON) * NAMES)
    np.testing.assert_array_equal(metrics["n_purged"], HORIZON * NAMES)
    days = panel["timestamp"].drop_duplicates().dt.date.astype(str).tolist()
    assert metrics["test_start"].tolist() == [days[start] for start in starts]
    assert metrics["train_end"].tolist() == [days[start - HORIZON - 1] for start in starts]
    rest = (told["y_true"] - told["y_pred"])[told["split_index"] == 1]
    assert metrics["mse"][1] == pytest.approx((rest**2).mean())


@pytest.mark.parametrize("rows_a_day", [1, 6])
def test_t_takes_every_timestamp_within_the_horizon_for_one(panel, rows_a_day):
    """Six stamps a day say hardly more than one, and so the t of their mean may not be more than twice as high."""
    hours = [panel.assign(timestamp=panel["timestamp"] + pd.Timedelta(hours=4 * k)) for k in range(rows_a_day)]
    found = cv(pd.concat(hours))
    series = date_ics(found["predictions_df"])["rank_ic"].dropna().to_numpy()
    expected = series.mean() / newey_west_error(series, HORIZON * rows_a_day - 1)
    assert found["global_metrics"]["rank_ic_t"] == pytest.approx(expected)
    assert expected == pytest.approx(cv(panel)["global_metrics"]["rank_ic_t"], rel=0.1)


def test_symbols_may_be_categories_in_any_order(panel):
    names = pd.CategoricalDtype(sorted(panel["symbol"].unique(), reverse=True))
    told = cv(panel.assign(symbol=panel["symbol"].astype(names)))["predictions_df"]
    expected = cv(panel)["predictions_df"]
    np.testing.assert_array_equal(told["y_pred"], expected["y_pred"])
    np.testing.assert_array_equal(told["symbol"].astype(str), expected["symbol"])


def test_ties_and_thin_dates():
    at = pd.to_datetime(["2020-01-01"] * 6 + ["2020-01-02"] * 4 + ["2020-01-03"] * 5, utc=True)
    y = np.arange(15.0)
    rows = pd.DataFrame({"timestamp": at, "symbol": "S", "y_true": y, "y_pred": [1, 1, 2, 2, 0, 5, *y[:4], *[1] * 5]})
    ics = date_ics(rows)
    assert ics["rank_ic"].iloc[0] == pytest.approx(stats.spearmanr(y[:6], rows["y_pred"][:6])[0])
    assert list(ics.index.day) == [1, 3]
    assert ics.iloc[1].isna().all()


FEW = {"random_forest": {"n_estimators": 5}, "xgboost": {"n_estimators": 5}, "lightgbm": {"n_estimators": 5}}
REGRESSING = [name for name, family in FAMILIES.items() if "regression" in family.tasks]


@pytest.mark.parametrize("name", REGRESSING)
def test_every_family_that_regresses_is_there_and_the_order_of_blocks_does_not_matter(panel, name, monkeypatch):
    """Blocks may come back in any order from other processes: what goes to them and comes back can be pickled."""

    def backwards(fn, tasks):
        for position in reversed(range(len(tasks))):
            there, task = pickle.loads(pickle.dumps((fn, tasks[position])))
            yield position, pickle.loads(pickle.dumps(there(task)))

    model = MLModelConfig(name, FEW.get(name, {}))
    one = cv(panel, model)
    monkeypatch.setattr(executor, "run", backwards)
    pd.testing.assert_frame_equal(one["predictions_df"], cv(panel, model)["predictions_df"], check_exact=True)
    assert one["column"] == f"ml_alpha_{name}_5d"
    X = np.nan_to_num(panel[FACTORS].to_numpy()[-5:])
    assert np.isfinite(FAMILIES[name].predict("regression", one["last_model"], X)).all()


def test_the_command_writes_the_panel_with_its_alpha_and_metadata(panel, tmp_path, capsys):
    file = tmp_path / "factor_panel_my_etfs_5d_1d.parquet"
    panel.to_parquet(file)
    words = ["cv", "--panel", str(file), "--family", "ridge", "--param", "alpha=0.1", "--n-splits", str(SPLITS)]
    assert main([*words, "--out", str(tmp_path)]) == 0
    out = tmp_path / "ml_alpha_ridge_5d_my_etfs_5d_1d.parquet"
    said = capsys.readouterr().out
    assert "fwd_return_5d from 3 factors: momentum 12-1, value, ones" in said
    assert str(out) in said
    written = pd.read_parquet(out)
    first = block_starts()[0] * NAMES
    assert written["ml_alpha_ridge_5d"][:first].isna().all()
    np.testing.assert_allclose(written["ml_alpha_ridge_5d"][first:], by_hand(panel), rtol=1e-8, atol=1e-12)
    kept = written.drop(columns="ml_alpha_ridge_5d")
    pd.testing.assert_frame_equal(kept, panel, check_dtype=False)
    assert list(written.columns[:3]) == ["timestamp", "symbol", "ml_alpha_ridge_5d"]
    assert str(pq.read_schema(out).field("timestamp").type.tz) == "UTC"
    told = json.loads(out.with_name(f"{out.stem}_metadata.json").read_text())
    assert told["model_config"] == {"model_type": "ridge", "params": {"alpha": 0.1}, "seed": 7}
    assert told["experiment_config"]["feature_cols"] == FACTORS
    assert told["experiment_config"]["label_col"] == "fwd_return_5d"
    assert [block["split_index"] for block in told["metrics"]] == list(range(SPLITS))
    assert told["global_metrics"]["rank_ic"] == pytest.approx(cv(panel)["global_metrics"]["rank_ic"])
    again = tmp_path / "again.parquet"
    assert main([*words, "--out", str(again)]) == 0
    assert again.read_bytes() == out.read_bytes()


def test_a_csv_says_the_same_as_parquet(panel, tmp_path):
    panel.to_csv(tmp_path / "panel.csv", index=False)
    panel.to_parquet(tmp_path / "panel.parquet")
    for kind in ("csv", "parquet"):
        words = ["cv", "--panel", str(tmp_path / f"panel.{kind}"), "--family", "linear", "--n-splits", "3"]
        assert main([*words, "--out", str(tmp_path / f"from_{kind}.parquet")]) == 0
    one, other = (pd.read_parquet(tmp_path / f"from_{kind}.parquet") for kind in ("csv", "parquet"))
    pd.testing.assert_frame_equal(one, other, check_dtype=False)


def test_keys_in_an_index_are_columns_and_numbers_of_rows_no_factor(panel, tmp_path):
    """What pandas writes beside the columns: keys as an index, and the row numbers of a frame that was filtered."""
    keyed, filtered = tmp_path / "keyed.parquet", tmp_path / "filtered.parquet"
    panel.set_index(["timestamp", "symbol"]).to_parquet(keyed)
    panel.sample(frac=1, random_state=5).to_parquet(filtered)
    assert "__index_level_0__" in pq.read_schema(filtered).names
    for file in (keyed, filtered):
        found = cv(read_panel(file))
        assert found["dataset"].features == FACTORS
        np.testing.assert_allclose(found["predictions_df"]["y_pred"], by_hand(panel), rtol=1e-8, atol=1e-12)
    pd.concat([panel, panel[:3]]).set_index(["timestamp", "symbol"]).to_parquet(keyed)
    with pytest.raises(KairosError, match="must stand once; 3 rows repeat one"):
        cv(read_panel(keyed))


def test_labels_and_what_looks_forward_are_no_factors(panel):
    more = panel.assign(fwd_return_20d=0.1, outperform_5d=1, ml_alpha_old_5d=panel["value"])
    dataset = prepare_ml_dataset(more, MLExperimentConfig(label_col="fwd_return_5d"))
    assert (dataset.features, dataset.horizon) == (FACTORS, 5)
    named = MLExperimentConfig("fwd_return_20d", ["ml_alpha_old_5d", "value"])
    dataset = prepare_ml_dataset(more, named)
    assert (dataset.features, dataset.horizon) == (["ml_alpha_old_5d", "value"], 20)


WRONG = [
    (lambda p: p.drop(columns="symbol"), {}, r"needs the columns timestamp \(UTC\) and symbol; symbol is not among"),
    (lambda p: p.iloc[:0], {}, "needs rows; this one has none"),
    (lambda p: p.assign(timestamp=p["timestamp"].dt.tz_localize(None)), {}, r"must be a timestamp in UTC; .*utc=True"),
    (lambda p: p.assign(timestamp=p["timestamp"].dt.tz_convert("Asia/Tokyo")), {}, "UTC; it is .*Tokyo"),
    (lambda p: p.assign(symbol=1), {}, "symbol must be text; it is int64"),
    (lambda p: p.assign(symbol=p["symbol"].mask(p.index == 7)), {}, "never be NULL; they are in 1 rows"),
    (lambda p: pd.concat([p, p[:3]]), {}, "must stand once; 3 rows repeat one, for example S00 on 2020-01-01"),
    (lambda p: p.drop(columns="fwd_return_5d"), {}, "asked for: the only one; found: none. Add it"),
    (lambda p: p.assign(fwd_return_20d=0.0), {}, "found: fwd_return_5d, fwd_return_20d. Name one with --label"),
    (lambda p: p, {"label_col": "fwd_return_9d"}, "asked for: fwd_return_9d; found: fwd_return_5d"),
    (lambda p: p, {"feature_cols": ["vlaue"]}, "asked for: vlaue; there are: momentum 12-1, value, ones"),
    (lambda p: p.assign(fwd_x=0.0), {"feature_cols": ["fwd_x"]}, "do not look forward"),
    (lambda p: p[["timestamp", "symbol", "fwd_return_5d"]], {}, "needs a numeric factor"),
    (
        lambda p: p.assign(value=p["value"].mask(p.index == 7, np.inf)),
        {},
        "value is infinite in 1 rows, e.g. S07 on 2020",
    ),
    (lambda p: p, {"n_splits": 1}, "Splits must be 2 or more .* 90 days in 1 splits"),
    (lambda p: p, {"n_splits": 17}, "leave days to learn from .* 90 days in 17 splits, of which the 5"),
    (lambda p: p, {"train_size": 0}, "at least 1 day; asked for: 0"),
    (lambda p: p.assign(value=np.nan), {"feature_cols": ["value"]}, "every factor NULL in all of them. Use fewer"),
    (lambda p: p.assign(fwd_return_5d=p["fwd_return_5d"].mask(day_of(p) < 40)), {}, "there are 0 labelled rows"),
    (lambda p: p.assign(ml_alpha_ridge_5d=1.0), {}, "panel has a column ml_alpha_ridge_5d, .*--alpha-col"),
]


@pytest.mark.parametrize(("spoil", "changes", "message"), WRONG)
def test_what_cannot_be_used_is_said_with_rule_finding_and_cure(panel, spoil, changes, message):
    with pytest.raises(KairosError, match=message):
        cv(spoil(panel), **changes)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--family", "ridge", "--param", "alpha"], "--param 'alpha': write name=value"),
        (
            ["--family", "ridge", "--param", "alhpa=1"],
            "--param sets 'alhpa', which family 'ridge' does not have; it has alpha",
        ),
        (["--family", "ridge", "--param", "alpha=low"], "--param sets alpha='low', which is not a finite number"),
        (["--family", "rigde"], "Unknown estimator family 'rigde'; known: .*'ridge'"),
        (
            ["--family", "ridge", "--entry-lag", "-20"],
            "The entry lag is 0 sessions or more, asked for: -20.* Correct --entry-lag",
        ),
        (
            ["--family", "logistic"],
            "Family 'logistic' does classification, multiclass; a forward return needs regression",
        ),
        # what only the library knows is said in its words
        (
            ["--family", "ridge", "--param", "alpha=-5"],
            r"Family 'ridge' cannot be fitted on \d+ rows with alpha=-5.0: .*range \[0.0, inf\).*--param",
        ),
        (["--family", "xgboost", "--param", "max_depth=-4"], "max_depth=-4.*: value -4 for Parameter max_depth"),
        (["--family", "lightgbm", "--param", "num_leaves=-3"], r"num_leaves=-3.*: Check failed: \(num_leaves\)"),
        (["--family", "xgboost", "--param", "learning_rate=nan"], "sets learning_rate='nan', which is not a finite"),
    ],
)
def test_what_is_asked_wrongly_is_answered_on_stderr(panel, tmp_path, capsys, words, message):
    file = tmp_path / "panel.parquet"
    panel.to_parquet(file)
    assert main(["cv", "--panel", str(file), *words, "--out", str(tmp_path)]) == 1
    assert re.search(message, capsys.readouterr().err)


def test_a_file_that_is_not_there_or_no_panel(tmp_path, capsys):
    assert main(["cv", "--panel", str(tmp_path / "none.parquet"), "--family", "ridge"]) == 1
    assert "there is no such file" in capsys.readouterr().err
    (tmp_path / "bad.parquet").write_text("no")
    assert main(["cv", "--panel", str(tmp_path / "bad.parquet"), "--family", "ridge"]) == 1
    assert "cannot be read as .parquet" in capsys.readouterr().err


def test_where_nothing_can_be_written_it_is_said(panel, tmp_path, capsys):
    panel.to_parquet(tmp_path / "panel.parquet")
    (tmp_path / "taken").touch()
    words = ["cv", "--panel", str(tmp_path / "panel.parquet"), "--family", "ridge"]
    assert main([*words, "--out", str(tmp_path / "taken/out.parquet")]) == 1
    assert "cannot be written" in capsys.readouterr().err
