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

from kairos.demo.history import History, Market

DAY = np.timedelta64(1, "D")
PURPOSES = ("statement", "missing", "counts", "insiders", "owners", "short", "company", "ending", "holders")

GROUP_TABLES = (
    "sharadar/SEP", "sharadar/DAILY", "sharadar/SF1", "sharadar/SF2", "sharadar/SECTORS", "finra/short_interest",
    "truth",
)  # fmt: skip

# Items of sharadar/SF1 after its six keys, in the order of the vendor's dictionary.
SF1_ITEMS = (
    "revenue", "cor", "sgna", "rnd", "opex", "intexp", "taxexp", "netincdis", "consolinc", "netincnci", "netinc",
    "prefdivis", "netinccmn", "eps", "epsdil", "shareswa", "shareswadil", "capex", "ncfbus", "ncfinv", "ncff",
    "ncfdebt", "ncfcommon", "ncfdiv", "ncfi", "ncfo", "ncfx", "ncf", "sbcomp", "depamor", "assets", "cashneq",
    "investments", "investmentsc", "investmentsnc", "deferredrev", "deposits", "ppnenet", "inventory", "taxassets",
    "receivables", "payables", "intangibles", "liabilities", "equity", "retearn", "accoci", "assetsc", "assetsnc",
    "liabilitiesc", "liabilitiesnc", "taxliabilities", "debt", "debtc", "debtnc", "ebt", "ebit", "ebitda", "fxusd",
    "equityusd", "epsusd", "revenueusd", "netinccmnusd", "cashnequsd", "debtusd", "ebitusd", "ebitdausd", "sharesbas",
    "dps", "sharefactor", "marketcap", "ev", "invcap", "equityavg", "assetsavg", "invcapavg", "tangibles", "roe",
    "roa", "fcf", "roic", "gp", "opinc", "grossmargin", "netmargin", "ebitdamargin", "ros", "assetturnover",
    "payoutratio", "evebitda", "evebit", "pe", "pe1", "sps", "ps1", "ps", "pb", "de", "divyield", "currentratio",
    "workingcapital", "fcfps", "bvps", "tbvps", "price",
)  # fmt: skip
FLOWS = (
    "revenue", "cor", "gp", "sgna", "rnd", "opex", "opinc", "intexp", "taxexp", "netinc", "capex", "ncfbus", "ncfinv",
    "ncff", "ncfdebt", "ncfcommon", "ncfdiv", "ncfi", "ncfo", "ncf", "sbcomp", "depamor", "dps",
)  # fmt: skip
LEVELS = (
    "assets", "cashneq", "investmentsc", "investmentsnc", "deferredrev", "ppnenet", "inventory", "taxassets",
    "receivables", "payables", "intangibles", "liabilities", "equity", "retearn", "accoci", "assetsc", "assetsnc",
    "liabilitiesc", "liabilitiesnc", "taxliabilities", "debt", "debtc", "debtnc",
)  # fmt: skip
NONE_HERE = ("netincdis", "netincnci", "prefdivis", "ncfx", "deposits")  # 0 for every company of this market
# Lines that a balance sheet without current and non-current parts does not have.
CLASSIFIED = ("assetsc", "assetsnc", "liabilitiesc", "liabilitiesnc", "debtc", "debtnc", "investmentsc",
              "investmentsnc", "inventory")  # fmt: skip
UNCLASSIFIED_SECTORS = ("Financial Services", "Financials", "Financial")
# item: (share of companies that never report it, share of single quarters missing, lines that go with it)
MISSING = {
    "rnd": (0.50, 0.01, ()),
    "cor": (0.18, 0.01, ("gp",)),
    "inventory": (0.20, 0.01, ()),
    "deferredrev": (0.30, 0.01, ()),
    "sbcomp": (0.08, 0.01, ()),
    "sgna": (0.05, 0.01, ()),
    "intangibles": (0.05, 0.01, ()),
    "taxassets": (0.05, 0.01, ()),
    "depamor": (0.02, 0.01, ()),
    "capex": (0.01, 0.01, ("fcf",)),
    "receivables": (0.01, 0.01, ()),
    "revenue": (0.00, 0.008, ("cor", "gp")),
    "debt": (0.00, 0.008, ("debtc", "debtnc")),
    "cashneq": (0.00, 0.006, ()),
    "assetsc": (0.00, 0.006, ("assetsnc",)),
    "opinc": (0.00, 0.004, ()),
    "ncfo": (0.00, 0.004, ()),
    "equity": (0.00, 0.003, ()),
    "netinc": (0.00, 0.002, ()),
}
ABSURD_COUNT = 1 / 1000  # of the filings carry a share count in the wrong unit
ABSURD_FACTORS = (1e-6, 1e-6, 1e3)
DUPLICATED_INSIDER_LINES = 0.019
INSIDERS_FILED_BEFORE_THE_TRADE = 0.02
REVISED_SHORT_POSITIONS = 0.015
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
FAMILY_NAMES = (
    "ABEL", "BARR", "CASTOR", "DUNNE", "EKMAN", "FALK", "GRANT", "HOLM", "IVES", "JANSEN", "KERR", "LUND", "MARSH",
    "NYE", "ODELL", "PRYOR", "QUILL", "ROTH", "STERN", "TATE", "USHER", "VANCE", "WOLFE", "YORK", "ZELLER",
)  # fmt: skip
GIVEN_NAMES = ("ANNE", "BRUNO", "CLARA", "DAVID", "EDITH", "FRANK", "GRETA", "HUGO", "IRIS", "JOHN", "KAREN", "LEO")
TITLES = ("Chief Executive Officer", "Chief Financial Officer", "Chief Operating Officer", "General Counsel",
          "EVP, Sales", "SVP, Controller")  # fmt: skip
