"""Trade lists, ad-hoc backtests, their ledger, costs and parameters: what a user sees, mistakes included."""

from __future__ import annotations

import argparse
import csv
import datetime
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from portfolio_market import ROOT, SETTINGS
from scipy import stats

from kairos.backtest import adhoc, rebalance
from kairos.backtest.adhoc import backtest, describe, parse_overrides, project_settings
from kairos.backtest.costs import Costs
from kairos.backtest.parameters import check_settings, check_strategy, configuration_key
from kairos.backtest.schemas import SUMMARIES, WALKS
from kairos.backtest.tape import make_tape
from kairos.backtest.trials import append_trials, read_trials, trial
from kairos.backtest.walks import summarise, summary_of, walk_strategies
from kairos.errors import KairosError, MarketError, OutputError, RuinError, SpecError, StateError


def seed(name: str) -> list[dict]:
    return duckdb.sql(f"from read_csv('{ROOT / 'seeds' / name}.csv')").to_arrow_table().to_pylist()


@pytest.fixture(scope="module")
def built(invented: Path, compiled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The invented warehouse with the portfolio's tables of one strategy in it, as a build leaves it."""
    folder = tmp_path_factory.mktemp("built")
    run = backtest(invented, "kairos_production", settings=SETTINGS, state=folder / "state", target=compiled)
    file = folder / "kairos.duckdb"
    file.write_bytes(invented.read_bytes())
    with duckdb.connect(str(file)) as con:
        for name in ("pf_rebalances", "pf_target_weights", "pf_orders", "pf_trades", "pf_backtest_days", "pf_holdings"):
            con.register("incoming", run.table(name))
            con.execute(f"create table portfolio.{name} as from incoming")
            con.unregister("incoming")
    return file


@pytest.fixture
def adhoc_run(invented, compiled, tmp_path):
    def run(overrides=None, strategy="kairos_production", start=None, end=None, **places):
        places = {"settings": SETTINGS, "state": tmp_path / "state", "target": compiled} | places
        return backtest(places.pop("warehouse", invented), strategy, overrides, start, end, **places)

    return run


# --- trade list


def test_the_trade_list_is_the_newest_decision_in_whole_shares(built):
    trades = rebalance.rebalance(built, "kairos_production")
    with duckdb.connect(str(built), read_only=True) as con:
        newest, fill = con.sql("select max(as_of_date), max(fill_date) from portfolio.pf_rebalances").fetchall()[0]
        orders = con.sql(
            f"""
            select s.ticker, o.* from portfolio.pf_orders as o join intermediate.int_securities as s using (security_id)
            where decided_date = '{newest}'
            """
        ).df()
    assert (trades.date, trades.fill_date) == (newest, fill)
    assert len(trades.trades) + trades.too_small == len(orders) > 50
    by_ticker = orders.set_index("ticker")
    for row in trades.trades:
        order = by_ticker.loc[row["ticker"]]
        assert isinstance(row["shares"], int) and abs(row["shares"] - order["shares"]) <= 0.5
        assert row["side"] == order["side"] and row["side"] in ("buy", "sell")
        assert (row["weight_after"] > row["weight_before"]) == (row["side"] == "buy")
        assert row["value_usd"] == pytest.approx(row["shares"] * order["reference_price_usd"])
        assert row["reason"]
    sides = [row["side"] for row in trades.trades]
    assert sides == sorted(sides, reverse=True)  # sells first: they pay for the buys


def test_the_trade_list_is_printed_and_written(built, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("KAIROS_DB", str(built))
    monkeypatch.setenv("KAIROS_ROOT", str(tmp_path))
    monkeypatch.setenv("KAIROS_MARKET", "markets/mine")
    parser = argparse.ArgumentParser()
    rebalance.add_arguments(parser)
    date = str(rebalance.rebalance(built, "kairos_production").date)
    assert rebalance.main(parser.parse_args(["--strategy", "kairos_production", "--date", date])) == 0
    printed = capsys.readouterr().out
    with (tmp_path / "trades" / "mine" / f"kairos_production_{date}.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == rebalance.COLUMNS
    for row in rows:
        assert any(line.startswith(row["ticker"]) and row["side"] in line for line in printed.splitlines())
    assert "to be filled on" in printed and "rank" in printed and "has passed" not in printed
    assert rebalance.main(parser.parse_args(["--strategy", "kairos_production"])) == 0
    assert "has passed: the market's files have nothing newer" in capsys.readouterr().out


def test_a_trade_list_that_cannot_be_written_leaves_no_part_of_it(built, tmp_path, monkeypatch):
    """Half a list of trades looks like a whole one, and may be sent."""
    trades = rebalance.rebalance(built, "kairos_production")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"kairos_production_.*\.csv cannot be written: .*correct the folder"):
        trades.write(tmp_path / "file" / "mine")
    before = trades.write(tmp_path / "mine").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(csv.DictWriter, "writerows", full)
    with pytest.raises(OutputError, match="No space left"):
        trades.write(tmp_path / "mine")
    assert [path.read_bytes() for path in (tmp_path / "mine").iterdir()] == [before]


def test_a_date_without_a_decision_names_the_nearest(built):
    newest = rebalance.rebalance(built, "kairos_production").date
    with pytest.raises(SpecError, match=r"no decision date of 'kairos_production'; the nearest: \d{4}-") as error:
        rebalance.rebalance(built, "kairos_production", newest - datetime.timedelta(days=1))
    assert str(newest) in str(error.value)
    with pytest.raises(SpecError, match=f"the nearest: {newest}"):
        rebalance.rebalance(built, "kairos_production", datetime.date(2034, 1, 3))


def test_strategies_that_cannot_be_listed(built, tmp_path):
    with pytest.raises(SpecError, match=r"Unknown strategy 'kairos_prod'; known: kairos_50_5d_25vol"):
        rebalance.rebalance(built, "kairos_prod")
    with pytest.raises(SpecError, match="decides nothing in this market"):
        rebalance.rebalance(built, "kairos_75_5d_20vol")
    with pytest.raises(MarketError, match=r"there is no warehouse. Run make build first"):
        rebalance.rebalance(tmp_path / "nowhere.duckdb", "kairos_production")


# --- ad-hoc backtests


def test_overrides_of_the_command_line_are_typed():
    assert parse_overrides(["alpha=alpha_v8", "top_n=50", "target_vol=0.2", "rule=rank_equal"]) == {
        "alpha_name": "alpha_v8",
        "top_n": 50,
        "target_vol": 0.2,
        "portfolio_rule": "rank_equal",
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["top_n"], "write key=value"),
        (["topn=5"], "unknown parameter 'topn'. Did you mean top_n?"),
        (["top_n=5.5"], "top_n must be a whole number, got '5.5'"),
        (["top_n=0"], "top_n must be 1 or more, got '0'"),
        (["target_vol=much"], "target_vol must be a number"),
        (["target_vol=nan"], "target_vol must be a number"),
        (["max_position_pct=3"], "max_position_pct must be above 0 and at most 1, got '3'"),
        (["fill=now"], "fill must be one of next_close, next_open, got 'now'"),
        (["top_n=20", "top_n=30"], "--set 'top_n=30': top_n is given twice"),
    ],
)
def test_overrides_that_cannot_be(words, message):
    with pytest.raises(SpecError) as error:
        parse_overrides(words)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"alpha_name": "alpha_v9"}, "alpha_name='alpha_v9' is not in this warehouse; known: alpha_v8, ml_alpha"),
        ({"portfolio_rule": "rank"}, "portfolio_rule='rank' is not in this warehouse; known: rank_equal, rank_inv"),
        ({"vol_column": "vola"}, "known: resid_vol_63d, vol_20, vol_21, vol_63, vol_blend"),
        ({"vol_column": "adv_20"}, "vol_column='adv_20' is not in this warehouse"),
        ({"vol_column": "market_vol_tercile"}, "vol_column='market_vol_tercile' is not in this warehouse"),
        ({"adv_column": "vol_21"}, "known: adv_20, adv_60."),
        ({"rebalance_offset": 5}, "rebalance_offset must be below rebalance_every (5), got 5"),
        ({"min_adv_usd": 1e15}, "no name was eligible"),
    ],
)
def test_configurations_that_cannot_run(adhoc_run, overrides, message):
    with pytest.raises(SpecError) as error:
        adhoc_run(overrides)
    assert message in str(error.value)


