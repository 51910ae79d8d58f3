"""From what the simulator knows to the files a user would have: pyarrow tables in the vendors' own layouts.

`files_of` writes the tables of one group of companies; `whole_market_files` those that need all groups or none. Nothing
here depends on how many groups there are or who computes them: what is random about a company comes from a generator
seeded by (seed, company, purpose). The defects of real files are made here and nowhere else: fields that are missing,
share counts out by a million, duplicated and misdated insider lines, revised short positions, ends without a cause.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from kairos.demo.columns import join, random, repeated
from kairos.demo.history import History, Market
from kairos.demo.holders import insider_rows, short_rows
from kairos.demo.prices import adjust, fund_prices, prices, truth
from kairos.demo.statements import Statements, daily, statement_rows

GROUP_TABLES = (
    "sharadar/SEP", "sharadar/DAILY", "sharadar/SF1", "sharadar/SF2", "sharadar/SECTORS", "finra/short_interest",
    "truth",
)  # fmt: skip
ENDS_WITHOUT_A_CAUSE = 0.06
SCALES = ("1 - Nano", "2 - Micro", "3 - Small", "4 - Mid", "5 - Large", "6 - Mega")
SCALE_LIMITS_USD = (50e6, 300e6, 2e9, 10e9, 200e9)
SIC = {  # sector: (code, division, industry, industry of Fama and French)
    "Technology": ("7372", "Services", "Services-Prepackaged Software", "Business Services"),
    "Healthcare": ("2834", "Manufacturing", "Pharmaceutical Preparations", "Pharmaceutical Products"),
    "Industrials": ("3560", "Manufacturing", "General Industrial Machinery & Equipment", "Machinery"),
    "Consumer Cyclical": ("5651", "Retail Trade", "Retail-Family Clothing Stores", "Retail"),
    "Consumer Defensive": ("2000", "Manufacturing", "Food And Kindred Products", "Food Products"),
    "Energy": ("1311", "Mining", "Crude Petroleum & Natural Gas", "Petroleum and Natural Gas"),
    "Basic Materials": ("2800", "Manufacturing", "Chemicals & Allied Products", "Chemicals"),
    "Utilities": (
        "4911", "Transportation Communications Electric Gas And Sanitary Service", "Electric Services", "Utilities",
    ),
    "Financial Services": ("6022", "Finance Insurance And Real Estate", "State Commercial Banks", "Banking"),
    "Real Estate": ("6798", "Finance Insurance And Real Estate", "Real Estate Investment Trusts", "Trading"),
    "Communication Services": (
        "4813", "Transportation Communications Electric Gas And Sanitary Service", "Telephone Communications",
        "Communication",
    ),
}  # fmt: skip
PLACES = (
    "California; U.S.A", "Texas; U.S.A", "New York; U.S.A", "Florida; U.S.A", "Massachusetts; U.S.A", "Illinois; U.S.A",
    "Ohio; U.S.A", "Georgia; U.S.A", "Washington; U.S.A", "Ireland",
)  # fmt: skip
CAUSES = {
    "bankruptcy": "bankruptcyliquidation",
    "regulatory": "regulatorydelisting",
    "voluntary": "voluntarydelisting",
}
FUND_HOLDINGS = ("cll", "put", "wnt", "dbt", "prf", "fnd", "und")  # what institutions hold beside shares
BASIS = ("sharadar/SEP", "sharadar/SFP")  # adjusted to the splits of the market's last session; all else is as reported
VIX_BAR = {"OPEN": 1.0, "HIGH": 1.03, "LOW": 0.97, "CLOSE": 1.0}


@dataclass(frozen=True)
class Company:
    """What the tables of the whole market need to know about one company of a group."""

    number: int
    permaticker: str
    ticker: str
    name: str
    exchange: str
    category: str
    snapshot: tuple[str, str]
    related: str
    first: np.datetime64
    last: np.datetime64
    quarters: tuple[np.datetime64, np.datetime64] | None  # first and last period end
    largest_usd: float
    largest_revenue_usd: float
    is_delisted: bool
    location: str
    first_open: float
    spun_off_from: int | None
    acquirer: int | None
    value_musd: float  # at its last bar
    actions: list[tuple] = field(repr=False)  # (date, action, value, contraticker)
    end: tuple | None  # (date, action) of what ended it, None = alive or not said
    spin_offs: list[tuple]  # (date, USD per share) handed out
    holdings: tuple = field(repr=False)  # arrays: quarter end, holders, units, value in USD


@dataclass(frozen=True)
class Group:
    """The tables of one group of companies by file name, and its companies."""

    tables: dict[str, pa.Table]
    companies: list[Company]


def files_of(market: Market, histories: list[History]) -> Group:
    """Write the tables of a group of companies.

    Args:
        market: sessions, seed.
        histories: the group's companies in the order in which their rows shall stand.

    Returns:
        Tables by file name below the market's folder (sharadar/SEP, DAILY, SF1, SF2, SECTORS, finra/short_interest,
        truth) with rows in order of company and date, and what `whole_market_files` needs of each company.
    """
    days = market.days.astype("datetime64[D]")
    bars = [adjust(history) for history in histories]
    statements = Statements.of(market, histories)
    tables = {  # GROUP_TABLES
        "sharadar/SEP": prices(days, histories, bars),
        "sharadar/DAILY": daily(days, histories, bars, statements),
        "sharadar/SF1": statement_rows(days, histories, bars, statements),
        "sharadar/SF2": insider_rows(market, histories),
        "sharadar/SECTORS": sector_rows(days, histories),
        "finra/short_interest": short_rows(market, histories, bars),
        "truth": truth(days, histories),
    }
    return Group(tables, [company(market, h, statements, place) for place, h in enumerate(histories)])


def sector_rows(days: np.ndarray, histories: list[History]) -> pa.Table:
    """sharadar/SECTORS: sector and industry from the day they were filed."""
    lengths = [len(h.sectors) for h in histories]
    return pa.table(
        {
            "ticker": repeated([h.ticker for h in histories], lengths),
            "date": days[np.array([position for h in histories for position, _, _ in h.sectors], dtype=int)],
            "sector": [sector for h in histories for _, sector, _ in h.sectors],
            "industry": [industry for h in histories for _, _, industry in h.sectors],
        }
    )


def company(market: Market, h: History, s: Statements, place: int) -> Company:
    """What the tables of the whole market need to know about one company, the one at that place of its group."""
    days = market.days.astype("M8[D]")
    dates = days[h.positions]
    rows = slice(s.starts[place], s.starts[place + 1])
    revenue = s.first["revenue"][rows]
    year = np.convolve(revenue, np.ones(4), "valid") if revenue.size >= 4 else 4 * revenue
    paid, handed = np.flatnonzero(h.dividend > 0), np.flatnonzero(h.spin_off_value > 0)
    value = float(np.round(h.shares[-1] * h.close[-1] / 1e6, 1))
    actions: list[tuple] = [(dates[0], "listed", None, None)] if h.positions[0] > 0 else []
    actions += [(dates[i], "split", round(float(h.split[i]), 6), None) for i in np.flatnonzero(h.split != 1.0)]
    actions += [(dates[i], "dividend", float(h.dividend[i]), None) for i in paid]
    actions += [(dates[i], "spinoffdividend", float(h.spin_off_value[i]), None) for i in handed]
    changes = [(h.symbols[k][0], h.symbols[k - 1][1], h.symbols[k][1]) for k in range(1, len(h.symbols))]
    if h.symbol_lost is not None:
        changes.append((h.symbol_lost, h.symbols[-1][1], h.ticker))
    for position, old, new in changes:
        actions += [(days[position], "tickerchangefrom", None, old), (days[position], "tickerchangeto", None, new)]
    rng = random(market.seed, h.number, "ending")
    has_cause, taken_over = rng.random() >= ENDS_WITHOUT_A_CAUSE, ("mergerto", "acquisitionby")[int(rng.integers(2))]
    cause = None
    if h.delisted is not None:
        actions.append((days[h.delisted], "delisted", value, None))
        cause = (days[h.delisted], taken_over if h.end == "merger" else CAUSES[h.end]) if has_cause else None
    quarters = h.holding_dates.astype("M8[D]")
    bar = np.searchsorted(dates, quarters, "right") - 1
    held, bar = np.flatnonzero(bar >= 0), bar[bar >= 0]
    units = np.round(h.holding_share[held] * h.shares[bar])
    return Company(
        number=h.number,
        permaticker=str(h.permaticker),
        ticker=h.ticker,
        name=h.name,
        exchange=h.exchange,
        category=h.category,
        snapshot=h.snapshot,
        related=" ".join(sorted({symbol for _, symbol in h.symbols} - {h.ticker})),
        first=dates[0],
        last=dates[-1],
        quarters=(s.period_end[rows][0], s.period_end[rows][-1]) if revenue.size else None,
        largest_usd=float((h.shares * h.close).max()),
        largest_revenue_usd=float(year.max()) if revenue.size else 0.0,
        is_delisted=h.delisted is not None,
        location=PLACES[int(random(market.seed, h.number, "company").integers(len(PLACES)))],
        first_open=float(h.open[0]),
        spun_off_from=h.spun_off_from,
        acquirer=h.acquirer,
        value_musd=value,
        actions=actions,
        end=cause,
        spin_offs=[(dates[i], float(h.spin_off_value[i])) for i in handed],
        holdings=(quarters[held], h.holders[held].astype(float), units, np.round(units * h.close[bar])),
    )


def whole_market_files(market: Market, companies: list[Company]) -> dict[str, pa.Table]:
    """Tables that need every company, by file name: ACTIONS, TICKERS, SF3A, SFP, the VIX, basis.csv, market.csv."""
    vix = market.vix.astype(float)
    return {
        "sharadar/ACTIONS": action_rows(companies),
        "sharadar/TICKERS": ticker_rows(market, companies),
        "sharadar/SF3A": holding_rows(market.seed, companies),
        "sharadar/SFP": fund_prices(market),
        "cboe/VIX_History": pa.table(
            {"DATE": market.days.astype("M8[D]")} | {name: vix * factor for name, factor in VIX_BAR.items()}
        ),
        "basis.csv": pa.table({"dataset": BASIS, "basis_date": np.full(len(BASIS), market.days[-1], "M8[D]")}),
        "market.csv": pa.table({"key": ["keeps_delisted", "survivorship_biased"], "value": ["true", "false"]}),
    }


def action_rows(companies: list[Company]) -> pa.Table:
    """sharadar/ACTIONS in order of date, ticker and action; a dictionary's contraticker is the other company's ticker.

    As in the vendor's dictionary a row `spinoff` is the new company's, with its former parent as contraticker, and
    `spunofffrom` the parent's; their value is shares handed out per share held.
    """
    by_number = {c.number: c for c in companies}
    rows = [
        (day, action, c.ticker, c.name, value, contra, None)
        for c in companies
        for day, action, value, contra in c.actions
    ]
    for c in companies:
        if c.end:
            buyer = by_number.get(c.acquirer) if c.end[1] in ("mergerto", "acquisitionby") else None
            rows.append(
                (*c.end, c.ticker, c.name, c.value_musd, *((buyer.ticker, buyer.name) if buyer else (None, None)))
            )
        parent = by_number.get(c.spun_off_from)
        if parent is not None and parent.spin_offs:
            day, handed = min(parent.spin_offs, key=lambda spin_off: abs(spin_off[0] - c.first))
            per_share = round(handed / c.first_open, 6)
            rows.append((day, "spinoff", c.ticker, c.name, per_share, parent.ticker, parent.name))
            rows.append((day, "spunofffrom", parent.ticker, parent.name, per_share, c.ticker, c.name))
    rows.sort(key=lambda row: (row[0], row[2], row[1], row[5] or ""))
    date, action, ticker, name, value, contraticker, contraname = zip(*rows, strict=True)
    return pa.table(
        {
            "date": np.array(date, "M8[D]"),
            "action": pa.array(action, pa.string()),
            "ticker": pa.array(ticker, pa.string()),
            "name": pa.array(name, pa.string()),
            "value": pa.array(value, pa.float64()),
            "contraticker": pa.array(contraticker, pa.string()),
            "contraname": pa.array(contraname, pa.string()),
        }
    )


def ticker_rows(market: Market, companies: list[Company]) -> pa.Table:
    """sharadar/TICKERS: a row per company and table it is in, and the funds; sectors and names are today's."""
    end = market.days[-1].astype("M8[D]")
    rows = []
    for c in companies:
        sic = SIC.get(c.snapshot[0], (None, None, None, None))
        first_quarter, last_quarter = c.quarters or (None, None)
        for table in ("SF1", "SEP"):
            rows.append(
                {
                    "table": table,
                    "permaticker": c.permaticker,
                    "ticker": c.ticker,
                    "name": c.name,
                    "exchange": c.exchange,
                    "isdelisted": "Y" if c.is_delisted else "N",
                    "category": c.category,
                    "cusips": f"{c.number:08d}9",
                    "siccode": sic[0],
                    "sicsector": sic[1],
                    "sicindustry": sic[2],
                    "famasector": None,
                    "famaindustry": sic[3],
                    "sector": c.snapshot[0],
                    "industry": c.snapshot[1],
                    "scalemarketcap": scale(c.largest_usd),
                    "scalerevenue": scale(c.largest_revenue_usd) if c.quarters else None,
                    "relatedtickers": c.related or None,
                    "currency": "USD",
                    "location": c.location,
                    "lastupdated": end,
                    "firstadded": c.first,
                    "firstpricedate": c.first,
                    "lastpricedate": c.last,
                    "firstquarter": first_quarter,
                    "lastquarter": last_quarter,
                    "secfilings": f"CIK={9_900_000_000 + c.number}",
                    "companysite": None,
                }
            )
    names = list(rows[0])
    for place, ticker in enumerate(["SPY", *market.etfs]):
        fund = dict.fromkeys(names) | {
            "table": "SFP",
            "permaticker": str(800_001 + place),
            "ticker": ticker,
            "name": f"{ticker} Fund",
            "exchange": "NYSEARCA",
            "isdelisted": "N",
            "category": "ETF",
            "currency": "USD",
            "lastupdated": end,
            "firstadded": market.days[0],
            "firstpricedate": market.days[0],
            "lastpricedate": end,
        }
        rows.append(fund)
    dates = {"lastupdated", "firstadded", "firstpricedate", "lastpricedate", "firstquarter", "lastquarter"}

    def column(name: str) -> pa.Array:
        values = [row[name] for row in rows]
        if name not in dates:
            return pa.array(values, pa.string())
        return pa.array(np.array(["NaT" if value is None else value for value in values], "M8[D]"))

    return pa.table({name: column(name) for name in names})


