"""What the quality of dates comes to: means per alpha with their errors, and the test window of a fold as traded."""

from __future__ import annotations

import datetime as dt
import math
from itertools import dropwhile
from typing import Any

import numpy as np
import pyarrow as pa

from kairos.backtest import metrics
from kairos.backtest.costs import SESSIONS_PER_YEAR
from kairos.panel import active_specs, rows_of
from kairos.quality import EVERY_SESSIONS, Grid, best_fifth, centred_ranks
from kairos.schemas import ALPHA_SUMMARIES, FOLD_QUALITY
from kairos.statistics import bootstrap_interval, newey_west_error

# Sessions of a month, for trades a month.
SESSIONS_PER_MONTH = 21
# Numbers of a date that have an interval, and those that are only averaged.
_WITH_INTERVAL = ("rank_ic", "quantile_spread", "rank_ic_beyond_features", "rank_ic_beyond_v8")
_AVERAGED = ("hit_rate", "rank_autocorrelation", "top_turnover")


def summarise_alphas(quality) -> pa.Table:
    """Means over all matured dates: schemas.ALPHA_SUMMARIES ordered by alpha_name, horizon_days.

    quality: the relation ml_alpha_quality. Standard errors are Newey and West's and intervals those of blocks, for the
    returns of neighbouring dates overlap; NULL where a series is too short or does not vary.
    """
    rows = []
    for key, columns in _series(quality, ["alpha_name", "horizon_days", "every_sessions"]).items():
        name, horizon, every = key
        both = ~(np.isnan(columns["ic"]) | np.isnan(columns["rank_ic"]))
        rank_ic = columns["rank_ic"][both]
        row: dict[str, Any] = {"alpha_name": name, "horizon_days": horizon, "every_sessions": every}
        row |= {"dates": int(both.sum()), "share_positive": _mean(rank_ic > 0)}
        for column in ("ic", "rank_ic"):
            row |= _with_errors(column, columns[column][both], overlap(horizon, every))
        row |= {column: _mean(_present(columns[column])) for column in _AVERAGED}
        for column in _WITH_INTERVAL:
            values = _present(columns[column])
            # what is left beyond the features is judged every few sessions, whatever the rest is
            apart = overlap(horizon, EVERY_SESSIONS if "beyond" in column else every)
            row |= _with_interval(column, values, apart)
        rows.append(row)
    rows.sort(key=lambda row: (row["alpha_name"], row["horizon_days"]))
    return pa.Table.from_pylist(rows, schema=ALPHA_SUMMARIES)


def overlap(horizon: int, every: int) -> int:
    """Neighbours in a series of dates, itself included, whose forward returns share a session."""
    return math.ceil(horizon / every)


def fold_quality(alphas, quality, folds, specs, labels, sessions, costs, settings: dict[str, Any]) -> pa.Table:
    """Each fold's test window so far: schemas.FOLD_QUALITY ordered by alpha_name, fold_id.

    Relations: ml_alphas__learned, ml_alpha_quality__learned, ml_folds, alpha_specs, labels, int_sessions, costs;
    settings: entry_lag_sessions. A date belongs to the fold whose test window it lies in, also where that fold was not
    fitted or a fit chosen by hand served; folds before an alpha's first fit have no row. Coefficients are those of the
    alpha's own horizon on matured dates; the rest is the signal alone, see signal_book().
    """
    grid = Grid(alphas, sessions, int(settings["entry_lag_sessions"]))
    if not len(grid.dates):
        return FOLD_QUALITY.empty_table()
    # every return that is known, also of a name whose end became known after the session it was due: a book takes the
    # loss, though a coefficient leaves the name out (Grid.returns)
    next_day = grid.matrices(labels, {"next_day": "fwd_ret_1d"})["next_day"]
    rate = cost_rate(rows_of(costs))
    series = _series(quality.filter("every_sessions = 1"), ["alpha_name", "horizon_days"])
    begun = sorted((f["alpha_name"], f["test_start_date"], f["fold_id"], f["status"]) for f in rows_of(folds))
    active = active_specs(rows_of(specs))
    scored = grid.matrices(alphas, {spec["alpha_name"]: spec["alpha_name"] for spec in active})
    rows = []
    for spec in active:
        name, horizon = spec["alpha_name"], spec["horizon_days"]
        served = list(dropwhile(lambda fold: fold[3] != "fitted", (fold for fold in begun if fold[0] == name)))
        if not served:
            continue
        first_days = np.array([(start - _EPOCH).days for _, start, *_ in served])
        serving = np.searchsorted(first_days, grid.dates, side="right") - 1
        book = signal_book(scored[name], next_day, grid.session_index, horizon, rate)
        known = series.get((name, horizon))
        for k, (_, _, fold_id, _) in enumerate(served):
            row: dict[str, Any] = {"alpha_name": name, "fold_id": fold_id}
            if known:
                row |= _matured(known, np.searchsorted(first_days, known["day"], side="right") - 1 == k, horizon)
            rows.append(row | book_figures({column: values[serving == k] for column, values in book.items()}))
    return pa.Table.from_pylist(rows, schema=FOLD_QUALITY)


def cost_rate(costs: list[dict[str, Any]]) -> float:
    """Cost of a traded dollar for a signal alone: commission and the middle of the half spreads of the seed costs."""
    spreads = [float(row["value"]) for row in costs if row["cost"] == "half_spread"]
    commissions = [float(row["value"]) for row in costs if row["cost"] == "commission"]
    return (sum(commissions) + float(np.median(spreads))) / 1e4


