"""kairos.summaries and ml_fold_accuracy against pandas and a written-out walk: means, errors, folds, signals alone."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest
import sql_model
from synthetic_learning import business_days

from kairos import summaries
from kairos.backtest import metrics
from kairos.statistics import bootstrap_interval

CALENDAR = business_days(140)
LAG, HORIZON, NAMES = 1, 5, 13
COSTS = [("commission", 1.0), ("half_spread", 15.0), ("half_spread", 3.0), ("half_spread", 1.0), ("impact", 0.1)]
RATE = (1.0 + 3.0) / 1e4


def connection_of(**frames: pd.DataFrame) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    for name, frame in frames.items():
        connection.register("frame", frame)
        dates = [c for c in frame.columns if c.endswith("_date") or c.startswith("label_end_date")]
        replaced = f"replace ({', '.join(f'{c}::date as {c}' for c in dates)})" if dates else ""
        connection.execute(f"create table {name} as select * {replaced} from frame")
    return connection


def make_quality(horizon: int, every: int, dates: int = 130, seed: int = 0) -> pd.DataFrame:
    """Series that remember over their horizon, as those of overlapping returns do."""
    rng = np.random.default_rng([horizon, seed])
    apart = -(-horizon // every)
    shocks = rng.normal(0.02, 0.1, size=(dates + apart, 9))
    series = np.array([shocks[k : k + apart].mean(axis=0) for k in range(dates)])
    columns = ["ic", "rank_ic", "hit_rate", "quantile_spread", "rank_autocorrelation", "top_turnover"]
    frame = pd.DataFrame(series[:, :8], columns=[*columns, "rank_ic_beyond_features", "rank_ic_beyond_v8"])
    frame.loc[np.arange(dates) % 5 > 0, ["rank_ic_beyond_features", "rank_ic_beyond_v8"]] = np.nan
    frame["signal_date"] = CALENDAR[:dates]
    frame["matured_date"] = [CALENDAR[i + LAG + HORIZON] for i in range(dates)]
    return frame.assign(alpha_name="a", horizon_days=horizon, every_sessions=every)


@pytest.mark.parametrize(("horizon", "every"), [(1, 1), (5, 1), (20, 1), (20, 5), (12, 5)])
def test_summaries_equal_the_textbook(horizon, every):
    """Means, ratios and Newey-West t added up term by term, in any order of the rows; dates without IC are out."""
    frame = make_quality(horizon, every)
    frame.loc[40, ["ic", "rank_ic"]] = np.nan
    frame.loc[41, "rank_ic"] = 0.0  # not positive
    other = make_quality(60, 5).assign(alpha_name="b")
    connection = connection_of(quality=pd.concat([frame, other]).sample(frac=1, random_state=1))
    table = summaries.summarise_alphas(connection.table("quality"))
    assert table.column("alpha_name").to_pylist() == ["a", "b"]
    got = table.to_pylist()[0]
    apart = -(-horizon // every)
    assert (got["dates"], got["every_sessions"]) == (129, every)
    assert got["share_positive"] == pytest.approx((frame["rank_ic"].dropna() > 0).mean())
    for name in ("ic", "rank_ic"):
        x = frame[name].dropna().to_numpy()
        d = x - x.mean()
        variance = (d @ d) / len(x)
        for lag in range(1, apart):
            variance += 2 * (1 - lag / apart) * (d[lag:] @ d[:-lag]) / len(x)
        assert got[name] == pytest.approx(x.mean(), rel=1e-9)
        assert got[f"{name}_ir"] == pytest.approx(x.mean() / x.std(ddof=1), rel=1e-9)
        assert got[f"{name}_t"] == pytest.approx(x.mean() / np.sqrt(variance / len(x)), rel=1e-9)
    for name in ("hit_rate", "rank_autocorrelation", "top_turnover", "quantile_spread", "rank_ic_beyond_v8"):
        assert got[name] == pytest.approx(frame[name].mean(), rel=1e-9)
    assert (got["quantile_spread_low"], got["quantile_spread_high"]) == pytest.approx(
        bootstrap_interval(frame["quantile_spread"].to_numpy(), apart)
    )
    beyond = frame["rank_ic_beyond_features"].dropna().to_numpy()
    assert got["rank_ic_beyond_features_low"] == pytest.approx(bootstrap_interval(beyond, -(-horizon // 5))[0])


def make_market(seed: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Scores and the returns of the session after the entry (dates, names), some missing, the last dates' not due."""
    rng = np.random.default_rng(seed)
    scores = np.round(rng.normal(size=(len(CALENDAR), NAMES)), 2)
    returns = 0.002 * scores + 0.01 * rng.normal(size=scores.shape)
    scores[rng.random(scores.shape) < 0.1] = np.nan
    returns[rng.random(scores.shape) < 0.05] = np.nan
    returns[-LAG - 1 :] = np.nan
    return scores, returns