FINRA_MARKETS = {"NYSE": ("A", "NYSE"), "NASDAQ": ("R", "NNM"), "NYSEMKT": ("B", "AMEX")}
CAUSES = {
    "bankruptcy": "bankruptcyliquidation",
    "regulatory": "regulatorydelisting",
    "voluntary": "voluntarydelisting",
}
VIX_BAR = {"OPEN": 1.0, "HIGH": 1.03, "LOW": 0.97, "CLOSE": 1.0}
FUND_HOLDINGS = ("cll", "put", "wnt", "dbt", "prf", "fnd", "und")  # what institutions hold beside shares


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


def random(seed: int, number: int, purpose: str) -> np.random.Generator:
    """The generator of one company and purpose."""
    return np.random.default_rng([seed, number, PURPOSES.index(purpose)])


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


# ---------------------------------------------------------------------------------------------------- prices


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


# ------------------------------------------------------------------------------------------------ statements


@dataclass(frozen=True)
class Statements:
    """All quarters of a group in order of company and period end; arrays of length n.

    `first` and `newest` hold every line of SF1 that is an amount, a single quarter's flow or a level, as first filed
    and as known at the market's end, without defects. `missing` lines are absent from the files.
    """

    owner: np.ndarray  # position of the company in the group
    period_end: np.ndarray
    filed: np.ndarray
    amended: np.ndarray  # NaT where no amendment was filed by the market's end
    first: dict[str, np.ndarray]
    newest: dict[str, np.ndarray]
    missing: dict[str, np.ndarray]
    count_factor: np.ndarray  # 1, or what the vendor multiplied the share counts by
    starts: np.ndarray  # (N + 1,) where each company begins

    @classmethod
    def of(cls, market: Market, histories: list[History]) -> Statements:
        """Collect the quarters filed by the market's end and derive what the simulator does not keep."""
        end = market.days[-1].astype("datetime64[D]")
        kept = [np.flatnonzero(h.quarters.filed <= end) for h in histories]
        lengths = np.array([rows.size for rows in kept])
        owner = np.repeat(np.arange(len(histories)), lengths)

        def joined(name: str) -> np.ndarray:
            values = [getattr(h.quarters, name)[rows] for h, rows in zip(histories, kept, strict=True)]
            return np.concatenate(values).astype("M8[D]")

        amended, shown = joined("amended"), joined("shown_later")
        amended[~(amended <= end)] = np.datetime64("NaT")
        is_known = ~np.isnat(amended) | (shown <= end)
        keys = histories[0].quarters.items
        first = {k: join([h.quarters.items[k][r] for h, r in zip(histories, kept, strict=True)]) for k in keys}
        newest = {k: join([h.quarters.restated[k][r] for h, r in zip(histories, kept, strict=True)]) for k in keys}
        newest = {k: np.where(is_known, newest[k], first[k]) for k in keys}
        ratios = [habits(random(market.seed, h.number, "statement")) for h in histories]
        ratios = {k: np.array([r[k] for r in ratios])[owner] for k in ratios[0]}
        is_first = np.append(True, owner[1:] != owner[:-1])[: owner.size]
        missing = [gaps(market.seed, h, rows.size) for h, rows in zip(histories, kept, strict=True)]
        factors = [miscounts(market.seed, h.number, rows.size) for h, rows in zip(histories, kept, strict=True)]
        return cls(
            owner=owner,
            period_end=joined("period_end"),
            filed=joined("filed"),
            amended=amended,
            first=lines(first, ratios, is_first),
            newest=lines(newest, ratios, is_first),
            missing={k: np.concatenate([m[k] for m in missing]) for k in missing[0]},
            count_factor=join(factors),
            starts=np.append(0, np.cumsum(lengths)),
        )