def scale(usd: float) -> str:
    """The vendor's class of size."""
    return SCALES[int(np.searchsorted(SCALE_LIMITS_USD, usd, "right"))]


def holding_rows(seed: int, companies: list[Company]) -> pa.Table:
    """sharadar/SF3A: what institutions hold of a company at each quarter's end, shares and a little of the rest."""
    lengths = [c.holdings[0].size for c in companies]
    quarter, holders, units, value = (np.concatenate([c.holdings[k] for c in companies]) for k in range(4))
    share = {}
    for k, kind in enumerate(FUND_HOLDINGS):
        draws = [
            random(seed, c.number, "holders").random((len(FUND_HOLDINGS), n))[k]
            for c, n in zip(companies, lengths, strict=True)
        ]
        # options are common, the rest is rare
        share[kind] = 0.03 * join(draws) if kind in ("cll", "put") else np.where(join(draws) > 0.98, 0.001, 0.0)
    numbers_of = {f"{kind}holders": np.round(part * holders) for kind, part in share.items()}
    units_of = {f"{kind}units": np.round(part * units) for kind, part in share.items()}
    value_of = {f"{kind}value": np.round(part * value) for kind, part in share.items()}
    total = value + sum(value_of.values())
    # whole numbers below 2^53 times the rows of a quarter: their sum is exact in any order
    quarters, of_quarter = np.unique(quarter, return_inverse=True)
    by_quarter = np.bincount(of_quarter, weights=total, minlength=quarters.size)
    return pa.table(
        {
            "calendardate": quarter,
            "ticker": repeated([c.ticker for c in companies], lengths),
            "name": repeated([c.name for c in companies], lengths),
            "shrholders": holders,
            **numbers_of,
            "shrunits": units,
            **units_of,
            "shrvalue": value,
            **value_of,
            "totalvalue": total,
            "percentoftotal": np.round(100 * total / by_quarter[of_quarter], 4),
        }
    )