def walked(scores: np.ndarray, returns: np.ndarray, horizon: int) -> pd.DataFrame:
    """The signal alone, one date after the other."""
    held: dict[int, float] = {}
    rows = []
    for t in range(len(scores)):
        target = held
        if t % horizon == 0:
            rank = pd.Series(scores[t]).rank()
            count = rank.notna().sum()
            best, worst = rank.index[rank > count - count // 5], rank.index[rank < count // 5 + 1]
            target = {i: 0.5 / len(best) for i in best} | {i: -0.5 / len(worst) for i in worst}
        names = held.keys() | target.keys()
        traded = sum(abs(target.get(i, 0) - held.get(i, 0)) for i in names)
        trades = sum(np.sign(target.get(i, 0)) != np.sign(held.get(i, 0)) for i in names)
        gross = sum(w * np.nan_to_num(returns[t, i]) for i, w in target.items())
        known = not np.isnan(returns[t]).all()
        rows.append((gross if known else np.nan, gross - RATE * traded if known else np.nan, traded, trades))
        held = target
    return pd.DataFrame(rows, columns=["gross", "net", "traded", "trades"])


@pytest.mark.parametrize(("horizon", "first"), [(1, 0), (5, 0), (5, 2)])
def test_the_signal_alone_is_the_walk_written_out(horizon, first):
    """Where it begins between two decisions, it holds nothing until the next one."""
    scores, returns = make_market()
    got = summaries.signal_book(scores[first:], returns[first:], np.arange(first, len(scores)), horizon, RATE)
    expected = walked(np.where(np.arange(len(scores))[:, None] < first, np.nan, scores), returns, horizon)[first:]
    for column in expected:
        np.testing.assert_allclose(got[column], expected[column], rtol=1e-12, atol=1e-15)


def test_what_was_traded_on_days_without_a_return_yet_counts_with_their_returns():
    days = {"net": [0.01, 0.02, np.nan], "gross": [0.02, 0.03, np.nan], "traded": [1.0, 0.5, 8.0], "trades": [4, 2, 9]}
    got = summaries.book_figures({name: np.array(values) for name, values in days.items()})
    assert got["sessions"] == 2
    assert got["signal_net_bps"] == pytest.approx(200)
    assert got["signal_turnover"] == pytest.approx(1.5 / 2 * 252)
    assert got["signal_trades_per_month"] == pytest.approx(6 / 2 * 21)


def fold_rows() -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray, np.ndarray]:
    """fold_quality of an alpha with two fitted folds, one skipped before and one between, and what it was made from.

    A name that is held dies: its return is known two sessions after it was due.
    """
    scores, returns = make_market()
    dies_at, name = 20, int(np.nanargmax(scores[20]))
    returns[dies_at, name], returns[dies_at + 1 :, name], scores[dies_at + 1 :, name] = -1.0, np.nan, np.nan
    keys = [{"as_of_date": day, "security_id": 7 * name} for day in CALENDAR for name in range(NAMES)]
    ends = [CALENDAR[min(i + LAG + 1, len(CALENDAR) - 1)] for i in range(len(CALENDAR)) for _ in range(NAMES)]
    ends[dies_at * NAMES + name] = CALENDAR[dies_at + LAG + 3]
    starts = [CALENDAR[5], CALENDAR[10], CALENDAR[50], CALENDAR[70]]
    quality = make_quality(HORIZON, 1).iloc[10:]
    quality.loc[60, ["ic", "rank_ic"]] = np.nan  # matured, and without a coefficient
    connection = connection_of(
        alphas=pd.DataFrame(keys).assign(a=np.where(np.arange(len(CALENDAR))[:, None] >= 10, scores, np.nan).ravel()),
        quality=pd.concat([quality, make_quality(20, 5).iloc[10:]]),
        folds=pd.DataFrame(
            {
                "alpha_name": "a",
                "fold_id": ["early", "one", "unfitted", "two"],
                "test_start_date": starts,
                "status": ["skipped", "fitted", "skipped", "fitted"],
            }
        ),
        specs=pd.DataFrame({"alpha_name": ["a", "off"], "horizon_days": HORIZON, "is_active": [True, False]}),
        labels=pd.DataFrame(keys).assign(fwd_ret_1d=returns.ravel(), label_end_date_1d=ends),
        sessions=pd.DataFrame({"session_date": CALENDAR, "session_index": range(len(CALENDAR))}),
        costs=pd.DataFrame(COSTS, columns=["cost", "value"]),
    )
    names = ("alphas", "quality", "folds", "specs", "labels", "sessions", "costs")
    table = summaries.fold_quality(*(connection.table(name) for name in names), {"entry_lag_sessions": LAG})
    return table.to_pandas().set_index("fold_id"), quality, scores, returns


