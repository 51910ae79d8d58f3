"""What the simulator knows about one company: the truth from which vendor files are written.

Positions are indices into the market's sessions (`Market.days`). Prices, dividends and counts are as they were on their
day, before any later split: adjusting them is the vendor's work (kairos/demo/vendors.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

HORIZONS = (1, 5, 20, 60)  # sessions, of the truth


@dataclass(frozen=True)
class Quarters:
    """The statements of a company in order of their period ends; arrays of length Q.

    `items` are USD amounts of the single quarter (flows) or at its end (levels) as first filed; outflows are positive.
    `restated` holds the newest values: equal to `items` where nothing was restated. `shares` counts are on the splits
    of the filing's date. Keys of both: revenue, gross_profit, operating_income, net_income, depreciation,
    operating_cash_flow, capex, dividends_paid, assets, assets_current, liabilities, liabilities_current, debt, cash,
    equity, shares.
    """

    period_end: np.ndarray  # datetime64[D], a month's end
    fiscal_year: np.ndarray
    fiscal_quarter: np.ndarray  # 1 to 4; the 4th is filed with the annual report
    filed: np.ndarray  # datetime64[D], the filing's date
    is_after_close: np.ndarray  # filed in the evening of that date
    amended: np.ndarray  # datetime64[D] of a filing that restates the quarter, NaT = none
    shown_later: (
        np.ndarray
    )  # datetime64[D] on which restated values appear as next year's comparatives only, NaT = none
    items: dict[str, np.ndarray]
    restated: dict[str, np.ndarray]


@dataclass(frozen=True)
class InsiderTrades:
    """Forms 4 of a company; arrays of length K in order of filing."""

    filed: np.ndarray  # datetime64[D]
    traded: np.ndarray  # datetime64[D]
    code: np.ndarray  # P, S open market; A grant, M exercise, F tax, G gift
    shares: np.ndarray  # positive, on the splits of the trade's date
    price: np.ndarray  # USD as traded, 0 for grants and gifts
    owner: np.ndarray  # number of the person within the company, 0 = chief executive
    held_after: np.ndarray  # shares held following the transaction


@dataclass(frozen=True)
class History:
    """One company from its listing to its end or the end of the market; arrays of length R have one entry per bar."""

    number: int
    permaticker: int
    ticker: str  # the vendor's: today's symbol, with a digit where another company has taken it over
    symbols: list[tuple[int, str]]  # (position from which it traded under it, symbol), ascending; the last = today's
    symbol_lost: int | None  # position of the day another company took the symbol over
    name: str
    exchange: str
    category: str
    sectors: list[tuple[int, str, str]]  # (position of the day it was filed, sector, industry), ascending
    snapshot: tuple[str, str]  # today's sector and industry
    fiscal_year_end: int  # month
    end: str | None  # None = trades to the market's end; merger, bankruptcy, regulatory, voluntary
    delisted: int | None  # position of the delisting action: the session after the last bar
    acquirer: int | None  # number of the company that took it over
    spun_off_from: int | None  # number of its former parent
    positions: np.ndarray  # (R,) sessions with a bar; a halt is a hole
    open: np.ndarray  # (R,) as traded, USD
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray  # (R,) shares as traded, whole; 0 on days without a trade
    split: np.ndarray  # (R,) new shares per old taking effect before that bar, 1 = none
    dividend: np.ndarray  # (R,) USD per share as traded that day, ex-date
    spin_off_value: np.ndarray  # (R,) USD per share handed out as shares of a new company
    shares: np.ndarray  # (R,) outstanding, on the splits of the day
    expected: np.ndarray  # (R, 4) truth over HORIZONS
    quarters: Quarters
    insiders: InsiderTrades
    short_dates: np.ndarray  # (S,) positions of settlement dates
    short_shares: np.ndarray  # (S,) shares short on the splits of the day
    holding_dates: np.ndarray  # (H,) datetime64[D] calendar quarter ends
    holding_share: np.ndarray  # (H,) fraction held by institutions
    holders: np.ndarray  # (H,) number of institutions


@dataclass(frozen=True)
class Market:
    """What all companies share."""

    seed: int
    signal: float
    days: np.ndarray  # (T,) datetime64[D], sessions of the market's span
    spy: dict[str, np.ndarray] = field(repr=False)  # open, high, low, close, volume, dividend: (T,)
    etfs: dict[str, dict[str, np.ndarray]] = field(repr=False)  # sector funds by ticker, like spy
    vix: np.ndarray = field(repr=False)  # (T,) close, index points
    size: int = 0  # companies
