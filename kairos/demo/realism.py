"""What makes a market look real: numbers measured from vendor files alone, and the bands they must fall into.

`BANDS` was written down before the simulator was tuned (docs/decisions/0010-what-looks-real.md says where each comes
from). `measure` reads a market in Sharadar's layout or in that of Yahoo and SimFin, so that the same code measures the
demo market and a real one.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

MIN_BARS = 500  # returns a security needs to count in statistics of its own series
FILINGS_UP_TO_DAYS = 400  # a later or an earlier (negative) filing date is a defect, not a lag
ITEMS = {  # item: (column of sharadar/SF1, column of simfin's income statement)
    "revenue": ("revenue", "Revenue"),
    "cost_of_revenue": ("cor", "Cost of Revenue"),
    "research": ("rnd", "Research & Development"),
    "operating_income": ("opinc", "Operating Income (Loss)"),
    "net_income": ("netinc", "Net Income"),
    "shares": ("shareswa", "Shares (Basic)"),
}

# SQL: ticker, year_end; the month of the quarter that is filed latest, for an annual report takes longest.
YEAR_ENDS = """
    select ticker, arg_max(month, days) as year_end
    from (
        select ticker, month(reportperiod) as month, median(datekey - reportperiod) as days
        from first_filed group by all
    )
    group by ticker