def signal_book(
    scores: np.ndarray, next_day: np.ndarray, session_index: np.ndarray, horizon: int, rate: float
) -> dict[str, np.ndarray]:
    """The signal alone: half of the equity long the best fifth, half short the worst, in equal weights.

    Args:
        scores, next_day: (dates, names), NaN where missing; next_day is the return of the session after the entry, the
            first that a decision of the date earns. A held name without one earns nothing.
        session_index: (dates,); new weights are taken where it is a multiple of the horizon, and held in between.
        rate: cost of a traded dollar.

    Returns:
        Per date (dates,): gross and net return, traded (dollars per dollar of equity) and trades (names that changed
        side). NaN in net and gross where no name has a return yet.
    """
    ranks, has = centred_ranks(scores), ~np.isnan(scores)
    names = has.sum(axis=1)
    sides = best_fifth(ranks, names) & has
    sides = sides.astype(float) - (best_fifth(-ranks, names) & has)
    decides = session_index % horizon == 0
    last = np.maximum.accumulate(np.where(decides, np.arange(len(scores)), -1))
    held = np.where((last >= 0)[:, None], sides[last], 0.0)
    weights = np.zeros(held.shape)
    for side in (1, -1):
        count = (held == side).sum(axis=1, keepdims=True)
        weights += np.where(held == side, side * 0.5 / np.maximum(count, 1), 0)
    before = np.vstack([np.zeros((1, held.shape[1])), weights[:-1]])
    held_before = np.vstack([np.zeros((1, held.shape[1])), held[:-1]])
    traded = np.abs(weights - before).sum(axis=1)
    earned = np.where((~np.isnan(next_day)).any(axis=1), (weights * np.nan_to_num(next_day)).sum(axis=1), np.nan)
    return {
        "gross": earned,
        "net": earned - rate * traded,
        "traded": traded,
        "trades": (held != held_before).sum(axis=1),
    }


def book_figures(days: dict[str, np.ndarray]) -> dict[str, Any]:
    """Figures of a stretch of a signal_book(); NULL without a settled day.

    net_bps: net return of a traded dollar, in basis points. turnover: traded dollars per dollar of equity and year.
    """
    settled = ~np.isnan(days["net"])
    sessions = int(settled.sum())
    if not sessions:
        return {}
    net, gross = days["net"][settled], days["gross"][settled]
    traded = float(days["traded"][settled].sum())
    figures = {
        "sessions": sessions,
        "signal_end_equity": float(np.prod(1 + net)),
        "signal_cagr": metrics.annual_return(net),
        "signal_sharpe": metrics.sharpe(net),
        "signal_gross_sharpe": metrics.sharpe(gross),
        "signal_max_drawdown": metrics.max_drawdown(net),
        "signal_calmar": metrics.calmar(net),
        "signal_trades_per_month": float(days["trades"][settled].sum()) * SESSIONS_PER_MONTH / sessions,
        "signal_turnover": traded * SESSIONS_PER_YEAR / sessions,
        "signal_net_bps": float(net.sum()) / traded * 1e4 if traded > 0 else None,
    }
    return {name: None if value is None or math.isnan(value) else value for name, value in figures.items()}


_EPOCH = dt.date(1970, 1, 1)


def _matured(known: dict[str, np.ndarray], chosen: np.ndarray, horizon: int) -> dict[str, Any]:
    """A fold's means over its matured dates; nothing where it has none."""
    if not chosen.any():
        return {}
    rank_ic = _present(known["rank_ic"][chosen])
    return {
        "ic": _mean(_present(known["ic"][chosen])),
        **_with_interval("rank_ic", rank_ic, horizon),
        "dates": int(chosen.sum()),
        "last_matured_date": _EPOCH + dt.timedelta(days=int(known["matured"][chosen].max())),
        **{
            column: _mean(_present(known[column][chosen])) for column in ("hit_rate", "quantile_spread", "top_turnover")
        },
    }


def _series(quality, keys: list[str]) -> dict[tuple, dict[str, np.ndarray]]:
    """Key -> columns in order of signal_date, NaN for NULL; day and matured are int32 days."""
    names = ["ic", "rank_ic", *_AVERAGED, *_WITH_INTERVAL[1:]]
    days = [
        f"date_diff('day', date '1970-01-01', {c}_date) as {a}" for c, a in (("signal", "day"), ("matured", "matured"))
    ]
    found = quality.order(", ".join([*keys, "signal_date"])).project(", ".join([*keys, *names, *days])).fetchnumpy()
    values = {name: np.ma.filled(found[name], np.nan) for name in names} | {
        name: np.asarray(found[name]) for name in ("day", "matured")
    }
    rows = list(zip(*(np.asarray(found[key]).tolist() for key in keys), strict=True))
    bounds = [i for i in range(len(rows)) if not i or rows[i] != rows[i - 1]]
    stops = [*bounds, len(rows)][1:]
    return {rows[i]: {name: v[i:j] for name, v in values.items()} for i, j in zip(bounds, stops, strict=True)}


def _with_errors(column: str, values: np.ndarray, apart: int) -> dict[str, Any]:
    """Mean, its ratio to the deviation of the dates, and t."""
    if not len(values):
        return {}
    deviation = values.std(ddof=1) if len(values) > 1 else 0.0
    error = newey_west_error(values, apart - 1)
    mean = float(values.mean())
    ratios = {f"{column}_ir": (mean, deviation), f"{column}_t": (mean, error)}
    return {column: mean} | {name: above / below if below > 0 else None for name, (above, below) in ratios.items()}


def _with_interval(column: str, values: np.ndarray, apart: int) -> dict[str, Any]:
    """Mean and the interval that holds it 19 times of 20."""
    if not len(values):
        return {}
    low, high = bootstrap_interval(values, apart)
    return {column: float(values.mean()), f"{column}_low": low, f"{column}_high": high}


def _present(values: np.ndarray) -> np.ndarray:
    return values[~np.isnan(values)]


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None
