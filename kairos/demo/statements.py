"""sharadar/SF1 and DAILY: what a vendor of statements makes of a company's quarters.

Every line follows from the simulator's few items so that the accounting identities hold; then the defects of real files
are cut into them: lines that are missing and share counts in the wrong unit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from kairos.demo.columns import DAY, join, numbers, random, repeated
from kairos.demo.history import History, Market
from kairos.demo.prices import Bars

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
    split_since: np.ndarray  # new shares per share between the first filing and its amendment, 1 without one
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
            split_since=join(
                [
                    splits_between(market.days, h, h.quarters.filed[rows], h.quarters.amended[rows])
                    for h, rows in zip(histories, kept, strict=True)
                ]
            ),
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
    if h.sectors[0][1] in UNCLASSIFIED_SECTORS:  # as founded: today's sector would tell the future
        for line in CLASSIFIED:
            out[line][:] = True
    return out


def splits_between(days: np.ndarray, h: History, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """New shares per share that took effect after `start` and by `end`, both datetime64[D]; 1 where `end` is NaT."""
    splits = np.append(1.0, np.cumprod(h.split))
    dates = days[h.positions].astype("M8[D]")
    before, after = (splits[np.searchsorted(dates, when.astype("M8[D]"), "right")] for when in (start, end))
    return np.where(np.isnat(end), 1.0, after / before)


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
        price = as_traded(days, histories, bars, s, rows, at, is_newest)
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

    An amendment counts shares on the splits of its own date.

    at: the versions known on these dates; None = the newest. Flows are summed, levels are the newest quarter's; the
    means of assets, equity and invested capital over the quarters are added as `<line>_mean`.
    """
    out: dict[str, np.ndarray] = {}
    means = {"assets": [], "equity": [], "invcap": []}
    for lag in range(quarters):
        source = before[lag][rows]
        new = np.ones(rows.size, dtype=bool) if at is None else s.amended[source] <= at
        split = np.where(new, s.split_since[source], 1.0)

        def line(name: str, source=source, new=new) -> np.ndarray:
            values = np.where(new, s.newest[name][source], s.first[name][source])
            return np.where(s.missing[name][source], np.nan, values) if name in s.missing else values

        flows = {name: line(name) for name in FLOWS}
        flows["dps"] = flows["dps"] / split
        out |= {name: out[name] + values if lag else values for name, values in flows.items()}
        if lag == 0:
            out |= {name: line(name) for name in LEVELS}
            factor = s.count_factor[source]
            out |= {name: np.round(line(name) * split * factor) for name in ("sharesbas", "shareswa", "shareswadil")}
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
    days: np.ndarray,
    histories: list[History],
    bars: list[Bars],
    s: Statements,
    rows: np.ndarray,
    at: np.ndarray,
    is_newest: bool,
) -> np.ndarray:
    """The close on or before each row's date, on the splits of the filing its counts are from; NaN before the first
    bar."""
    amended = s.amended[rows]
    counted = np.where(~np.isnat(amended) & (is_newest | (amended <= at)), amended, s.filed[rows])
    out = np.full(rows.size, np.nan)
    for k, (h, b) in enumerate(zip(histories, bars, strict=True)):
        mine = np.flatnonzero(s.owner[rows] == k)
        dates = days[h.positions]
        bar, filed = (np.searchsorted(dates, when, "right") - 1 for when in (at[mine], counted[mine]))
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