"""


@dataclass(frozen=True)
class Band:
    """Where a measured number must fall, limits included, and what the limits were taken from.

    us_large is what this code measures on a real market of 540 large companies, 2013 to 2024; None = not measurable.
    """

    name: str
    low: float
    high: float
    us_large: float | None
    source: str


BANDS = (
    Band("excess_kurtosis", 6, 30, 12.12, "both real markets; Cont 2001"),
    Band("share_beyond_5_sd", 0.0015, 0.007, 0.003536, "both real markets"),
    Band("tail_index", 2.2, 4, 2.926, "Gopikrishnan et al. 1999: about 3"),
    Band("volatility_p05", 0.13, 0.3, 0.2092, "both real markets"),
    Band("volatility_p50", 0.25, 0.55, 0.287, "both real markets"),
    Band("volatility_p95", 0.45, 1.1, 0.5048, "both real markets"),
    Band("autocorrelation_1", -0.08, 0.03, -0.03604, "Cont 2001: none worth trading"),
    Band("autocorrelation_5", -0.03, 0.03, 0.00908, "Cont 2001"),
    Band("autocorrelation_20", -0.03, 0.03, -0.004376, "Cont 2001"),
    Band("autocorrelation_absolute_1", 0.14, 0.32, 0.2239, "both real markets"),
    Band("autocorrelation_absolute_5", 0.09, 0.26, 0.1805, "both real markets"),
    Band("autocorrelation_absolute_20", 0.05, 0.18, 0.1093, "both real markets; Cont 2001: slow decay"),
    Band("pairwise_correlation", 0.15, 0.4, 0.3483, "both real markets"),
    Band("market_share_of_variance", 0.18, 0.45, 0.3655, "both real markets"),
    Band("sector_share_of_variance", 0.02, 0.12, 0.07675, "both real markets"),
    Band("index_volatility", 0.12, 0.25, 0.168, "SPY 2013 to 2024"),
    Band("index_autocorrelation_absolute_1", 0.15, 0.45, 0.3638, "SPY 2013 to 2024"),
    Band("turnover_p50", 0.003, 0.012, 0.006202, "us_large"),
    Band("dollar_volume_p05_musd", 0.03, 60, 45.06, "both real markets"),
    Band("dollar_volume_p95_musd", 50, 1500, 787.3, "both real markets"),
    Band("zero_volume_share", 0.0005, 0.02, 0.002011, "both real markets"),
    Band("volume_volatility_correlation", 0.2, 0.5, 0.3471, "Karpoff 1987; both real markets"),
    Band("bounce_least_liquid", -0.14, -0.01, -0.01453, "Roll 1984; both real markets"),
    Band("bounce_most_liquid", -0.03, 0.03, 0.001231, "both real markets"),
    Band("missing_revenue", 0, 0.12, 0, "SimFin, all companies: 0.098"),
    Band("missing_cost_of_revenue", 0.04, 0.28, 0.05469, "SimFin, all companies: 0.185"),
    Band("missing_research", 0.4, 0.65, 0.5983, "SimFin, all companies: 0.528"),
    Band("missing_operating_income", 0, 0.03, 0, "SimFin, all companies: 0.0001"),
    Band("missing_net_income", 0, 0.03, 0, "SimFin, all companies: 0"),
    Band("missing_shares", 0, 0.03, 0.0007926, "SimFin, all companies: 0.005"),
    Band("filing_lag_quarterly_p05_days", 18, 30, 21, "SimFin, all companies: 26"),
    Band("filing_lag_quarterly_p50_days", 30, 41, 32, "SEC: 40 or 45 days; all companies: 37"),
    Band("filing_lag_quarterly_p95_days", 38, 50, 39, "SimFin, all companies: 46"),
    Band("filing_lag_annual_p05_days", 28, 45, 32, "SimFin, all companies: 39"),
    Band("filing_lag_annual_p50_days", 45, 65, 50, "SEC: 60, 75 or 90 days; all companies: 58"),
    Band("filing_lag_annual_p95_days", 57, 95, 59, "SimFin, all companies: 90"),
    Band("late_quarterly_share", 0.001, 0.035, 0.001605, "SimFin, all companies: 0.022"),
    Band("late_annual_share", 0, 0.06, 0, "SimFin, all companies: 0.026"),
    Band("reaction_next_session_share", 0.25, 0.65, 0.2999, "Lyle et al. 2019: 52% after the close; us_large"),
    Band("restated_share", 0.02, 0.2, None, "SimFin, two vintages: income 2% to 3%, cash flow 10%"),
    Band("period_ends_off_quarter_share", 0.08, 0.2, 0.1408, "both real markets"),
    Band("splits_per_year", 0.008, 0.03, 0.0189, "us_large"),
    Band("reverse_splits_per_year", 0.0005, 0.02, 0.00105, "us_large, upper limit for small companies"),
    Band("payers_share", 0.3, 0.85, 0.8043, "Michaely and Moin 2022; us_large"),
    Band("dividend_yield_p50", 0.01, 0.035, 0.02183, "us_large"),
    Band("listings_per_year", 0.02, 0.08, None, "Doidge, Karolyi and Stulz 2017"),
    Band("delistings_per_year", 0.03, 0.1, None, "Doidge, Karolyi and Stulz 2017"),
    Band("mergers_of_delistings", 0.45, 0.8, None, "Doidge, Karolyi and Stulz 2017: most delistings"),
    Band("ticker_changes_per_year", 0.005, 0.04, None, "no source found: a judgement"),
)


@dataclass(frozen=True)
class Files:
    """A market's files under common names.

    bars: ticker, date, total (close adjusted for everything), dollars (USD traded), volume; common shares only.
    sectors: ticker -> sector. values: ticker, date, market_value_usd of the newest dates known.
    filings: ticker, period_end, filed, is_annual and one 0/1 column `no_<item>` per item of ITEMS.
    splits: ticker, factor. dividends: ticker, date, yield (dividend over that day's close).
    events: number of each action of the vendor's list, empty where the market has none.
    restated: share of quarters whose newest values differ from those first filed; NaN where versions are not kept.
    index: date, r of SPY.
    """

    bars: pd.DataFrame
    sectors: pd.Series
    turnover: pd.Series
    filings: pd.DataFrame
    splits: pd.DataFrame
    dividends: pd.DataFrame
    events: pd.Series
    restated: float
    index: pd.Series


def measure(market_dir: Path) -> dict[str, float]:
    """Every statistic the market's files allow, by name; what they do not allow is not in it.

    Statistics of single securities are medians over those with at least MIN_BARS returns; a return needs a bar on two
    successive sessions.
    """
    market_dir = Path(market_dir)
    files = sharadar(market_dir) if (market_dir / "sharadar").is_dir() else yahoo(market_dir)
    total = files.bars.pivot(index="date", columns="ticker", values="total").sort_index()
    returns = total / total.shift(1) - 1
    out = tails(returns) | memory(returns) | together(returns, files.sectors) | liquidity(files, returns)
    out |= filing_habits(files) | corporate_life(files)
    out["reaction_next_session_share"] = reaction(files, returns)
    out["index_volatility"] = float(files.index.std() * np.sqrt(252))
    out["index_autocorrelation_absolute_1"] = float(files.index.abs().autocorr(1))
    return {name: float(value) for name, value in out.items() if np.isfinite(value)}


def breaches(measured: dict[str, float]) -> list[str]:
    """One sentence per statistic that is outside its band; a statistic that was not measured is not judged."""
    return [
        f"{band.name} is {measured[band.name]:.4g}, outside {band.low:g} to {band.high:g} ({band.source})"
        for band in BANDS
        if band.name in measured and not band.low <= measured[band.name] <= band.high
    ]


def tails(returns: pd.DataFrame) -> dict[str, float]:
    """Kurtosis, the share beyond five standard deviations, and Hill's tail index of the largest 1% of |r| / sd."""
    long = returns[returns.columns[returns.notna().sum() >= MIN_BARS]]
    z = np.abs(((long - long.mean()) / long.std()).to_numpy())
    z = np.sort(z[np.isfinite(z)])
    top = z[-max(20, z.size // 100) :]
    volatility = long.std() * np.sqrt(252)
    return {
        "excess_kurtosis": long.kurt().median(),
        "share_beyond_5_sd": (z > 5).mean(),
        "tail_index": 1 / np.log(top / top[0])[1:].mean(),
        "volatility_p05": volatility.quantile(0.05),
        "volatility_p50": volatility.median(),
        "volatility_p95": volatility.quantile(0.95),
    }


def lagged(x: pd.DataFrame, lag: int) -> pd.Series:
    """Autocorrelation of each column at a lag, pairs with a missing value left out."""
    return x.corrwith(x.shift(lag))


def memory(returns: pd.DataFrame) -> dict[str, float]:
    """Autocorrelations of returns and of absolute returns at lags 1, 5 and 20."""
    long = returns[returns.columns[returns.notna().sum() >= MIN_BARS]]
    out = {f"autocorrelation_{lag}": lagged(long, lag).median() for lag in (1, 5, 20)}
    return out | {f"autocorrelation_absolute_{lag}": lagged(long.abs(), lag).median() for lag in (1, 5, 20)}


def common(z: pd.DataFrame) -> float:
    """Mean correlation of the pairs of columns of standardised series, each pair over its common rows."""
    known = z.notna().to_numpy()
    x = np.where(known, z.to_numpy(), 0.0)
    n = known.sum(axis=1)
    return float((x.sum(axis=1) ** 2 - (x**2).sum(axis=1)).sum() / max((n * (n - 1)).sum(), 1))


def residuals(returns: pd.DataFrame) -> pd.DataFrame:
    """What a straight line on the equal-weighted market leaves of each series."""
    market = returns.mean(axis=1)
    x = returns.notna().mul(market, axis=0).where(returns.notna())
    centred = x - x.mean()
    beta = (centred * returns).sum() / (centred**2).sum()
    return returns - returns.mean() - centred * beta


def together(returns: pd.DataFrame, sectors: pd.Series) -> dict[str, float]:
    """Correlation of pairs, and the share of variance that market and sector explain.

    The sector's share is the mean correlation of market residuals within sectors times what the market leaves: for one
    factor per sector it is the factor's share, and it is not biased by the number of names.
    """
    long = returns[returns.columns[returns.notna().sum() >= MIN_BARS]]
    left = residuals(long)
    by_market = 1 - left.var() / long.var()
    z = left / left.std()
    groups = [list(names) for _, names in z.columns.to_series().groupby(sectors.reindex(z.columns)) if len(names) > 1]
    pairs = np.array([len(names) * (len(names) - 1) for names in groups])
    within = np.array([common(z[names]) for names in groups])
    inside = float((pairs * within).sum() / pairs.sum()) if len(groups) else np.nan
    return {
        "pairwise_correlation": common((long - long.mean()) / long.std()),
        "market_share_of_variance": by_market.median(),
        "sector_share_of_variance": inside * (1 - by_market.median()),
    }


def liquidity(files: Files, returns: pd.DataFrame) -> dict[str, float]:
    """Turnover, dollar volumes, zero-volume days, volume against volatility, and the bounce of the least liquid."""
    dollars = files.bars.pivot(index="date", columns="ticker", values="dollars").sort_index()
    long = returns.columns[returns.notna().sum() >= MIN_BARS]
    traded = np.log(dollars[long].where(dollars[long] > 0))
    surprise = traded - traded.rolling(60, min_periods=40).median().shift(1)
    adv = dollars[long].median()
    left = residuals(returns[long])
    first = lagged(left, 1)
    fifth = pd.qcut(adv.rank(method="first"), 5, labels=False)
    return {
        "turnover_p50": files.turnover.median(),
        "dollar_volume_p05_musd": adv.quantile(0.05) / 1e6,
        "dollar_volume_p95_musd": adv.quantile(0.95) / 1e6,
        "zero_volume_share": (files.bars.volume == 0).mean(),
        "volume_volatility_correlation": surprise.corrwith(returns[long].abs()).median(),
        "bounce_least_liquid": first[fifth == 0].median(),
        "bounce_most_liquid": first[fifth == 4].median(),
    }


def reaction(files: Files, returns: pd.DataFrame) -> float:
    """Share of the price's reaction to reports that falls on the session after the filing's date.

    The excess of the mean |residual| / sd over the security's usual one, of the next session over that of both. Reports
    filed after the close move the next session, the others their own.
    """
    left = residuals(returns[returns.columns[returns.notna().sum() >= MIN_BARS]])
    size = (left.abs() / left.abs().mean()).to_numpy()
    filings = files.filings[files.filings.ticker.isin(left.columns)]
    row = left.index.searchsorted(pd.to_datetime(filings.filed).to_numpy())
    column = left.columns.get_indexer(filings.ticker)
    inside = (row > 0) & (row < len(left) - 1)
    own, following = (size[row[inside] + step, column[inside]] for step in (0, 1))
    both = np.isfinite(own) & np.isfinite(following)
    first, second = own[both].mean() - 1, following[both].mean() - 1
    return float(second / (first + second))


def filing_habits(files: Files) -> dict[str, float]:
    """Days from period end to filing, late filers, missing items, restated quarters."""
    filings = files.filings
    days = (pd.to_datetime(filings.filed) - pd.to_datetime(filings.period_end)).dt.days
    usable = days.between(0, FILINGS_UP_TO_DAYS)
    out = {f"missing_{item}": filings[f"no_{item}"].mean() for item in ITEMS}
    for kind, rows in (("quarterly", ~filings.is_annual), ("annual", filings.is_annual)):
        lags = days[usable & rows]
        out |= {f"filing_lag_{kind}_p{q:02d}_days": lags.quantile(q / 100) for q in (5, 50, 95)}
        out[f"late_{kind}_share"] = (lags > (50 if kind == "quarterly" else 95)).mean()
    return out | {"restated_share": files.restated, "period_ends_off_quarter_share": off_quarter(filings)}


def off_quarter(filings: pd.DataFrame) -> float:
    """Share of companies whose fiscal quarters do not end with calendar quarters (in most of their reports)."""
    month = pd.to_datetime(filings.period_end).dt.month
    return float((month % 3 != 0).groupby(filings.ticker).mean().gt(0.5).mean())


def corporate_life(files: Files) -> dict[str, float]:
    """Splits, dividends, listings and delistings per security and year."""
    years = len(files.bars) / 252
    payers = files.dividends.groupby("ticker")["yield"].sum() / (files.bars.groupby("ticker").size() / 252)
    out = {
        "splits_per_year": (files.splits.factor > 1).sum() / years,
        "reverse_splits_per_year": (files.splits.factor < 1).sum() / years,
        "payers_share": payers.notna().sum() / files.bars.ticker.nunique(),
        "dividend_yield_p50": payers.median(),
    }
    if not files.events.empty:
        gone = ["mergerto", "acquisitionby", "bankruptcyliquidation", "regulatorydelisting", "voluntarydelisting"]
        ends = files.events.reindex(gone, fill_value=0)
        bought = ends[["mergerto", "acquisitionby"]].sum()
        out |= {
            "listings_per_year": files.events.get("listed", 0) / years,
            "delistings_per_year": ends.sum() / years,
            "mergers_of_delistings": bought / ends.sum() if ends.sum() else np.nan,
            "ticker_changes_per_year": files.events.get("tickerchangefrom", 0) / years,
        }
    return out


def yahoo(market_dir: Path) -> Files:
    """A market with yahoo/ and simfin/: the shares with a sector; statements are one restated vintage."""
    con = duckdb.connect()
    con.execute(f"""
        create view stocks as
        select c."Ticker" as ticker, i."Sector" as sector
        from '{market_dir}/simfin/us-companies.parquet' as c
        join '{market_dir}/simfin/industries.parquet' as i on try_cast(c."IndustryId" as bigint) = i."IndustryId";
        create view bars as
        select p.ticker, "Date" as date, "Adj Close" as total, "Close" * "Volume" as dollars, "Volume" as volume,
            "Close"
        from read_parquet('{market_dir}/yahoo/prices*.parquet', union_by_name = true) as p
        semi join stocks using (ticker);
        create view actions as
        select ticker, "Date"[:10]::date as date, "Dividends" as dividend, "Stock Splits" as factor
        from '{market_dir}/yahoo/actions.parquet' semi join stocks using (ticker);
        create view income as from '{market_dir}/simfin/us-income-quarterly.parquet';
    """)
    missing = ", ".join(f'("{column}" is null)::int as no_{item}' for item, (_, column) in ITEMS.items())
    turnover = con.execute("""
        select b.ticker, median(b.volume / s.shares)
        from bars as b
        join (
            select "Ticker" as ticker, last("Shares (Basic)" order by "Report Date") as shares from income group by all
        ) as s using (ticker)
        where b.date > (select max(date) from bars) - interval 1 year
            and ticker not in (select ticker from actions where factor > 0 and date >= date '2019-01-01')
        group by b.ticker
    """).fetchall()
    return Files(
        bars=con.sql("select ticker, date, total, dollars, volume from bars").df(),
        sectors=con.sql("select ticker, any_value(sector) as sector from stocks group by ticker")
        .df()
        .set_index("ticker")
        .sector,
        turnover=pd.Series(dict(turnover), dtype=float),
        filings=con.sql(f"""
            select "Ticker" as ticker, "Report Date" as period_end, "Publish Date" as filed,
                "Fiscal Period" = 'Q4' as is_annual, {missing}
            from income where "Ticker" in (select ticker from bars)
        """).df(),
        splits=con.sql("""
            select a.ticker, a.factor from actions as a
            where a.factor > 0 and a.date between (select min(date) from bars) and (select max(date) from bars)
                and (abs(a.factor - 1) > 0.45)
        """).df(),
        dividends=con.sql("""
            select ticker, date, dividend / "Close" as yield
            from actions join bars using (ticker, date) where dividend > 0
        """).df(),
        events=pd.Series(dtype=float),
        restated=np.nan,
        index=index(
            con, f"read_parquet('{market_dir}/yahoo/prices*.parquet', union_by_name = true)", '"Date"', '"Adj Close"'
        ),
    )


def sharadar(market_dir: Path) -> Files:
    """A market with sharadar/: common shares of SEP, statements of dimension ARQ."""
    con, at = duckdb.connect(), market_dir / "sharadar"
    con.execute(f"""
        create view bars as
        select ticker, date, closeadj as total, close * volume as dollars, volume, closeunadj
        from '{at}/SEP.parquet';
        create view actions as from '{at}/ACTIONS.parquet' where ticker in (select ticker from bars);
        create view sf1 as from '{at}/SF1.parquet';
        create view first_filed as
        from sf1 where dimension = 'ARQ'
        qualify row_number() over (partition by ticker, reportperiod order by datekey) = 1;
    """)
    missing = ", ".join(f"({column} is null)::int as no_{item}" for item, (column, _) in ITEMS.items())
    turnover = con.execute(f"""
        select b.ticker, median(b.dollars / (1e6 * d.marketcap))
        from bars as b join '{at}/DAILY.parquet' as d using (ticker, date)
        where d.marketcap > 0 group by b.ticker
    """).fetchall()
    return Files(
        bars=con.sql("select ticker, date, total, dollars, volume from bars").df(),
        sectors=con.sql(f"select ticker, sector from '{at}/TICKERS.parquet' where \"table\" = 'SEP'")
        .df()
        .set_index("ticker")
        .sector,
        turnover=pd.Series(dict(turnover), dtype=float),
        filings=con.sql(f"""
            select f.ticker, reportperiod as period_end, datekey as filed,
                month(reportperiod) = t.year_end as is_annual, {missing}
            from first_filed as f join ({YEAR_ENDS}) as t using (ticker)
        """).df(),
        splits=con.sql("select ticker, value as factor from actions where action = 'split'").df(),
        dividends=con.sql("""
            select ticker, date, value / closeunadj as yield
            from actions join bars using (ticker, date) where action = 'dividend'
        """).df(),
        events=con.sql("select action, count(*) as n from actions group by action").df().set_index("action").n,
        restated=con.execute("""
            select avg((a.revenue != m.revenue or a.netinc != m.netinc or a.ncfo != m.ncfo)::int)
            from first_filed as a join sf1 as m using (ticker, reportperiod) where m.dimension = 'MRQ'
        """).fetchone()[0],
        index=index(con, f"'{at}/SFP.parquet'", "date", "closeadj"),
    )


def index(con: duckdb.DuckDBPyConnection, source: str, date: str, total: str) -> pd.Series:
    """Daily returns of SPY."""
    closes = con.execute(f"select {total} from {source} where ticker = 'SPY' order by {date}").fetchnumpy()
    values = pd.Series(next(iter(closes.values())), dtype=float)
    return values / values.shift(1) - 1


def main() -> None:
    """Print every statistic of the markets named on the command line beside its band."""
    for name in sys.argv[1:]:
        measured = measure(Path(name))
        print(name)
        for band in BANDS:
            value = measured.get(band.name, np.nan)
            mark = "  " if not band.low > value and not band.high < value else "! "
            print(f"{mark}{band.name:34s}{value:12.5g}   {band.low:g} to {band.high:g}")


if __name__ == "__main__":
    main()