def test_a_period_limits_decisions_and_sessions(adhoc_run):
    start, end = datetime.date(2018, 9, 4), datetime.date(2019, 3, 29)
    run = adhoc_run({"alpha_name": "alpha_v8"}, start=start, end=end)
    assert run.summary["start_date"] >= start and run.summary["end_date"] == end
    whole = adhoc_run({"alpha_name": "alpha_v8"}, start=start)
    # what happened by the end does not depend on where the market ends
    short, long = run.table("pf_backtest_days").to_pandas(), whole.table("pf_backtest_days").to_pandas()
    assert short.equals(long.iloc[: len(short)])
    decisions = whole.table("pf_rebalances")["as_of_date"].to_pylist()
    with pytest.raises(SpecError, match=f"every 5 sessions, .* the nearest: {decisions[-1]}"):
        adhoc_run(start=datetime.date(2031, 1, 2))
    between = {"start": decisions[3] + datetime.timedelta(days=1), "end": decisions[4] - datetime.timedelta(days=1)}
    with pytest.raises(SpecError, match=f"the nearest: {decisions[3]} and {decisions[4]}"):
        adhoc_run(**between)


def test_a_strategy_may_rank_by_an_ensemble(adhoc_run, invented):
    """An ensemble is a mean of ranks of its own, not the score of a member: the book follows it."""
    run = adhoc_run({"alpha_name": "ml_alpha_ensemble_5d"})
    targets = run.connection.sql("from pf_target_weights").df()
    with duckdb.connect(str(invented), read_only=True) as con:
        scores = con.sql("select as_of_date, security_id, ml_alpha_ensemble_5d as score from ml.ml_alphas").df()
    both = targets.merge(scores, on=["as_of_date", "security_id"], suffixes=("", "_there"))
    assert len(both) == len(targets) > 1000
    assert (both["score"] == both["score_there"]).all()


