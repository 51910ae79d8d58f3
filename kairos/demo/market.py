"""A small simulated stock market, written as a user's vendor files would be.

Returns are a market factor with persistent volatility, a sector and an own part, plus a planted drift that a learner
can find: `signal` x 6 bps a day per unit of (0.7 value + 0.7 one-month reversal), where value is the cross-sectional
rank of published earnings over market value. Everything follows from the seed: same arguments, same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from kairos.errors import SpecError
from kairos.raw import TABLES, Table
from kairos.sessions import closes

END = date(2023, 12, 29)  # the market's last session; statements are on the splits of SIMFIN_BASIS
SIMFIN_BASIS = date(2024, 6, 28)
VIX_BAR = {"OPEN": 1.0, "HIGH": 1.03, "LOW": 0.97, "CLOSE": 1.0}
SECTORS = {
    "Technology": ("Application Software", "Semiconductors", "Computer Hardware"),
    "Healthcare": ("Biotechnology", "Medical Devices"),
    "Industrials": ("Industrial Products", "Transportation & Logistics"),
    "Consumer Cyclical": ("Retail - Apparel & Specialty", "Travel & Leisure"),
    "Consumer Defensive": ("Consumer Packaged Goods", "Beverages"),
    "Energy": ("Oil & Gas - E&P", "Oil & Gas - Services"),
    "Basic Materials": ("Chemicals", "Steel"),
    "Utilities": ("Utilities - Regulated", "Utilities - Power Producers"),
}
STATEMENTS = {table.stem.rstrip("*"): table for table in TABLES if table.name.endswith("_quarterly")}


@dataclass(frozen=True)
class Companies:
    """What does not change about the N companies; arrays of length N unless said otherwise."""

    tickers: list[str]
    names: list[str]
    sector: np.ndarray  # position in SECTORS
    industry: np.ndarray  # position within the sector
    first: np.ndarray  # index of the first session with a bar
    last: np.ndarray  # index of the last one; smaller than T - 1 = delisted
    price: np.ndarray  # first close on the basis of END, USD
    shares: np.ndarray  # on the basis of END
    payout: np.ndarray  # dividends as a share of net income, 0 = none
    splits: list[tuple[int, date, float]]  # (company, date, factor)


def write_market(out: Path, securities: int = 100, years: float = 6, seed: int = 7, signal: float = 1.0) -> Path:
    """Write the market into `out` (one folder per vendor) and return it.

    `securities` counts companies, SPY comes in addition; `years` reach back from END; `signal` scales the planted drift
    (0 = nothing to learn). Raises SpecError for a size that cannot be drawn.
    """
    if not 1 <= years <= 33:
        raise SpecError(f"The demo market has 1 to 33 years up to {END}, got {years}. Choose another --years.")
    rng = np.random.default_rng([seed, securities, round(years * 12)])
    start = END - timedelta(days=round(years * 365.25))
    days = [day for day in closes() if start <= day <= END]
    companies = make_companies(rng, securities, days)
    statements = make_statements(rng, companies, days)
    market, vix = market_path(rng, len(days))
    close = simulate_closes(rng, companies, statements, market, days, signal)
    prices, dividends = bars(rng, companies, statements, market, close, days)
    splits = [(companies.tickers[k], day, factor) for k, day, factor in companies.splits]
    names, industries = company_tables(companies)
    basis = {"yahoo/prices": END} | {f"simfin/{table}": SIMFIN_BASIS for table in STATEMENTS}
    files = {
        "yahoo/prices.parquet": prices,
        "yahoo/actions.parquet": actions(splits, dividends),
        "simfin/us-companies.parquet": names,
        "simfin/industries.parquet": industries,
        **{
            f"simfin/{name}.parquet": statement_table(rng, companies, statements, table)
            for name, table in STATEMENTS.items()
        },
        "cboe/VIX_History.parquet": pa.table({"DATE": days} | {name: vix * k for name, k in VIX_BAR.items()}),
        "basis.csv": pa.table({"dataset": list(basis), "basis_date": list(basis.values())}),
        "market.csv": pa.table({"key": ["keeps_delisted", "survivorship_biased"], "value": ["true", "false"]}),
    }
    for name, table in files.items():
        write(Path(out) / name, table)
    return Path(out)


def make_companies(rng: np.random.Generator, n: int, days: list[date]) -> Companies:
    """Invent names, sizes, listings after the start (1 in 8), delistings (1 in 20), splits and one spin-off."""
    T = len(days)
    ends = ("a Systems", "ex Industries", "in Labs", "or Holdings", "um Group", "ys Partners")
    names = [
        a + b + c + d for a in "BDFKLMNPRTVZ" for b in "aeiou" for c in ("lv", "rn", "st", "xt", "mb") for d in ends
    ]
    if not 10 <= n <= len(names):
        raise SpecError(f"The demo market has 10 to {len(names)} securities, got {n}. Choose another --securities.")
    names = [names[k] for k in rng.permutation(len(names))[:n]]
    first, last = np.zeros(n, dtype=int), np.full(n, T - 1)
    order = rng.permutation(n)
    late, dead = order[: max(2, n // 8)], order[-max(2, n // 20) :]
    first[late] = rng.integers(T // 10, T // 2, late.size)
    last[dead] = rng.integers(int(T * 0.6), int(T * 0.9), dead.size)
    sector = np.arange(n) % len(SECTORS)
    price = rng.uniform(15, 120, n)
    splits = []
    alive = [k for k in order if last[k] == T - 1 and first[k] == 0]
    for k, factor in zip(alive, [2.0, 0.25, 1.1283, *rng.choice([1.5, 2.0, 3.0, 4.0], max(1, n // 10))], strict=False):
        splits.append((int(k), days[int(rng.integers(T // 4, T - 60))], float(factor)))
    splits.append((int(alive[-1]), END + timedelta(days=82), 2.0))  # between the prices' basis and the statements'
    return Companies(
        tickers=[name[:5].upper() for name in names],
        names=names,
        sector=sector,
        industry=np.array([rng.integers(len(SECTORS[list(SECTORS)[s]])) for s in sector]),
        first=first,
        last=last,
        price=price,
        shares=np.exp(rng.uniform(np.log(5e8), np.log(4e10), n)) / price,
        payout=np.where(rng.random(n) < 0.5, rng.uniform(0.2, 0.6, n), 0.0),
        splits=splits,
    )


def make_statements(rng: np.random.Generator, co: Companies, days: list[date]) -> dict[str, np.ndarray]:
    """One row per company and quarter, from about a year before its first bar: dates and the main lines in USD."""
    rows = []
    size = co.price * co.shares
    sales, margin = size * rng.uniform(0.08, 0.3, size.size), rng.uniform(0.03, 0.1, size.size)
    assets, leverage = sales * rng.uniform(3, 9, size.size), rng.uniform(0.35, 0.7, size.size)
    for k in range(size.size):
        shift, lag = int(rng.choice([0, 0, 0, 1, 2])), int(rng.integers(24, 45))
        level, drift, quality = 1.0, rng.normal(0.012, 0.01), 0.0
        listed, gone = days[co.first[k]], days[co.last[k]]
        for month in range(12 * (listed.year - 2) + shift + 2, 12 * END.year + 12, 3):
            year, number = divmod(month + 1, 12)
            end = date(year, number + 1, 1) - timedelta(days=1)
            late = rng.random() < 0.03
            published = end + timedelta(days=lag + int(rng.integers(-3, 4) + late * rng.integers(40, 90)))
            level *= np.exp(drift + rng.normal(0, 0.03))
            quality = 0.9 * quality + rng.normal(0, 0.01)
            if not listed - timedelta(days=390) <= published <= min(gone, END):
                continue
            restated = published + timedelta(days=364) if rng.random() < 0.15 else published
            fix = rng.normal(1, 0.05) if restated > published else 1.0
            revenue = sales[k] * level * (1 + 0.05 * np.sin(month * np.pi / 6)) * fix
            income = revenue * (margin[k] + quality)
            equity = assets[k] * level * (1 - leverage[k])
            shares = co.shares[k] * level**0.1
            fiscal = ((month - shift) // 12, f"Q{(month - shift) // 3 % 4 + 1}")
            lines = (revenue, income, assets[k] * level, equity, shares)
            rows.append((k, *fiscal, end, published, restated, *lines))
    names = (
        "company",
        "year",
        "quarter",
        "end",
        "published",
        "restated",
        "revenue",
        "income",
        "assets",
        "equity",
        "shares",
    )
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def market_path(rng: np.random.Generator, T: int) -> tuple[np.ndarray, np.ndarray]:
    """Daily market returns with persistent volatility, and a VIX that follows it."""
    level, log_vol = 0.0, np.empty(T)
    for t, shock in enumerate(rng.normal(0, 0.12, T)):
        level = 0.97 * level + shock
        log_vol[t] = level
    vol = 0.0085 * np.exp(log_vol * 0.8)
    return 0.0005 + vol * rng.standard_normal(T), 100 * np.sqrt(252) * vol * 1.15 * np.exp(rng.normal(0, 0.05, T))


def simulate_closes(
    rng: np.random.Generator, co: Companies, st: dict, market: np.ndarray, days: list[date], signal: float
) -> np.ndarray:
    """Closes [T, N] on the basis of END, NaN where a company has no bar."""
    T, n = len(days), co.price.size
    earnings = published_earnings(st, co, days)
    beta, own = rng.uniform(0.6, 1.5, n), rng.uniform(0.010, 0.022, n)
    sector = 0.004 * rng.standard_normal((T, len(SECTORS)))[:, co.sector]
    noise = rng.standard_t(6, (T, n)) * np.sqrt(4 / 6) * own
    close, now = np.full((T, n), np.nan), co.price.copy()
    for t in range(T):
        live = (co.first <= t) & (t <= co.last)
        value = scores(earnings[t] / (now * co.shares), live)
        past = close[t - 21] if t >= 21 else now
        reversal = scores(-now / np.where(np.isnan(past), now, past), live)
        drift = signal * 0.0006 * (0.7 * value + 0.7 * reversal)
        now = np.where(live & (co.first < t), now * np.exp(drift + beta * market[t] + sector[t] + noise[t]), now)
        close[t] = np.where(live, now, np.nan)
    for place, k in enumerate(np.flatnonzero(co.last < T - 1)):  # every other one fails, the rest are bought
        run = slice(co.last[k] - 15, co.last[k] + 1)
        close[run, k] *= np.linspace(0.95, 0.15, 16) if place % 2 == 0 else 1.25
    return close


def published_earnings(st: dict, co: Companies, days: list[date]) -> np.ndarray:
    """Net income of the four newest quarters published before each day [T, N]; NaN before there are four."""
    out = np.full((len(days), co.price.size), np.nan)
    at = np.searchsorted(np.array(days), st["published"], side="right")
    for k in range(co.price.size):
        rows = np.flatnonzero(st["company"] == k)
        for i in range(3, rows.size):
            out[at[rows[i]] :, k] = st["income"][rows[i - 3 : i + 1]].sum()
    return out


def scores(x: np.ndarray, live: np.ndarray) -> np.ndarray:
    """Cross-sectional ranks of the live and known, mean 0 and sd 1; 0 elsewhere."""
    out, known = np.zeros(x.size), live & np.isfinite(x)
    if known.sum() > 2:
        rank = x[known].argsort(kind="stable").argsort(kind="stable")
        out[known] = (rank - rank.mean()) / rank.std()
    return out


def bars(
    rng: np.random.Generator, co: Companies, st: dict, market: np.ndarray, close: np.ndarray, days: list[date]
) -> tuple[pa.Table, list[tuple[str, date, float]]]:
    """Bars of every company and of SPY, 1 in 2,000 missing, and the dividends paid."""
    T, n = close.shape
    tickers = [*co.tickers, "SPY"]
    close = np.column_stack([close, 250 * np.exp(np.cumsum(market))])
    gap, high, low = rng.normal(0, 0.004, (T, n + 1)), *np.abs(rng.normal(0, 0.006, (2, T, n + 1)))
    opens = np.vstack([close[:1], close[:-1]]) * np.exp(gap)
    opens = np.where(np.isnan(opens), close, opens)
    turnover = np.clip(np.append(co.price * co.shares, 1e12) * 0.004, 4e6, 1.5e8) * np.exp(
        rng.normal(0, 0.35, (T, n + 1))
    )
    dropped = rng.random((T, n + 1)) < 0.0005
    dropped[:, n] = False
    pay = np.zeros_like(close)
    position = {day: t for t, day in enumerate(days)}
    for k, day, income, shares in zip(st["company"], st["published"], st["income"], st["shares"], strict=True):
        t = position.get(day + timedelta(days=21))
        if t is not None and co.payout[k] > 0 and income > 0 and co.first[k] < t <= co.last[k]:
            pay[t, k] = round(min(co.payout[k] * income / shares, 0.02 * close[t, k]), 6)
    pay[62::63, n] = np.round(0.0035 * close[62::63, n], 6)
    kept = np.ones_like(close)
    kept[1:] = 1 - pay[1:] / close[:-1]
    later = np.cumprod(np.nan_to_num(kept, nan=1.0)[::-1], axis=0)[::-1]  # product of the factors from t on
    adjusted = close * np.vstack([later[1:], np.ones((1, n + 1))])
    who, when = np.nonzero((~np.isnan(close) & ~dropped).T)
    columns = {
        "Open": opens,
        "High": np.maximum(opens, close) * np.exp(high),
        "Low": np.minimum(opens, close) * np.exp(-low),
        "Close": close,
        "Adj Close": adjusted,
    }
    table = {"ticker": [tickers[k] for k in who], "Date": [days[t] for t in when]}
    table |= {name: values[when, who] for name, values in columns.items()}
    table["Volume"] = np.round(turnover[when, who] / close[when, who]).astype(np.int64)
    paid = [(tickers[k], days[t], float(pay[t, k])) for k, t in zip(*np.nonzero(pay.T), strict=True)]
    return pa.table(table), paid


def actions(splits: list[tuple[str, date, float]], dividends: list[tuple[str, date, float]]) -> pa.Table:
    """Dividends and splits of one file, dates as text with the exchange's offset."""
    rows = sorted(
        [(*dividend, 0.0) for dividend in dividends] + [(who, day, 0.0, factor) for who, day, factor in splits]
    )
    ticker, day, dividend, factor = zip(*rows, strict=True)
    when = [f"{d} 00:00:00-0{4 if 3 < d.month < 11 else 5}:00" for d in day]
    return pa.table({"ticker": ticker, "Date": when, "Dividends": dividend, "Stock Splits": factor})