def habits(rng: np.random.Generator) -> dict[str, float]:
    """Proportions of a company's statements that the simulator does not keep; constant over its life."""
    return {
        "sgna": rng.uniform(0.45, 0.70),
        "rnd": rng.uniform(0.05, 0.25),
        "interest": rng.uniform(0.03, 0.07) / 4,
        "tax": rng.uniform(0.15, 0.27),
        "sbcomp": rng.uniform(0.01, 0.06),
        "inventory": rng.uniform(0.10, 0.40),
        "receivables": rng.uniform(0.20, 0.40),
        "investmentsc": rng.uniform(0.00, 0.15),
        "ppnenet": rng.uniform(0.30, 0.60),
        "intangibles": rng.uniform(0.10, 0.30),
        "investmentsnc": rng.uniform(0.00, 0.06),
        "taxassets": rng.uniform(0.00, 0.04),
        "debtc": rng.uniform(0.05, 0.25),
        "payables": rng.uniform(0.30, 0.60),
        "deferredrev": rng.uniform(0.02, 0.15),
        "taxliabilities": rng.uniform(0.01, 0.10),
        "retearn": rng.uniform(0.30, 0.80),
        "accoci": rng.uniform(-0.05, 0.02),
        "basic": rng.uniform(0.985, 1.0),
        "diluted": rng.uniform(1.0, 1.05),
    }


def thousands(x: np.ndarray) -> np.ndarray:
    """USD rounded to thousands, as companies file; whole numbers, so that their sums are exact."""
    return np.round(x / 1e3) * 1e3


def lines(items: dict[str, np.ndarray], ratio: dict[str, np.ndarray], is_first: np.ndarray) -> dict[str, np.ndarray]:
    """Every amount of a quarter's statements from the simulator's items, so that the accounting identities hold.

    assets = liabilities + equity; gp = revenue - cor; opinc = gp - opex; equity grows by net income, less dividends,
    plus shares issued; cash by the three cash flows. `is_first` marks each company's first quarter, whose changes are
    unknown and taken as 0.
    """
    x = {name: thousands(values) for name, values in items.items() if name != "shares"}
    out = {"revenue": x["revenue"], "gp": x["gross_profit"], "opinc": x["operating_income"], "netinc": x["net_income"]}
    out["cor"] = out["revenue"] - out["gp"]
    out["opex"] = out["gp"] - out["opinc"]
    out["sgna"] = thousands(ratio["sgna"] * out["opex"])
    out["rnd"] = thousands(ratio["rnd"] * out["opex"])
    out["sbcomp"] = thousands(ratio["sbcomp"] * np.abs(out["opex"]))
    out["intexp"] = thousands(ratio["interest"] * x["debt"])
    out["taxexp"] = thousands(np.maximum(out["netinc"], 0) * ratio["tax"] / (1 - ratio["tax"]))
    out["depamor"], out["ncfo"] = x["depreciation"], x["operating_cash_flow"]

    out["assets"], out["liabilities"], out["cashneq"] = x["assets"], x["liabilities"], x["cash"]
    out["equity"] = out["assets"] - out["liabilities"]
    out["assetsc"] = np.clip(x["assets_current"], out["cashneq"], np.maximum(out["assets"], out["cashneq"]))
    out["assetsnc"] = out["assets"] - out["assetsc"]
    out["liabilitiesc"] = np.minimum(x["liabilities_current"], out["liabilities"])
    out["liabilitiesnc"] = out["liabilities"] - out["liabilitiesc"]
    rest = out["assetsc"] - out["cashneq"]
    out |= {name: thousands(ratio[name] * rest) for name in ("inventory", "receivables", "investmentsc")}
    fixed = ("ppnenet", "intangibles", "investmentsnc", "taxassets")
    out |= {name: thousands(ratio[name] * out["assetsnc"]) for name in fixed}
    out["debt"] = x["debt"]
    out["debtc"] = np.minimum(thousands(ratio["debtc"] * out["debt"]), out["liabilitiesc"])
    out["debtnc"] = out["debt"] - out["debtc"]
    owed = np.maximum(out["liabilities"] - out["debt"], 0)
    out |= {name: thousands(ratio[name] * owed) for name in ("payables", "deferredrev", "taxliabilities")}
    out["retearn"] = thousands(ratio["retearn"] * out["equity"])
    out["accoci"] = thousands(ratio["accoci"] * np.abs(out["equity"]))

    def change(name: str) -> np.ndarray:
        return np.where(is_first, 0.0, np.diff(out[name], prepend=out[name][:1]))

    out["capex"], out["ncfdiv"] = -x["capex"], -x["dividends_paid"]
    out["ncfdebt"] = change("debt")
    out["ncfcommon"] = np.where(is_first, 0.0, change("equity") - out["netinc"] - out["ncfdiv"])
    out["ncff"] = out["ncfdebt"] + out["ncfcommon"] + out["ncfdiv"]
    out["ncfbus"] = np.zeros_like(out["assets"])
    invested = change("cashneq") - out["ncfo"] - out["ncff"] - out["capex"]
    out["ncfinv"] = np.where(is_first, 0.0, invested)
    out["ncfi"] = out["capex"] + out["ncfbus"] + out["ncfinv"]
    out["ncf"] = out["ncfo"] + out["ncfi"] + out["ncff"]
    out["sharesbas"] = np.round(items["shares"])
    out["shareswa"] = np.round(ratio["basic"] * items["shares"])
    out["shareswadil"] = np.round(ratio["diluted"] * out["shareswa"])
    out["dps"] = -out["ncfdiv"] / np.maximum(out["shareswa"], 1)
    return out