def test_a_try_that_loses_everything_is_a_try(adhoc_run, tmp_path):
    reckless = {"max_gross": 60.0, "target_vol": 60.0, "lambda_tc": 0.0, "max_turnover": 500.0}
    with pytest.raises(RuinError, match=r"lost all its equity on 20\d\d-.*--set"):
        adhoc_run(reckless)
    (row,) = read_trials(tmp_path / "state").to_pylist()
    assert (row["annual_return"], row["max_drawdown"], row["sharpe"]) == (-1.0, -1.0, None)
    assert row["start_date"] < row["end_date"] and row["sessions"] > 1
    assert adhoc_run({"top_n": 60}, end=datetime.date(2018, 8, 31)).summary["n_trials"] == 2


def test_a_warehouse_whose_build_stopped_early_says_so(built, tmp_path, monkeypatch):
    file = tmp_path / "early.duckdb"
    file.write_bytes(built.read_bytes())
    with duckdb.connect(str(file)) as con:
        con.execute("drop table seeds.strategies")
    monkeypatch.setenv("KAIROS_DB", str(file))
    for command in (adhoc, rebalance):
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        with pytest.raises(MarketError, match=r"early.duckdb: its last build did not get as far .*Run make build"):
            command.main(parser.parse_args(["--strategy", "kairos_production"]))


def test_places_that_are_not_there(adhoc_run, tmp_path):
    with pytest.raises(MarketError, match="there is no warehouse"):
        adhoc_run(warehouse=tmp_path / "none.duckdb")
    with pytest.raises(MarketError, match=r"no compiled SQL of pf_alpha_scores. Run make build first"):
        adhoc_run(target=tmp_path)


def test_a_run_is_described_and_goes_into_the_ledger_once(adhoc_run, tmp_path):
    end = datetime.date(2018, 8, 31)
    run = adhoc_run({"top_n": 60}, end=end)
    text = describe(run, {"top_n": 60})
    assert "kairos_production (top_n=60)" in text and "survivorship bias       yes" in text
    assert run.summary["n_trials"] == 1
    adhoc_run({"top_n": 60}, end=end)
    assert len(read_trials(tmp_path / "state")) == 1
    assert adhoc_run({"top_n": 60}, "kairos_75_5d_25vol", end=end).summary["n_trials"] == 1  # the same configuration
    assert adhoc_run({"top_n": 61, "fill": "next_open"}, end=end).summary["n_trials"] == 2


