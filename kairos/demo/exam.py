"""The exam: how much of the truth's rank IC a learner gets, on the demo market, from what the warehouse can see.

The truth is what the simulator expected (`truth.parquet`, never a source of the warehouse). The reference learner is
scikit-learn's HistGradientBoostingRegressor with default parameters, fitted on the warehouse's panel and folds to the
percentile rank of the forward return among a date's members. It is the yardstick: later learning is judged against its
share of the truth, and neither it nor the market is tuned (docs/decisions/0013-the-demo-market.md).

`python -m kairos.demo.exam WAREHOUSE MARKET` prints the marks; `python -m kairos.demo.sittings FOLDER` writes and
builds the markets of docs/exam.md and prints its tables.
"""

from __future__ import annotations

import itertools
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np

from kairos.sql import literal
from kairos.statistics import newey_west_error

SPECS = {5: "ml_alpha_xgboost_5d_reg", 20: "ml_alpha_ridge_20d"}  # whose folds the reference learner uses
FULL_MONTHS = 24  # a fold is marked when its training window is as long as its spec asks for
LEAST_NAMES = 20
TRUTH, REFERENCE = "truth", "reference learner"
# What the reference learner sees: the features of set kairos_23 and these, and the sector of the date as a number.
FURTHER = ("adv_20", "fundamental_age_days")
ACCOUNTS = {
    "current_ratio": "events.assets_current / nullif(events.liabilities_current, 0)",
    "gross_margin": "events.gross_profit_ttm / nullif(events.revenue_ttm, 0)",
    "debt_to_equity": "events.debt / nullif(events.equity, 0)",
    "asset_growth": "events.assets / nullif(events.assets_year_ago, 0) - 1",
}
ROWS = """
with members as (
    select
        features.*,
        prices.session_index,
        prices.ticker,
        dense_rank() over (order by universe.sector)::double as sector
    from features.features
    inner join intermediate.int_prices as prices using (as_of_date, security_id)
    inner join intermediate.int_universe as universe using (as_of_date, security_id)
    where universe.is_member
)

select
    members.as_of_date,
    members.security_id,
    members.session_index,
    truth.expected_fwd_ret_{h}d as truth,
    labels.fwd_ret_{h}d as label,
    labels.label_end_date_{h}d as label_end_date,
    members.sector,
    {features}
from members
asof left join intermediate.int_fundamental_events as events
    on members.security_id = events.security_id and members.decided_at >= events.known_at
left join labels.labels as labels
    on members.as_of_date = labels.as_of_date and members.security_id = labels.security_id
left join truth on members.as_of_date = truth.date and members.ticker = truth.ticker
order by members.as_of_date, members.security_id
"""


@dataclass(frozen=True)
class Mark:
    """Mean rank IC of a score over the dates of the test windows, and its share of the truth's, with 95% intervals.

    Intervals are Newey-West with a Bartlett kernel of lag horizon - 1 (Newey and West 1987); the share's is the delta
    method's on the paired series.
    """

    who: str
    horizon: int
    dates: int
    rank_ic: float
    low: float
    high: float
    share: float
    share_low: float
    share_high: float


@dataclass(frozen=True)
class Series:
    """Rank ICs of one horizon by date and by who scored; NaN where there is none. `truth` is among them."""

    horizon: int
    dates: np.ndarray  # (D,) datetime64[D]
    ics: dict[str, np.ndarray]  # each (D,)


@dataclass(frozen=True)
class Panel:
    """Member rows of all dates in key order, arrays of length R: dates datetime64[D], X (R, features) with NaN."""

    dates: np.ndarray
    securities: np.ndarray
    session: np.ndarray
    truth: np.ndarray
    label: np.ndarray
    label_end: np.ndarray
    X: np.ndarray