def company_tables(co: Companies) -> tuple[pa.Table, pa.Table]:
    """us-companies and industries; ids are text in the one and numbers in the other, as delivered."""
    industry = {(s, i): 100000 + 100 * s + i for s, name in enumerate(SECTORS) for i in range(len(SECTORS[name]))}
    n = len(co.tickers)
    companies = {
        "Ticker": co.tickers,
        "SimFinId": [str(900001 + k) for k in range(n)],
        "Company Name": co.names,
        "IndustryId": [str(industry[int(s), int(i)]) for s, i in zip(co.sector, co.industry, strict=True)],
        **{name: pa.nulls(n, pa.string()) for name in ("ISIN", "End of financial year (month)", "Number Employees")},
        "Business Summary": pa.nulls(n, pa.string()),
        "Market": ["us"] * n,
        "CIK": pa.nulls(n, pa.string()),
        "Main Currency": ["USD"] * n,
    }
    ids = {"IndustryId": list(industry.values()), "Sector": [list(SECTORS)[s] for s, _ in industry]}
    ids["Industry"] = [SECTORS[list(SECTORS)[s]][i] for s, i in industry]
    return pa.table(companies), pa.table(ids)


def statement_table(rng: np.random.Generator, co: Companies, st: dict[str, np.ndarray], declared: Table) -> pa.Table:
    """One quarterly statement: what is not simulated is NULL, and so are about 1.5% of the numbers that are."""
    revenue, income, assets, equity = st["revenue"], st["income"], st["assets"], st["equity"]
    pretax, depreciation, debt = income / 0.79, 0.05 * revenue, 0.45 * (assets - equity)
    operating, capex = pretax + 0.01 * debt, 0.06 * revenue
    lines = {
        "Revenue": revenue,
        "Cost of Revenue": -0.8 * revenue + operating,
        "Gross Profit": 0.2 * revenue + operating,
        "Operating Expenses": -0.2 * revenue,
        "Depreciation & Amortization": depreciation,
        "Operating Income (Loss)": operating,
        "Interest Expense, Net": operating - pretax,
        "Pretax Income (Loss)": pretax,
        "Income Tax (Expense) Benefit, Net": income - pretax,
        "Income (Loss) from Continuing Operations": income,
        "Net Income": income,
        "Net Income (Common)": income,
        "Net Income/Starting Line": income,
        "Cash, Cash Equivalents & Short Term Investments": 0.12 * assets,
        "Total Current Assets": 0.4 * assets,
        "Total Noncurrent Assets": 0.6 * assets,
        "Total Assets": assets,
        "Short Term Debt": 0.2 * debt,
        "Long Term Debt": 0.8 * debt,
        "Total Current Liabilities": 0.5 * (assets - equity),
        "Total Liabilities": assets - equity,
        "Total Equity": equity,
        "Total Liabilities & Equity": assets,
        "Net Cash from Operating Activities": income + depreciation,
        "Change in Fixed Assets & Intangibles": -capex,
        "Net Cash from Investing Activities": -capex,
        "Dividends Paid": np.where(
            co.payout[st["company"]] > 0, -co.payout[st["company"]] * np.maximum(income, 0), np.nan
        ),
    }
    later = np.ones(len(co.tickers))  # counts are on SIMFIN_BASIS: the splits between END and it
    for k, day, factor in co.splits:
        later[k] *= factor if day > END else 1.0
    shares = st["shares"] * later[st["company"]]
    numbers = {"Shares (Basic)": shares, "Shares (Diluted)": 1.02 * shares}
    table = {
        "Ticker": [co.tickers[k] for k in st["company"]],
        "SimFinId": 900001 + st["company"],
        "Currency": ["USD"] * shares.size,
        "Fiscal Year": st["year"],
        "Fiscal Period": st["quarter"],
        "Report Date": st["end"],
        "Publish Date": st["published"],
        "Restated Date": st["restated"],
    }
    items = [column.name for column in declared.columns if column.name not in {*table, *numbers}]
    numbers |= {item: lines.get(item, np.full(shares.size, np.nan)) for item in items}
    for name, values in numbers.items():
        missing = np.isnan(values) | (rng.random(values.size) < 0.015)
        table[name] = pa.array(np.where(missing, 0, np.round(values)).astype(np.int64), mask=missing)
    return pa.table(table)


def write(path: Path, table: pa.Table) -> None:
    """Write one file, Parquet or CSV by its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        pa_csv.write_csv(table, path)
    else:
        pq.write_table(table, path, compression="zstd")
