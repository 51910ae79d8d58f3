"""sharadar/SEP and SFP: prices as a vendor adjusts them, and the simulator's truth about their returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from kairos.demo.columns import join, numbers, repeated
from kairos.demo.history import History, Market


@dataclass(frozen=True)
class Bars:
    """Factors of one company's bars, arrays of length R."""

    splits: np.ndarray  # new shares per share of the first bar
    later_splits: np.ndarray  # product of the splits after the bar
    later_income: np.ndarray  # closeadj over close: product of price / (price + income) of later bars


def adjust(h: History) -> Bars:
    """Factors that take a company's bars to the basis of its last one.

    A dividend or a spin-off lowers every earlier price by price / (price + income) of its ex-date, so that the ratio of
    two adjusted closes is what a holder who reinvested at the close of the ex-date earned.
    """
    cumulated = np.cumprod(h.split)
    kept = h.close / (h.close + h.dividend + h.spin_off_value)
    kept[:1] = 1.0
    later = np.append(np.cumprod(kept[::-1])[::-1][1:], 1.0) if kept.size else kept
    return Bars(cumulated, cumulated[-1:] / cumulated if cumulated.size else cumulated, later)


def prices(days: np.ndarray, histories: list[History], bars: list[Bars]) -> pa.Table:
    """sharadar/SEP: bars on the splits of the file's last date, the close also adjusted for income and as traded."""
    later = join([b.later_splits for b in bars])
    close = join([h.close for h in histories])
    lengths = [h.positions.size for h in histories]
    date = days[join([h.positions for h in histories], int)]
    updated = np.repeat(np.array([days[h.positions[-1]] if h.end else days[-1] for h in histories], "M8[D]"), lengths)
    return pa.table(
        {
            "ticker": repeated([h.ticker for h in histories], lengths),
            "date": date,
            **{name: join([getattr(h, name) for h in histories]) / later for name in ("open", "high", "low")},
            "close": close / later,
            "volume": join([h.volume for h in histories]) * later,
            "closeadj": close / later * join([b.later_income for b in bars]),
            "closeunadj": close,
            "lastupdated": updated,
        }
    )


def truth(days: np.ndarray, histories: list[History]) -> pa.Table:
    """truth.parquet: the expected return over each horizon, by the ticker of the day."""
    symbols, lengths = [], []
    for h in histories:
        starts = np.searchsorted(h.positions, [position for position, _ in h.symbols])
        starts[0] = 0
        symbols += [symbol for _, symbol in h.symbols]
        lengths += list(np.diff(np.append(starts, h.positions.size)))
    expected = np.concatenate([h.expected for h in histories])
    names = [f"expected_fwd_ret_{n}d" for n in (1, 5, 20, 60)]
    return pa.table(
        {"date": days[join([h.positions for h in histories], int)], "ticker": repeated(symbols, lengths)}
        | {name: numbers(expected[:, k]) for k, name in enumerate(names)}
    )


def fund_prices(market: Market) -> pa.Table:
    """sharadar/SFP: SPY and the sector funds, like SEP."""
    tables = []
    for ticker, fund in {"SPY": market.spy, **market.etfs}.items():
        close = fund["close"]
        kept = close / (close + fund["dividend"])
        later = np.append(np.cumprod(kept[::-1])[::-1][1:], 1.0)
        tables.append(
            pa.table(
                {
                    "ticker": repeated([ticker], [close.size]),
                    "date": market.days.astype("datetime64[D]"),
                    **{name: fund[name].astype(float) for name in ("open", "high", "low")},
                    "close": close,
                    "volume": fund["volume"].astype(float),
                    "closeadj": close * later,
                    "closeunadj": close,
                    "lastupdated": np.full(close.size, market.days[-1], "M8[D]"),
                }
            )
        )
    return pa.concat_tables(tables).unify_dictionaries()