def panel(connection: duckdb.DuckDBPyConnection, market: Path, horizon: int) -> Panel:
    """What the warehouse knows of every member and date, beside the truth of it."""
    connection.execute(f"create or replace temp view truth as from {literal(market / 'truth.parquet')}")
    kairos_23 = connection.execute(
        "select feature_name from seeds.feature_sets where feature_set = 'kairos_23'"
    ).fetchall()
    names = [*(name for (name,) in kairos_23), *FURTHER]
    columns = [f"members.{name}" for name in names] + [f"{sql} as {name}" for name, sql in ACCOUNTS.items()]
    rows = connection.execute(ROWS.format(h=horizon, features=", ".join(columns))).fetchnumpy()
    names += ["sector", *ACCOUNTS]
    value = {name: np.ma.filled(rows[name].astype(float), np.nan) for name in ["truth", "label", *names]}
    ends = np.ma.filled(np.ma.asarray(rows["label_end_date"]), np.datetime64("NaT"))
    return Panel(
        rows["as_of_date"].astype("datetime64[D]"),
        np.ma.getdata(rows["security_id"]),
        np.ma.getdata(rows["session_index"]).astype(np.int64),
        value["truth"],
        value["label"],
        ends.astype("datetime64[D]"),
        np.column_stack([value[name] for name in names]),
    )


def by_date(dates: np.ndarray) -> list[slice]:
    """Slices of equal dates in a sorted column."""
    edges = np.flatnonzero(np.r_[True, dates[1:] != dates[:-1], True])
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


def percentile_ranks(values: np.ndarray, groups: list[slice]) -> np.ndarray:
    """(average rank - 1) / (n - 1) of the values there are, NaN for the rest and for groups under LEAST_NAMES."""
    from scipy.stats import rankdata

    out = np.full(len(values), np.nan)
    for group in groups:
        here = values[group]
        held = np.isfinite(here)
        if held.sum() >= LEAST_NAMES:
            ranks = np.full(len(here), np.nan)
            ranks[held] = (rankdata(here[held]) - 1) / (held.sum() - 1)
            out[group] = ranks
    return out


def reference_scores(connection: duckdb.DuckDBPyConnection, data: Panel, horizon: int) -> np.ndarray:
    """(R,) out-of-sample scores of the reference learner over the test windows of the warehouse's folds, else NaN."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    folds = connection.execute(
        "select window_start_date, train_before_index, labels_settled_before_date, test_start_date, test_end_date,"
        " train_every_sessions from ml.ml_folds inner join seeds.alpha_specs using (alpha_name)"
        " where alpha_name = ? and status = 'fitted' and date_diff('month', train_start_date, test_start_date) >= ?"
        " order by fold_id",
        [SPECS[horizon], FULL_MONTHS],
    ).fetchall()
    target = percentile_ranks(data.label, by_date(data.dates))
    scores = np.full(len(data.dates), np.nan)
    for window, before, settled, start, end, every in folds:
        trained = (data.dates >= np.datetime64(window)) & (data.session < before) & (data.session % every == 0)
        trained &= np.isfinite(target) & (data.label_end < np.datetime64(settled))
        tested = (data.dates >= np.datetime64(start)) & (data.dates <= np.datetime64(end))
        model = HistGradientBoostingRegressor(random_state=0).fit(data.X[trained], target[trained])
        scores[tested] = model.predict(data.X[tested])
    return scores


def rank_ics(scores: np.ndarray, data: Panel) -> np.ndarray:
    """Spearman correlation of score and label per date, NaN under LEAST_NAMES."""
    from scipy.stats import spearmanr

    out = []
    for group in by_date(data.dates):
        a, b = scores[group], data.label[group]
        held = np.isfinite(a) & np.isfinite(b)
        varies = held.sum() >= LEAST_NAMES and np.ptp(a[held]) > 0
        out.append(spearmanr(a[held], b[held]).statistic if varies else np.nan)
    return np.array(out)


def mark(who: str, horizon: int, ics: np.ndarray, truth: np.ndarray) -> Mark:
    """The mark of a series of rank ICs, on the dates on which it and the truth's have one."""
    held = np.isfinite(ics) & np.isfinite(truth)
    ic, best = ics[held], truth[held]
    mean, share = ic.mean(), ic.mean() / best.mean() if best.mean() != 0 else np.nan
    error = newey_west_error(ic, horizon - 1)
    share_error = newey_west_error(ic - share * best, horizon - 1) / abs(best.mean()) if np.isfinite(share) else np.nan
    return Mark(
        who, horizon, int(held.sum()), float(mean), float(mean - 1.96 * error), float(mean + 1.96 * error),
        float(share), float(share - 1.96 * share_error), float(share + 1.96 * share_error),
    )  # fmt: skip