def test_a_folds_figures_are_those_of_its_test_window():
    got, quality, scores, returns = fold_rows()
    assert list(got.index) == ["one", "unfitted", "two"]
    scores[:10] = np.nan
    days = walked(scores, returns, HORIZON)
    for fold, window in (("one", slice(10, 50)), ("unfitted", slice(50, 70)), ("two", slice(70, None))):
        row, stretch = got.loc[fold], days[window].dropna()
        dates = quality[quality["signal_date"].isin(CALENDAR[window])]
        assert row["dates"] == len(dates)
        assert row["last_matured_date"] == dates["matured_date"].max()
        for column in ("ic", "rank_ic", "hit_rate", "quantile_spread", "top_turnover"):
            assert row[column] == pytest.approx(dates[column].mean(), rel=1e-9)
        interval = bootstrap_interval(dates["rank_ic"].dropna().to_numpy(), HORIZON)
        assert (row["rank_ic_low"], row["rank_ic_high"]) == pytest.approx(interval)
        net = stretch["net"].to_numpy()
        assert row["sessions"] == len(net)
        assert row["signal_end_equity"] == pytest.approx(np.prod(1 + net))
        assert row["signal_cagr"] == pytest.approx(metrics.annual_return(net))
        assert row["signal_sharpe"] == pytest.approx(net.mean() / net.std(ddof=1) * np.sqrt(252))
        assert row["signal_gross_sharpe"] > row["signal_sharpe"]
        assert row["signal_max_drawdown"] == pytest.approx(metrics.max_drawdown(net))
        assert row["signal_calmar"] == pytest.approx(metrics.annual_return(net) / -metrics.max_drawdown(net))
        assert row["signal_trades_per_month"] == pytest.approx(stretch["trades"].sum() / len(net) * 21)
        assert row["signal_turnover"] == pytest.approx(stretch["traded"].sum() / len(net) * 252)
        assert row["signal_net_bps"] == pytest.approx(net.sum() / stretch["traded"].sum() * 1e4)


def test_accuracy_counts_the_classes_said_and_come():
    """By the window the rows lie in: one fit serves both, as without retraining."""
    rng = np.random.default_rng(9)
    keys = pd.DataFrame([{"as_of_date": CALENDAR[d], "security_id": s} for d in range(12) for s in range(9)])
    tasks = {"two": "classification", "three": "multiclass", "value": "regression"}
    predictions, outcomes, expected = [], [], {}
    for name, task in tasks.items():
        said = rng.dirichlet([1, 1, 1], size=len(keys))
        frame = keys.assign(alpha_name=name, fold_id="f", score=rng.normal(size=len(keys)))
        frame = frame.assign(prob_up=said[:, 2], prob_flat=np.nan, prob_down=np.nan)
        if task == "multiclass":
            frame = frame.assign(prob_flat=said[:, 1], prob_down=said[:, 0])
            came = rng.integers(0, 3, len(keys))
            classes, label = said.argmax(axis=1), came.astype(float)
        else:
            label = (
                (rng.random(len(keys)) < 0.5).astype(float) if task == "classification" else rng.normal(size=len(keys))
            )
            came = 2 * (label > 0)
            classes = 2 * ((said[:, 2] > 0.5) if task == "classification" else (frame["score"] > 0).to_numpy())
        settled = rng.random(len(keys)) < 0.8
        outcomes.append(keys.assign(alpha_name=name, label_value=np.where(settled, label, np.nan)))
        predictions.append(frame)
        for fold in ("f", "g"):
            chosen = settled & ((frame["as_of_date"] < CALENDAR[7]) == (fold == "f")).to_numpy()
            shares = [(classes[chosen] == k).mean() for k in range(3)]
            right = (classes[chosen] == came[chosen]).mean()
            expected[name, fold] = (chosen.sum(), right, *shares, (came[chosen] == 2).mean())
    connection = connection_of(
        ml_predictions=pd.concat(predictions),
        alpha_specs=pd.DataFrame({"alpha_name": list(tasks), "task": list(tasks.values())}),
        ml_folds=pd.DataFrame(
            [
                {"alpha_name": a, "fold_id": f, "test_start_date": CALENDAR[d]}
                for a in tasks
                for f, d in (("f", 0), ("g", 7))
            ]
        ),
    )
    connection.register("frame", pd.concat(outcomes))
    connection.execute(
        "create table ml_training_rows as select * replace (as_of_date::date as as_of_date,"
        " case when not isnan(label_value) then label_value end as label_value) from frame"
    )
    sql_model.run(connection, "ml/ml_fold_accuracy")
    got = connection.sql("from ml_fold_accuracy").fetchall()
    assert len(got) == 6
    for name, fold, *figures in got:
        assert figures == pytest.approx(expected[name, fold])


def test_a_market_without_alphas_has_no_folds():
    connection = connection_of(
        alphas=pd.DataFrame({"as_of_date": CALENDAR[:1], "security_id": [1], "a": [0.0]}),
        sessions=pd.DataFrame({"session_date": CALENDAR, "session_index": range(len(CALENDAR))}),
    )
    empty = connection.table("alphas").filter("false")
    sessions = connection.table("sessions")
    got = summaries.fold_quality(empty, empty, empty, empty, empty, sessions, empty, {"entry_lag_sessions": LAG})
    assert got.num_rows == 0


def test_a_market_too_short_for_any_quality_has_no_summaries():
    """alpha_v8 speaks there, and nothing of it has matured."""
    quality = connection_of(quality=make_quality(HORIZON, 1)).table("quality").filter("false")
    assert summaries.summarise_alphas(quality).num_rows == 0
    assert summaries._series(quality, ["alpha_name"]) == {}