def test_the_command_prints_its_summary(invented, compiled, monkeypatch, tmp_path, capsys):
    for name, value in {
        "KAIROS_DB": invented,
        "KAIROS_ROOT": tmp_path,
        "KAIROS_STATE": tmp_path / "state",
        "KAIROS__FINANCING_BPS": "75",
    }.items():
        monkeypatch.setenv(name, str(value))
    (tmp_path / "target").symlink_to(compiled)
    (tmp_path / "dbt_project.yml").write_text((ROOT / "dbt_project.yml").read_text())
    assert project_settings()["financing_bps"] == 75
    parser = argparse.ArgumentParser()
    adhoc.add_arguments(parser)
    args = ["--strategy", "kairos_50_5d_25vol", "--set", "alpha=alpha_v8", "target_vol=0.2", "--end", "2019-03-29"]
    assert adhoc.main(parser.parse_args(args)) == 0
    printed = capsys.readouterr().out
    assert "alpha_name=alpha_v8, target_vol=0.2" in printed and "to 2019-03-29" in printed
    with pytest.raises(KairosError, match="is after --end"):
        adhoc.main(parser.parse_args([*args, "--start", "2020-01-02"]))
    with pytest.raises(SystemExit):
        parser.parse_args(["--strategy", "x", "--start", "01/02/2020"])
    assert "a date is written YYYY-MM-DD" in capsys.readouterr().err


# --- ledger


def test_a_ledger_that_cannot_be_read_says_which_file(tmp_path):
    row = trial("k", {"top_n": 5}, {"sharpe": 1.0, "sessions": 3})
    assert append_trials(tmp_path, [row, row]) == 1
    assert append_trials(tmp_path, [row]) == 0
    (file,) = (tmp_path / "backtest_trials").iterdir()
    pq.write_table(pa.table({"x": [1]}), file.with_name("other.parquet"))
    with pytest.raises(StateError, match=r"other.parquet: backtest_trials cannot be read"):
        read_trials(tmp_path)


# --- parameters and costs


def test_every_strategy_of_the_seed_is_well_formed_and_two_are_one_configuration():
    keys = {
        row["strategy"]: configuration_key(check_strategy(row), check_settings(SETTINGS)) for row in seed("strategies")
    }
    assert keys["kairos_production"] == keys["kairos_75_5d_25vol"]
    assert len(set(keys.values())) == len(keys) - 1
    with pytest.raises(SpecError, match=r"strategy 'kairos_production': no value for target_vol, lambda_tc"):
        check_strategy(seed("strategies")[0] | {"target_vol": None, "lambda_tc": None})


def test_costs_of_the_seed_are_those_of_the_formula():
    costs = Costs.of_seed(seed("costs"), 150)
    value, adv, vol = np.array([1e5, 1e5, 4e6, 1e5]), np.array([2e6, 5e6, 3e9, np.nan]), np.array([0.4, 0.2, 0.3, 0.3])
    commission, spread, impact = costs.of_trades(value, adv, vol)
    np.testing.assert_allclose(commission, value * 1e-4)
    np.testing.assert_allclose(spread, value * np.array([15, 7, 0.5, 15]) * 1e-4)
    expected = 0.1 * vol / np.sqrt(252) * np.sqrt(value / adv) * value
    np.testing.assert_allclose(impact[:3], expected[:3])
    assert impact[3] == 0
    assert (costs.borrow_per_year, costs.financing_per_year) == pytest.approx((0.005, 0.015))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: [row for row in rows if row["cost"] != "impact"], "no row of cost 'impact'"),
        (lambda rows: [*rows, rows[0]], "one row per bucket"),
        (lambda rows: [rows[0] | {"value": -1.0}, *rows[1:]], "not below 0"),
        (lambda rows: [*rows, rows[0] | {"min_adv_usd": 5.0}], "'commission' does not depend on ADV"),
    ],
)
def test_a_cost_seed_that_cannot_be(change, message):
    with pytest.raises(SpecError, match=message):
        Costs.of_seed(change(seed("costs")), 150)


# --- tape


def bars(rows: list[tuple]) -> pa.Table:
    names = ["as_of_date", "security_id", "close_total_return", "open", "close", "price_usd", "is_tradable"]
    columns = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    return pa.table(columns | {"adv_20": [1e6] * len(rows), "vol_21": [None] * len(rows)})


def sessions(n: int) -> list[datetime.date]:
    return [datetime.date(2020, 1, 1) + datetime.timedelta(days=i) for i in range(n)]