def examine(warehouse: Path, market: Path, horizons: tuple[int, ...] = (5, 20)) -> list[Mark]:
    """Marks of the truth, the reference learner and every alpha of the warehouse at each horizon.

    Args:
        warehouse: DuckDB file with features, labels and folds; alphas are marked where `ml.ml_predictions` exists.
        market: the demo market it was built from.
    """
    return [found for horizon in horizons for found in marks_of(series(warehouse, market, horizon))]


def marks_of(found: Series) -> list[Mark]:
    """The mark of each who scored."""
    return [mark(who, found.horizon, ics, found.ics[TRUTH]) for who, ics in found.ics.items()]


def series(warehouse: Path, market: Path, horizon: int) -> Series:
    """Rank ICs of the truth, the reference learner and every alpha, on the dates of the test
    windows of the reference learner, where there is somebody to compare the others with."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        connection.execute("set enable_progress_bar = false")
        data = panel(connection, market, horizon)
        reference = reference_scores(connection, data, horizon)
        scores = {TRUTH: data.truth, REFERENCE: reference} | alpha_scores(connection, data)
    marked = np.isfinite(reference)
    ics = {who: rank_ics(np.where(marked, values, np.nan), data) for who, values in scores.items()}
    return Series(horizon, np.array([data.dates[group.start] for group in by_date(data.dates)]), ics)


def alpha_scores(connection: duckdb.DuckDBPyConnection, data: Panel) -> dict[str, np.ndarray]:
    """Scores of the warehouse's alphas on the panel's rows, by name; none where it has no predictions."""
    if not connection.execute(
        "select count(*) > 0 from information_schema.tables where table_schema = 'ml' and table_name = 'ml_predictions'"
    ).fetchone()[0]:
        return {}
    names = connection.execute("select distinct alpha_name from ml.ml_predictions order by all").fetchall()
    key = np.rec.fromarrays([data.dates.astype(np.int64), data.securities])
    found = {}
    for (name,) in names:
        rows = connection.execute(
            "select as_of_date, security_id, score from ml.ml_predictions where alpha_name = ? and is_out_of_sample"
            " order by as_of_date, security_id",
            [name],
        ).fetchnumpy()
        theirs = np.rec.fromarrays([
            rows["as_of_date"].astype("datetime64[D]").astype(np.int64), np.ma.getdata(rows["security_id"])
        ])  # fmt: skip
        scores = np.full(len(key), np.nan)
        at = np.searchsorted(key, theirs)
        hit = (at < len(key)) & (key[np.minimum(at, len(key) - 1)] == theirs)
        scores[at[hit]] = np.ma.filled(rows["score"].astype(float), np.nan)[hit]
        found[name] = scores
    return found


def table(marks: list[Mark]) -> str:
    """The marks as Markdown."""
    lines = ["| score | horizon | dates | rank IC (95%) | share of the truth (95%) |", "|---|---:|---:|---|---|"]
    for m in marks:
        ic = f"{m.rank_ic:.4f} ({m.low:.4f} to {m.high:.4f})"
        lines.append(
            f"| {m.who} | {m.horizon} | {m.dates:,} | {ic} | {m.share:.2f} ({m.share_low:.2f} to {m.share_high:.2f}) |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(examine(Path(sys.argv[1]), Path(sys.argv[2]))))