def gaps(seed: int, h: History, n: int) -> dict[str, np.ndarray]:
    """Which of a company's lines are missing: item -> (n,) booleans."""
    rng = random(seed, h.number, "missing")
    out = {name: np.zeros(n, dtype=bool) for name in (*FLOWS, *LEVELS, "fcf")}
    for name, (never, now_and_then, with_it) in MISSING.items():
        mask = (rng.random() < never) | (rng.random(n) < now_and_then)
        for line in (name, *with_it):
            out[line] |= mask
    if h.snapshot[0] in UNCLASSIFIED_SECTORS:
        for line in CLASSIFIED:
            out[line][:] = True
    return out


def miscounts(seed: int, number: int, n: int) -> np.ndarray:
    """What the vendor multiplied a quarter's share counts by: 1 but for a few."""
    rng = random(seed, number, "counts")
    return np.where(rng.random(n) < ABSURD_COUNT, rng.choice(ABSURD_FACTORS, n), 1.0)


def statement_rows(days: np.ndarray, histories: list[History], bars: list[Bars], s: Statements) -> pa.Table:
    """sharadar/SF1: as reported (AR) with one row per filing, most recent (MR) with one row per quarter.

    Trailing years need the three quarters before; they carry what was known at the row's date.
    """
    n = s.owner.size
    every = np.arange(n)
    amended = every[~np.isnat(s.amended)]
    filings = np.concatenate([every, amended])
    known = np.concatenate([s.filed, s.amended[amended]])
    order = np.lexsort((known, filings))
    filings, known = filings[order], known[order]
    before = earlier(s)
    parts = []
    for dimension, rows, at in (
        ("ARQ", filings, known),
        ("ART", filings, known),
        ("MRQ", every, s.period_end),
        ("MRT", every, s.period_end),
    ):
        is_year, is_newest = dimension[2] == "T", dimension[0] == "M"
        if is_year:
            whole = before[3][rows] >= 0
            rows, at = rows[whole], at[whole]
        values = aggregated(s, rows, None if is_newest else at, 4 if is_year else 1, before)
        price = as_traded(days, histories, bars, s, rows, at)
        parts.append((rows, at, dimension, ratios_of(values, price, is_year)))
    rows = np.concatenate([part[0] for part in parts])
    at = np.concatenate([part[1] for part in parts])
    dimension = np.repeat(np.arange(4), [part[0].size for part in parts])
    order = np.lexsort((at, s.period_end[rows], dimension, s.owner[rows]))
    ends = s.period_end[rows][order]
    alive = np.array([days[-1] if h.end is None else days[h.positions[-1]] for h in histories], "M8[D]")
    tickers = pa.array([h.ticker for h in histories])
    table = {
        "ticker": pa.DictionaryArray.from_arrays(pa.array(s.owner[rows][order].astype(np.int32)), tickers),
        "dimension": pa.DictionaryArray.from_arrays(
            pa.array(dimension[order].astype(np.int32)), pa.array(["ARQ", "ART", "MRQ", "MRT"])
        ),
        "calendardate": quarter_end(ends),
        "datekey": at[order],
        "reportperiod": ends,
        "lastupdated": np.maximum(alive[s.owner[rows]][order], at[order]),
    }
    for item in SF1_ITEMS:
        table[item] = numbers(np.concatenate([part[3][item] for part in parts])[order])
    return pa.table(table)


def earlier(s: Statements) -> list[np.ndarray]:
    """For lags 0 to 3 the row of the quarter that many quarters before, -1 where the chain of quarters is broken."""
    n = s.owner.size
    out = [np.arange(n)]
    for lag in (1, 2, 3):
        row = np.arange(n) - lag
        ok = row >= s.starts[s.owner]
        apart = (s.period_end - s.period_end[np.maximum(row, 0)]) / DAY
        out.append(np.where(ok & (apart < 92 * lag + 15), row, -1))
    return out