def test_the_tape_carries_over_missing_rows_and_settles_what_ends():
    days = sessions(70)
    benchmarks = pa.table({"as_of_date": days, "benchmark_return": [0.0] * 70, "equal_weight_return": [0.0] * 70})
    rows = [(day, 5, 10.0 + i, 10.0, 10.0, 20.0, True) for i, day in enumerate(days) if i not in (3, 4)]
    rows += [(day, 9, 10.0, 10.0, 10.0, 10.0, True) for day in days[:5]]
    rows += [(day, 7, 10.0, 10.0, 10.0, 10.0, True) for day in days[:20]]
    dead = pa.table({"security_id": [7, 99], "delisting_known_date": [days[40]] * 2, "delisting_return": [-0.3, -1.0]})
    tape = make_tape(bars(rows), dead, benchmarks)
    assert tape.ids.tolist() == [5, 7, 9]
    assert tape.growth[3:6, 0].tolist() == [1.0, 1.0, 15 / 12]
    assert tape.tradable[2:6, 0].tolist() == [True, False, False, True]
    assert tape.settles.tolist() == [70, 40, 64]
    assert tape.settlement_return.tolist() == [0.0, -0.3, 0.0]
    assert tape.is_delisted.tolist() == [False, True, False]
    assert np.isnan(tape.open[10, 2]) and tape.close[10, 2] == 10.0
    with pytest.raises(MarketError, match="no session of the market"):
        make_tape(bars([(datetime.date(2021, 1, 1), 5, 1.0, 1.0, 1.0, 1.0, True)]), dead, benchmarks)
    lost = dead.set_column(2, "delisting_return", pa.array([None, None], pa.float64()))
    with pytest.raises(MarketError, match="security_id 7 is delisted without"):
        make_tape(bars(rows), lost, benchmarks)


def test_the_newest_is_carried_and_there_is_nothing_before_the_first_bar():
    days, level = sessions(6), {"price_usd": [20.0, 30.0], "adv_20": [1e6, 2e6], "vol_21": [0.2, 0.3]}
    table = bars([(days[2], 3, 10.0, 10.0, 10.0, 20.0, True), (days[3], 3, 11.0, 10.0, 10.0, 30.0, True)])
    for name in ("adv_20", "vol_21"):
        table = table.set_column(table.column_names.index(name), name, pa.array(level[name]))
    benchmarks = pa.table({"as_of_date": days, "benchmark_return": [0.0] * 6, "equal_weight_return": [0.0] * 6})
    nobody = empty(security_id=pa.int64(), delisting_known_date=pa.date32(), delisting_return=pa.float64())
    tape, nan = make_tape(table, nobody, benchmarks), np.nan
    for name, (first, second) in zip(("price", "adv", "vol"), level.values(), strict=True):
        np.testing.assert_array_equal(getattr(tape, name)[:, 0], [nan, nan, first, second, second, second])
    np.testing.assert_array_equal(tape.open[:, 0], [nan, nan, 10, 10, nan, nan])
    np.testing.assert_allclose(tape.growth[:, 0], [1, 1, 1, 1.1, 1, 1])
    assert tape.tradable[:, 0].tolist() == [False, False, True, True, False, False]


# --- walks


def empty(**columns: pa.DataType) -> pa.Table:
    return pa.schema(list(columns.items())).empty_table()


def test_a_market_without_scores_has_empty_backtests(tmp_path):
    """A market too short for a fold builds, with nothing in it."""
    day, number, key, text = pa.date32(), pa.float64(), pa.int64(), pa.string()
    strategies = pa.Table.from_pylist(seed("strategies"))
    measures = ("close_total_return", "open", "close", "price_usd", "adv_20", "vol_21")
    walks = walk_strategies(
        strategies=strategies,
        target_weights=empty(as_of_date=day, strategy=text, security_id=key, target_weight=number),
        bars=empty(as_of_date=day, security_id=key, is_tradable=pa.bool_(), **dict.fromkeys(measures, number)),
        delistings=empty(security_id=key, delisting_known_date=day, delisting_return=number),
        benchmarks=pa.table(
            {"as_of_date": sessions(3), "benchmark_return": [None, 0.1, 0.0], "equal_weight_return": [None] * 3}
        ),
        costs=pa.Table.from_pylist(seed("costs")),
        settings=SETTINGS,
    )
    assert walks.schema == WALKS and len(walks) == 0
    summaries = summarise(strategies, walks, empty(strategy=text, gain_usd=number), SETTINGS, tmp_path)
    assert summaries.schema == SUMMARIES and len(summaries) == 0
    assert len(read_trials(tmp_path)) == 0


