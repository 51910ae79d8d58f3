"""The tape: what is known of every name on every session, as dense arrays (session x name)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from kairos.errors import MarketError

# Sessions without a row after which a security's spell is over (it never trades again under its id).
SPELL_ENDS_AFTER = 60


@dataclass(frozen=True)
class Tape:
    """Sessions x names, names ascending by security_id. NaN before a name's first bar; carried over missing rows.

    Attributes:
        dates: sessions, datetime64[D], shape (sessions,).
        ids: security_id, int64, shape (names,).
        growth: total-return close over that of the session before; 1 where either is not there.
        close: split-adjusted close, the unit in which orders are shares.
        open: split-adjusted open; NaN on a session without a row.
        price: price to show, as traded where known.
        tradable: a fresh bar with volume.
        adv, vol: average daily dollar volume in USD and annual volatility, newest known.
        settles: session at which a holding is paid out, the number of sessions where it never is.
        settlement_return: return on the last price at that session.
        is_delisted: whether that is its delisting; else it merely stopped.
        benchmark, equal_weight: returns of the two benchmarks per session, NaN where unknown.
    """

    dates: np.ndarray
    ids: np.ndarray
    growth: np.ndarray
    close: np.ndarray
    open: np.ndarray
    price: np.ndarray
    tradable: np.ndarray
    adv: np.ndarray
    vol: np.ndarray
    settles: np.ndarray
    settlement_return: np.ndarray
    is_delisted: np.ndarray
    benchmark: np.ndarray
    equal_weight: np.ndarray


def _dates(table: pa.Table, column: str) -> np.ndarray:
    return table[column].to_numpy().astype("datetime64[D]")


def _carried(values: np.ndarray) -> np.ndarray:
    """Values with NaN replaced by the newest one above, column by column."""
    rows = np.where(np.isnan(values), 0, np.arange(len(values))[:, None])
    return np.take_along_axis(values, np.maximum.accumulate(rows, axis=0), axis=0)


def make_tape(bars: pa.Table, delistings: pa.Table, benchmarks: pa.Table) -> Tape:
    """The tape of a market.

    Args:
        bars: as_of_date, security_id, close_total_return, close, open, price_usd, is_tradable, adv_20, vol_21; one row
            per session and name, NULL where unknown.
        delistings: security_id, delisting_known_date, delisting_return of the names that died. A holding is paid out on
            the first session on which the delisting is known, at the last price times (1 + delisting_return).
        benchmarks: as_of_date, benchmark_return, equal_weight_return; one row per session of the market.

    A name that merely stops is paid out at its last price SPELL_ENDS_AFTER sessions after its last row: what trades
    under its ticker later has another security_id.

    Raises:
        MarketError: a row is not on a session of the benchmarks, or a delisting has no return.
    """
    benchmarks = benchmarks.sort_by("as_of_date")
    dates = _dates(benchmarks, "as_of_date")
    ids = np.unique(bars["security_id"].to_numpy())
    shape = (len(dates), len(ids))
    day = np.searchsorted(dates, bar_dates := _dates(bars, "as_of_date"))
    name = np.searchsorted(ids, bars["security_id"].to_numpy())
    if len(day) and (day.max() >= len(dates) or (dates[day] != bar_dates).any()):
        raise MarketError(
            "A bar stands on a date that is no session of the market: pf_tape and pf_benchmarks disagree."
        )

    def dense(column: str) -> np.ndarray:
        values = np.full(shape, np.nan)
        values[day, name] = bars[column].to_numpy(zero_copy_only=False).astype(float)
        return values

    level = _carried(dense("close_total_return"))
    growth = np.ones(shape)
    if len(dates) > 1:
        growth[1:] = level[1:] / level[:-1]
    growth[np.isnan(growth)] = 1.0
    tradable = np.zeros(shape, dtype=bool)
    tradable[day, name] = bars["is_tradable"].to_numpy(zero_copy_only=False).astype(bool)

    settles = np.full(len(ids), len(dates))
    settlement_return = np.zeros(len(ids))
    is_delisted = np.zeros(len(ids), dtype=bool)
    if len(ids) and len(dates):
        # the session at which the last row is SPELL_ENDS_AFTER sessions old
        last_bar = np.zeros(len(ids), dtype=int)
        np.maximum.at(last_bar, name, day)
        settles = np.minimum(last_bar + SPELL_ENDS_AFTER, len(dates))
    known = np.isin(delistings["security_id"].to_numpy(), ids)
    dead = np.searchsorted(ids, delistings["security_id"].to_numpy()[known])
    died = delistings["delisting_return"].to_numpy(zero_copy_only=False).astype(float)[known]
    if np.isnan(died).any():
        lost = ids[dead[np.isnan(died)][0]]
        raise MarketError(f"int_securities: security_id {lost} is delisted without a delisting_return.")
    settles[dead] = np.searchsorted(dates, _dates(delistings, "delisting_known_date")[known])
    settlement_return[dead] = died
    is_delisted[dead] = True

    return Tape(
        dates=dates,
        ids=ids,
        growth=growth,
        close=_carried(dense("close")),
        open=dense("open"),
        price=_carried(dense("price_usd")),
        tradable=tradable,
        adv=_carried(dense("adv_20")),
        vol=_carried(dense("vol_21")),
        settles=settles,
        settlement_return=settlement_return,
        is_delisted=is_delisted,
        benchmark=benchmarks["benchmark_return"].to_numpy(zero_copy_only=False).astype(float),
        equal_weight=benchmarks["equal_weight_return"].to_numpy(zero_copy_only=False).astype(float),
    )