def aggregated(
    s: Statements, rows: np.ndarray, at: np.ndarray | None, quarters: int, before: list[np.ndarray]
) -> dict[str, np.ndarray]:
    """Lines of the given rows over their last one or four quarters, with the vendor's gaps as NaN.

    at: the versions known on these dates; None = the newest. Flows are summed, levels are the newest quarter's; the
    means of assets, equity and invested capital over the quarters are added as `<line>_mean`.
    """
    out: dict[str, np.ndarray] = {}
    means = {"assets": [], "equity": [], "invcap": []}
    for lag in range(quarters):
        source = before[lag][rows]
        new = np.ones(rows.size, dtype=bool) if at is None else s.amended[source] <= at

        def line(name: str, source=source, new=new) -> np.ndarray:
            values = np.where(new, s.newest[name][source], s.first[name][source])
            return np.where(s.missing[name][source], np.nan, values) if name in s.missing else values

        for name in FLOWS:
            out[name] = out[name] + line(name) if lag else line(name)
        if lag == 0:
            out |= {name: line(name) for name in LEVELS}
            factor = s.count_factor[source]
            out |= {name: np.round(line(name) * factor) for name in ("sharesbas", "shareswa", "shareswadil")}
            out["count_factor"] = factor
        means["assets"].append(line("assets"))
        means["equity"].append(line("equity"))
        means["invcap"].append(
            line("debt") + line("assets") - line("intangibles") - line("cashneq") - line("liabilitiesc")
        )
    return out | {f"{name}_mean": sum(values) / quarters for name, values in means.items()}