def test_strategies_of_one_configuration_have_one_backtest_and_inactive_ones_none(adhoc_run):
    """Three rows of the seed over the same targets: two that differ by name only, and one that is switched off."""
    run = adhoc_run(end=datetime.date(2018, 8, 31))
    con, end = run.connection, datetime.date(2018, 8, 31)
    row = con.sql("from strategies").to_arrow_table().to_pylist()[0]
    rows = [row, row | {"strategy": "twin"}, row | {"strategy": "off", "is_active": False}]
    own = con.sql("from pf_target_weights")
    targets = [own.select(f"* replace ('{name}' as strategy)") for name in ("kairos_production", "twin", "off")]
    walks = walk_strategies(
        strategies=pa.Table.from_pylist(rows),
        target_weights=pa.concat_tables([table.to_arrow_table() for table in targets]),
        bars=con.sql(f"from pf_tape where as_of_date <= '{end}'").to_arrow_table(),
        delistings=empty(security_id=pa.int64(), delisting_known_date=pa.date32(), delisting_return=pa.float64()),
        benchmarks=con.sql("from pf_benchmarks").to_arrow_table(),
        costs=pa.Table.from_pylist(seed("costs")),
        settings=SETTINGS,
    )
    assert set(walks["strategy"].to_pylist()) == {"kairos_production", "twin"}
    one, twin = (
        walks.filter(pc.field("strategy") == name).drop_columns("strategy") for name in ("kairos_production", "twin")
    )
    assert one.equals(twin)
    # bars of names that were never held were given here and left out there
    assert one.equals(run.table("pf_backtest_walks").drop_columns("strategy").cast(one.schema))


def test_each_figure_of_a_bottom_line_is_of_its_own_series():
    """Against NumPy: net, gross and the two benchmarks differ, and so does what is said of each."""
    rng = np.random.default_rng(3)
    names = ("net_return", "gross_return", "turnover", "benchmark_return", "equal_weight_return")
    series = {name: rng.normal(0.001 * k, 0.01, 300) for k, name in enumerate(names)}
    days = pa.table({"as_of_date": sessions(300), "strategy": ["s"] * 300} | series)
    got = summary_of(days, np.array([1.0, 0.0, -2.0, 5.0]))

    def sharpe(name: str) -> float:
        return pytest.approx(series[name].mean() / series[name].std(ddof=1) * np.sqrt(252))

    def annual(name: str) -> float:
        return pytest.approx(np.prod(1 + series[name]) ** (252 / 300) - 1)

    curve = np.cumprod(np.append(1, 1 + series["net_return"]))
    fall = (curve / np.maximum.accumulate(curve) - 1).min()
    ratio = series["net_return"].mean() / series["net_return"].std(ddof=1)
    skew, kurtosis = stats.skew(series["net_return"]), stats.kurtosis(series["net_return"], fisher=False)
    by_day = pd.Series(1 + series["net_return"], pd.DatetimeIndex(sessions(300)))[1:]
    weeks = by_day.resample("W-SUN").prod()  # sessions() has a session on every day of the week
    assert got == {
        "start_date": sessions(300)[0],
        "end_date": sessions(300)[-1],
        "sessions": 300,
        "annual_return": annual("net_return"),
        "annual_vol": pytest.approx(series["net_return"].std(ddof=1) * np.sqrt(252)),
        "sharpe": sharpe("net_return"),
        "max_drawdown": pytest.approx(fall),
        "calmar": pytest.approx((np.prod(1 + series["net_return"]) ** (252 / 300) - 1) / -fall),
        "annual_turnover": pytest.approx(series["turnover"].mean() * 252),
        "win_rate": pytest.approx((weeks > 1).mean()),
        "hit_rate": 0.5,
        "positions": 4,
        "gross_annual_return": annual("gross_return"),
        "gross_sharpe": sharpe("gross_return"),
        "psr": pytest.approx(
            stats.norm.cdf(ratio * np.sqrt(299) / np.sqrt(1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2))
        ),
        "benchmark_annual_return": annual("benchmark_return"),
        "benchmark_sharpe": sharpe("benchmark_return"),
        "equal_weight_annual_return": annual("equal_weight_return"),
        "equal_weight_sharpe": sharpe("equal_weight_return"),
    }


def walks_of(strategies: list[dict], targets: list[tuple], days: int, ids: tuple[int, ...] = (5,)) -> pa.Table:
    """walk_strategies over names whose prices stand still; targets are (session, strategy, name, weight)."""
    dates = sessions(days)
    number = pa.float64()
    return walk_strategies(
        strategies=pa.Table.from_pylist(strategies),
        target_weights=pa.table(
            {
                "as_of_date": [dates[i] for i, *_ in targets],
                "strategy": [name for _, name, *_ in targets],
                "security_id": [key for *_, key, _ in targets],
                "target_weight": pa.array([weight for *_, weight in targets], number),
            }
        ),
        bars=bars([(day, key, 10.0, 10.0, 10.0, 10.0, True) for key in ids for day in dates]),
        delistings=empty(security_id=pa.int64(), delisting_known_date=pa.date32(), delisting_return=number),
        benchmarks=pa.table(
            {
                "as_of_date": dates,
                "benchmark_return": pa.array([0.01 * (i + 1) for i in range(days)], number),
                "equal_weight_return": pa.array([-0.01 * (i + 1) for i in range(days)], number),
            }
        ),
        costs=pa.Table.from_pylist(seed("costs")),
        settings=SETTINGS,
    )


def test_a_walk_begins_with_its_first_decision_as_its_benchmarks_do():
    row = seed("strategies")[0] | {"is_active": True}
    walks = walks_of([row], [(2, row["strategy"], 5, 0.5)], 6)
    assert walks["as_of_date"].to_pylist() == sessions(6)[2:]
    assert walks["benchmark_return"].to_pylist() == pytest.approx([0, 0.04, 0.05, 0.06])
    assert walks["equal_weight_return"].to_pylist() == pytest.approx([0, -0.04, -0.05, -0.06])
    assert walks["net_return"][0].as_py() == 0
    sides = [[trade["side"] for trade in day] for day in walks["trades"].to_pylist()]
    assert sides == [[], ["buy"], [], []]
    (trade,) = walks["trades"].to_pylist()[1]
    assert (trade["decided_date"], trade["reason"], trade["security_id"]) == (sessions(6)[2], "enter", 5)


def test_a_target_of_a_name_without_bars_is_refused():
    row = seed("strategies")[0] | {"is_active": True}
    with pytest.raises(MarketError, match="names a security or a date that pf_tape does not have"):
        walks_of([row], [(2, row["strategy"], 5, 0.5), (2, row["strategy"], 6, 0.5)], 6, ids=(5, 7))


def test_configurations_are_counted_once_whatever_the_samples_they_ran_on(tmp_path):
    row = seed("strategies")[0] | {"is_active": True}
    key = configuration_key(check_strategy(row), check_settings(SETTINGS))
    outcome = {"start_date": sessions(1)[0], "end_date": sessions(1)[0], "sessions": 1} | dict.fromkeys(
        ("annual_return", "annual_vol", "sharpe", "max_drawdown"), 0.5
    )
    append_trials(tmp_path, [trial(key, {}, outcome | {"sharpe": x}) for x in (1.0, 2.0)] + [trial("k", {}, outcome)])
    days = walks_of([row], [(0, row["strategy"], 5, 0.5)], 6).select(
        ["as_of_date", "strategy", "net_return", "gross_return", "turnover", "benchmark_return", "equal_weight_return"]
    )
    positions = pa.table({"strategy": [row["strategy"]], "gain_usd": [1.0]})
    (ordered,), (shuffled,) = (
        summarise(pa.Table.from_pylist([row]), table, positions, SETTINGS, tmp_path).to_pylist()
        for table in (days, days.take([3, 1, 5, 0, 2, 4]))
    )
    assert ordered["n_trials"] == 2
    assert len(read_trials(tmp_path)) == 4  # of the two, one ran on three samples
    assert shuffled == ordered
    assert (ordered["start_date"], ordered["end_date"]) == (sessions(6)[0], sessions(6)[-1])