def ratio(a: np.ndarray, b: np.ndarray, digits: int = 3) -> np.ndarray:
    """a / b as the vendor rounds it, NaN where b is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.round(np.where(b == 0, np.nan, a / b), digits)


def ratios_of(x: dict[str, np.ndarray], price: np.ndarray, is_year: bool) -> dict[str, np.ndarray]:
    """All items of SF1 from the lines of the rows and the price as traded on the rows' dates; NaN propagates.

    Averages and the returns on them are given for trailing years only. A count in the wrong unit spoils what the vendor
    computes from it, but not what the company itself reports per share.
    """
    zero = np.zeros_like(price)
    x = x | dict.fromkeys(NONE_HERE, zero)
    true_shares = x["shareswa"] / x["count_factor"]
    x["consolinc"], x["netinccmn"] = x["netinc"] + x["netincnci"], x["netinc"] - x["prefdivis"]
    x["eps"] = ratio(x["netinccmn"], true_shares)
    x["epsdil"] = ratio(x["netinccmn"], x["shareswadil"] / x["count_factor"])
    x["dps"] = np.round(x["dps"], 4)
    x["investments"] = np.where(np.isnan(x["investmentsc"]), np.nan, x["investmentsc"] + x["investmentsnc"])
    x["ebt"] = x["netinc"] + x["taxexp"]
    x["ebit"] = x["ebt"] + x["intexp"]
    x["ebitda"] = x["ebit"] + x["depamor"]
    x["fxusd"], x["sharefactor"] = zero + 1, zero + 1
    in_usd = ("equity", "eps", "revenue", "netinccmn", "cashneq", "debt", "ebit", "ebitda")
    x |= {f"{name}usd": x[name] for name in in_usd}
    x["price"] = price
    x["marketcap"] = np.round(x["sharesbas"] * price)
    x["ev"] = x["marketcap"] + x["debt"] - x["cashneq"]
    x["tangibles"] = x["assets"] - x["intangibles"]
    x["invcap"] = x["debt"] + x["assets"] - x["intangibles"] - x["cashneq"] - x["liabilitiesc"]
    for name in ("equity", "assets", "invcap"):
        x[f"{name}avg"] = x[f"{name}_mean"] if is_year else zero + np.nan
    x["roe"], x["roa"] = ratio(x["netinccmn"], x["equityavg"]), ratio(x["netinccmn"], x["assetsavg"])
    x["roic"], x["assetturnover"] = ratio(x["ebit"], x["invcapavg"]), ratio(x["revenue"], x["assetsavg"])
    x["fcf"] = x["ncfo"] + x["capex"]
    x["grossmargin"], x["netmargin"] = ratio(x["gp"], x["revenue"]), ratio(x["netinccmn"], x["revenue"])
    x["ebitdamargin"], x["ros"] = ratio(x["ebitda"], x["revenue"]), ratio(x["ebit"], x["revenue"])
    x["payoutratio"] = ratio(x["dps"], x["eps"])
    x["evebitda"], x["evebit"] = ratio(x["ev"], x["ebitda"]), ratio(x["ev"], x["ebit"])
    x["pe"], x["ps"], x["pb"] = (ratio(x["marketcap"], x[name]) for name in ("netinccmn", "revenue", "equity"))
    x["sps"], x["fcfps"] = ratio(x["revenue"], x["shareswa"]), ratio(x["fcf"], x["shareswa"])
    x["bvps"], x["tbvps"] = ratio(x["equity"], x["shareswa"]), ratio(x["tangibles"], x["shareswa"])
    x["pe1"], x["ps1"] = ratio(price, x["eps"]), ratio(price, x["sps"])
    x["de"], x["divyield"] = ratio(x["liabilities"], x["equity"]), ratio(x["dps"], price)
    x["currentratio"] = ratio(x["assetsc"], x["liabilitiesc"])
    x["workingcapital"] = x["assetsc"] - x["liabilitiesc"]
    return x


def as_traded(
    days: np.ndarray, histories: list[History], bars: list[Bars], s: Statements, rows: np.ndarray, at: np.ndarray
) -> np.ndarray:
    """The close on or before each row's date, on the splits of the quarter's first filing like its counts; NaN before
    the first bar."""
    out = np.full(rows.size, np.nan)
    for k, (h, b) in enumerate(zip(histories, bars, strict=True)):
        mine = np.flatnonzero(s.owner[rows] == k)
        dates = days[h.positions]
        bar, filed = (np.searchsorted(dates, when, "right") - 1 for when in (at[mine], s.filed[rows[mine]]))
        price = h.close[np.maximum(bar, 0)] * b.splits[np.maximum(bar, 0)] / b.splits[np.maximum(filed, 0)]
        out[mine] = np.where(bar >= 0, np.round(price, 3), np.nan)
    return out


def quarter_end(dates: np.ndarray) -> np.ndarray:
    """The calendar quarter's end nearest to each date."""
    month = (dates + 45 * DAY).astype("M8[M]").astype(int)
    return ((month // 3 * 3).astype("M8[M]")).astype("M8[D]") - DAY


def daily(days: np.ndarray, histories: list[History], bars: list[Bars], s: Statements) -> pa.Table:
    """sharadar/DAILY: market value in USD millions and multiples of the newest first filings, to one decimal."""
    before = earlier(s)
    columns: dict[str, list[np.ndarray]] = {
        name: [] for name in ("ev", "evebit", "evebitda", "marketcap", "pb", "pe", "ps")
    }
    year = {}
    for name in ("revenue", "netinc", "taxexp", "intexp", "depamor"):
        terms = [np.where(before[lag] >= 0, s.first[name][before[lag]], np.nan) for lag in range(4)]
        year[name] = terms[0] + terms[1] + terms[2] + terms[3]
    ebit = year["netinc"] + year["taxexp"] + year["intexp"]
    for k, (h, b) in enumerate(zip(histories, bars, strict=True)):
        dates, mine = days[h.positions], np.arange(s.starts[k], s.starts[k + 1])
        order = mine[np.argsort(s.filed[mine], kind="stable")]
        newest = np.append(-1, np.maximum.accumulate(order))  # newest by period end, never by filing
        row = newest[np.searchsorted(s.filed[order], dates, "right")]
        has = row >= 0
        filed_bar = np.searchsorted(dates, s.filed[row], "right") - 1 if order.size else np.zeros(dates.size, int)
        on_day = b.splits / np.where(filed_bar >= 0, b.splits[np.maximum(filed_bar, 0)], 1.0)
        reported = s.first["sharesbas"][row] * on_day if order.size else h.shares
        value = np.where(has, reported, h.shares) * h.close

        def newest_of(x: np.ndarray, row=row, has=has, order=order) -> np.ndarray:
            return np.where(has, x[row], np.nan) if order.size else np.full(has.size, np.nan)

        ev = value + newest_of(s.first["debt"]) - newest_of(s.first["cashneq"])
        columns["ev"].append(np.round(ev / 1e6, 1))
        columns["evebit"].append(ratio(ev, newest_of(ebit), 1))
        columns["evebitda"].append(ratio(ev, newest_of(ebit + year["depamor"]), 1))
        columns["marketcap"].append(np.round(value / 1e6, 1))
        columns["pb"].append(ratio(value, newest_of(s.first["equity"]), 1))
        columns["pe"].append(ratio(value, newest_of(year["netinc"]), 1))
        columns["ps"].append(ratio(value, newest_of(year["revenue"]), 1))
    lengths = [h.positions.size for h in histories]
    date = days[join([h.positions for h in histories], int)]
    return pa.table(
        {"ticker": repeated([h.ticker for h in histories], lengths), "date": date, "lastupdated": date}
        | {name: numbers(join(values)) for name, values in columns.items()}
    )


# ------------------------------------------------------------------------------------- insiders, short positions


def insider_rows(market: Market, histories: list[History]) -> pa.Table:
    """sharadar/SF2: a line per transaction; some twice, some with a trade date after the filing's."""
    parts = []
    for h in histories:
        t, rng = h.insiders, random(market.seed, h.number, "insiders")
        n = t.filed.size
        filed, traded = t.filed.astype("M8[D]"), t.traded.astype("M8[D]")
        misdated = rng.random(n) < INSIDERS_FILED_BEFORE_THE_TRADE
        traded = np.where(misdated, filed + rng.integers(1, 20, n) * DAY, traded)
        sign = np.where(np.isin(t.code, ["S", "F", "G"]), -1.0, 1.0)
        people = names_of_people(market.seed, h.number, int(t.owner.max()) + 1 if n else 0)
        is_officer = t.owner < len(TITLES)
        line = np.zeros(n, dtype=np.int64)  # number of the line within what one person filed on one day
        key = filed.astype(np.int64) * 10_000 + t.owner
        order = np.argsort(key, kind="stable")
        opens = np.append(True, key[order][1:] != key[order][:-1])[:n]
        line[order] = np.arange(n) - np.maximum.accumulate(np.where(opens, np.arange(n), 0)) + 1
        columns = {
            "filingdate": filed,
            "formtype": np.full(n, "4"),
            "ownername": people[t.owner] if n else np.array([], dtype=str),
            "officertitle": np.where(is_officer, np.array(TITLES)[np.minimum(t.owner, len(TITLES) - 1)], ""),
            "isdirector": np.where((t.owner == 0) | ~is_officer, "Y", "N"),
            "isofficer": np.where(is_officer, "Y", "N"),
            "istenpercentowner": np.where(t.owner % 11 == 10, "Y", "N"),
            "transactiondate": traded,
            "securityadcode": np.where(sign > 0, "NA", "ND"),
            "transactioncode": t.code.astype(str),
            "sharesownedbeforetransaction": np.maximum(t.held_after - sign * t.shares, 0.0),
            "transactionshares": sign * t.shares,
            "sharesownedfollowingtransaction": t.held_after.astype(float),
            "transactionpricepershare": t.price.astype(float),
            "transactionvalue": np.round(t.shares * t.price),
            "directorindirect": np.where(rng.random(n) < 0.12, "I", "D"),
            "rownum": line,
        }
        again = np.sort(np.append(np.arange(n), np.flatnonzero(rng.random(n) < DUPLICATED_INSIDER_LINES)))
        parts.append({name: values[again] for name, values in columns.items()})
    lengths = [part["filingdate"].size for part in parts]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    n = sum(lengths)
    texts = {name: pa.array(values.astype(object)) for name, values in joined.items() if values.dtype.kind == "U"}
    texts["officertitle"] = pa.array([title or None for title in joined["officertitle"]], pa.string())
    all_columns = (
        joined
        | texts
        | {
            "ticker": repeated([h.ticker for h in histories], lengths),
            "issuername": repeated([h.name for h in histories], lengths),
            "securitytitle": repeated(["Common Stock"], [n]),
            "natureofownership": pa.nulls(n, pa.string()),
            "dateexercisable": pa.nulls(n, pa.date32()),
            "priceexercisable": pa.nulls(n, pa.float64()),
            "expirationdate": pa.nulls(n, pa.date32()),
        }
    )
    order = (
        "ticker", "filingdate", "formtype", "issuername", "ownername", "officertitle", "isdirector", "isofficer",
        "istenpercentowner", "transactiondate", "securityadcode", "transactioncode", "sharesownedbeforetransaction",
        "transactionshares", "sharesownedfollowingtransaction", "transactionpricepershare", "transactionvalue",
        "securitytitle", "directorindirect", "natureofownership", "dateexercisable", "priceexercisable",
        "expirationdate", "rownum",
    )  # fmt: skip
    return pa.table({name: all_columns[name] for name in order})


def names_of_people(seed: int, number: int, n: int) -> np.ndarray:
    """Invented names of a company's insiders, all different."""
    picks = random(seed, number, "owners").permutation(len(FAMILY_NAMES) * len(GIVEN_NAMES))
    names = []
    for k in range(n):
        round_, pick = divmod(k, picks.size)
        family, given = divmod(int(picks[pick]), len(GIVEN_NAMES))
        names.append(f"{FAMILY_NAMES[family]} {GIVEN_NAMES[given]}" + " " + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[round_ % 26])
    return np.array(names, dtype=object).astype(str)


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


def short_rows(market: Market, histories: list[History], bars: list[Bars]) -> pa.Table:
    """finra/short_interest: a row per settlement date under the symbol of that date; some revised by a second row."""
    days = market.days.astype("datetime64[D]")
    parts, symbols = [], []
    for h, b in zip(histories, bars, strict=True):
        n, rng = h.short_dates.size, random(market.seed, h.number, "short")
        bar = np.maximum(np.searchsorted(h.positions, h.short_dates, "right") - 1, 0)
        total = np.append(0.0, np.cumsum(h.volume))
        first = np.maximum(bar - 9, 0)
        adv = np.round((total[bar + 1] - total[first]) / (bar + 1 - first)) if n else np.zeros(0)
        current = np.round(h.short_shares).astype(float)
        before = np.append(0.0, current)[:n]
        has_split = np.append(False, b.splits[bar][1:] != b.splits[bar][:-1])[:n]
        revised = np.flatnonzero(rng.random(n) < REVISED_SHORT_POSITIONS)
        which = np.sort(np.append(np.arange(n), revised))
        is_revision = np.append(False, which[1:] == which[:-1])[: which.size]
        better = np.round(current * np.exp(rng.normal(0, 0.1, n)))
        names = np.array([symbol for _, symbol in h.symbols], dtype=object)
        named = np.searchsorted([position for position, _ in h.symbols], h.short_dates, "right") - 1
        group, market_class = FINRA_MARKETS.get(h.exchange, ("R", "NNM"))
        parts.append(
            {
                "date": days[h.short_dates][which] if n else np.array([], "M8[D]"),
                "current": np.where(is_revision, better[which], current[which]),
                "before": before[which],
                "adv": adv[which],
                "split": has_split[which],
                "revised": is_revision,
                "group": np.full(which.size, group, dtype=object),
                "class": np.full(which.size, market_class, dtype=object),
                "name": np.full(which.size, h.name, dtype=object),
            }
        )
        symbols.append(names[np.maximum(named, 0)][which])
    x = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    change = x["current"] - x["before"]
    percent = np.round(np.where(x["before"] > 0, 100 * change / np.where(x["before"] > 0, x["before"], 1), 100.0), 2)
    cover = np.where(x["adv"] > 0, x["current"] / np.where(x["adv"] > 0, x["adv"], 1), 999.99)
    stamp = x["date"].astype("M8[M]").astype(int)
    day = (x["date"] - x["date"].astype("M8[M]")).astype(int) + 1
    whole = {
        name: pa.array(np.round(values).astype(np.int64)) for name, values in x.items() if values.dtype.kind == "f"
    }
    return pa.table(
        {
            "accountingYearMonthNumber": (1970 + stamp // 12) * 10_000 + (stamp % 12 + 1) * 100 + day,
            "symbolCode": pa.array(np.concatenate(symbols), pa.string()),
            "issueName": pa.array(x["name"], pa.string()),
            "issuerServicesGroupExchangeCode": pa.array(x["group"], pa.string()),
            "marketClassCode": pa.array(x["class"], pa.string()),
            "currentShortPositionQuantity": whole["current"],
            "previousShortPositionQuantity": whole["before"],
            "stockSplitFlag": flag(x["split"], "S"),
            "averageDailyVolumeQuantity": whole["adv"],
            "daysToCoverQuantity": np.minimum(np.round(np.maximum(cover, 1.0), 2), 999.99),
            "revisionFlag": flag(x["revised"], "R"),
            "changePercent": percent,
            "changePreviousNumber": pa.array(np.round(change).astype(np.int64)),
            "settlementDate": x["date"],
        }
    )


def flag(is_set: np.ndarray, letter: str) -> pa.Array:
    """The letter where set, else NULL."""
    return pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(is_set.size, np.int32), mask=~is_set.astype(bool)), pa.array([letter])
    )


# ------------------------------------------------------------------------------------------- the whole market


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
    """Tables that need every company, by file name: ACTIONS, TICKERS, SF3A, SFP, the VIX and market.csv."""
    vix = market.vix.astype(float)
    return {
        "sharadar/ACTIONS": action_rows(companies),
        "sharadar/TICKERS": ticker_rows(market, companies),
        "sharadar/SF3A": holding_rows(market.seed, companies),
        "sharadar/SFP": fund_prices(market),
        "cboe/VIX_History": pa.table(
            {"DATE": market.days.astype("M8[D]")} | {name: vix * factor for name, factor in VIX_BAR.items()}
        ),
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


# ---------------------------------------------------------------------------------------------------- columns


def join(values: list[np.ndarray], kind: type = float) -> np.ndarray:
    """The companies' arrays one after the other."""
    return np.concatenate(values).astype(kind) if values else np.zeros(0, kind)


def numbers(values: np.ndarray) -> pa.Array:
    """Doubles, NaN as NULL."""
    return pa.array(np.where(np.isfinite(values), values, np.nan), pa.float64(), from_pandas=True)


def repeated(texts: list[str], lengths: list[int]) -> pa.DictionaryArray:
    """Each text as often as its length says; a text may come twice.

    The dictionary holds every text once: Parquet pages of a dictionary with repetitions end in bytes nobody wrote.
    """
    place = {text: k for k, text in enumerate(dict.fromkeys(texts))}
    codes = np.repeat(np.array([place[text] for text in texts], dtype=np.int32), lengths)
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(list(place), pa.string()))
