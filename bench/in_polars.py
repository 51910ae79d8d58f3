"""The same columns in Polars, written as one would in Polars: lazy, streaming, one pass over the prices.

The statements of the benchmark are never restated and come in order, so quarters may be summed by position, and every
session has its market; the price ratios, windows, gates and staleness rules are those of the project. That spares this
side what the SQL does on the same rows: versions, share counts on split bases and in doubt, and keys in ten tables.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path

import polars as pl

STALE_AFTER_DAYS = {"fundamentals": 400, "short_interest": 45, "holdings": 120}
MIN_SECTOR_NAMES = 5
STATEMENTS = {
    "income": ["revenue", "gross_profit", "operating_income", "net_income"],
    "balance": ["assets", "assets_current", "liabilities_current", "debt", "cash", "equity"],
    "cashflow": ["operating_cash_flow", "free_cash_flow", "dividends_paid", "depreciation_amortization"],
}
KEYS = ["as_of_date", "security_id"]
SECTORS = [
    "Basic Materials", "Business Services", "Communication Services", "Consumer Cyclical", "Consumer Defensive",
    "Energy", "Financial Services", "Healthcare", "Industrials", "Real Estate", "Technology", "Utilities",
]  # fmt: skip
VALUATIONS = ["earnings_yield", "fcf_yield", "book_to_market", "sales_yield", "ev_to_ebitda", "dividend_yield"]
FAMILIES = {
    "price": [
        "adv_20", "hl_ratio", "range_pct", "gap_1d", "ret_1d", "ret_5d", "ret_21d",
        "mom_1m", "mom_3m", "mom_6m", "mom_12m", "mom_3_1", "mom_6_1", "mom_12_1", "reversal_1m",
        "relative_strength_126d", "roc_10d", "roc_20d", "roc_60d", "trend_strength_200d",
        "vol_20", "vol_21", "vol_63", "vol_blend", "atr_14_pct", "bb_width_20", "bb_position_20", "parkinson_21",
        "beta_21d", "beta_63d", "beta_252d", "resid_vol_63d",
    ],
    "technical": [
        "rsi_14", "macd_12_26", "macd_signal_9", "macd_hist", "stoch_k_14", "stoch_d_3", "adx_14", "cci_20",
        "bb_upper_dist_20", "bb_lower_dist_20", "obv_slope_20", "sma_20_dist", "sma_50_dist", "sma_200_dist",
        "ema_12_dist", "ema_26_dist", "vwap_20_dist", "volume_sma_ratio_20", "volume_trend_20_60",
        "high_252_dist", "low_252_dist", "amihud_21",
    ],
    "fundamental": [
        *VALUATIONS, *(f"{name}_vs_sector" for name in VALUATIONS),
        "roa", "roe", "operating_margin", "gross_margin", "gross_profitability", "asset_growth", "revenue_growth",
        "earnings_growth", "accruals", "current_ratio", "debt_to_equity", "net_issuance", "fundamental_age_days",
    ],
    "cross_asset": [
        "spy_corr_60d", "spy_rel_strength_21d", "sector_rel_strength_21d", "vix_level", "vix_change_5d",
        "market_trend_up", "market_vol_tercile",
    ],
    "alternative": [
        "insider_shares_bought_90d", "insider_value_bought_90d", "insider_net_count_90d", "insider_net_shares_90d",
        "insider_net_value_90d", "insider_composite_z", "short_interest_ratio", "days_to_cover",
        "short_interest_change", "institutional_ownership", "institutional_ownership_change",
        "insider_age_days", "short_interest_age_days", "institutional_ownership_age_days",
    ],
    "temporal": [
        "day_of_week", "month_of_year", "quarter_of_year", "days_since_year_start", "is_month_end",
        *(f"sector_{name.lower().replace(' ', '_')}" for name in SECTORS), "sector_other",
    ],
}  # fmt: skip
FEATURES = [name for names in FAMILIES.values() for name in names]


def price_features(bars: pl.LazyFrame) -> pl.LazyFrame:
    """Prices, momentum, volatility of returns and beta beside what is given; rows and order of int_prices."""
    run = pl.col("security_id")
    tr, r, m, row, close = (pl.col(name) for name in ("close_total_return", "r", "m", "row_in_run", "close"))

    def over(n: int, expression: pl.Expr) -> pl.Expr:
        return pl.when(row > n).then(expression.over(run))

    def moved(n: int, x: pl.Expr = tr) -> pl.Expr:
        return over(n, x / x.shift(n) - 1)

    strength = pl.when("is_member").then(pl.col("mom_6m"))
    names = strength.count().over("as_of_date")
    windows = bars.with_columns(
        (pl.col("high") / pl.col("low")).alias("hl_ratio"),
        ((pl.col("high") - pl.col("low")) / close).alias("range_pct"),
        over(1, pl.col("open") / close.shift(1) - 1).alias("gap_1d"),
        moved(1).alias("ret_1d"),
        moved(5).alias("ret_5d"),
        moved(21).alias("ret_21d"),
        moved(63).alias("mom_3m"),
        moved(126).alias("mom_6m"),
        moved(252).alias("mom_12m"),
        *(over(n, tr.shift(21) / tr.shift(n) - 1).alias(f"mom_{k}_1") for n, k in ((63, 3), (126, 6), (252, 12))),
        *(moved(n, close).alias(f"roc_{n}d") for n in (10, 20, 60)),
        *(over(n, r.rolling_std(n) * 252**0.5).alias(f"vol_{n}") for n in (20, 21, 63)),
        *(over(n, pl.rolling_cov(r, m, window_size=n, min_samples=n)).alias(f"cov_{n}") for n in (21, 63, 252)),
        *(over(n, m.rolling_var(n)).alias(f"var_{n}") for n in (21, 63, 252)),
    )
    return windows.with_columns(
        pl.col("ret_21d").alias("mom_1m"),
        (-pl.col("ret_21d")).alias("reversal_1m"),
        ((pl.col("vol_21") + pl.col("vol_63")) / 2).alias("vol_blend"),
        *((pl.col(f"cov_{n}") / pl.col(f"var_{n}")).alias(f"beta_{n}d") for n in (21, 63, 252)),
        pl.when(strength.is_null())
        .then(None)
        .when(names == 1)
        .then(0.5)
        .otherwise((strength.rank("average").over("as_of_date") - 1) / (names - 1))
        .alias("relative_strength_126d"),
    ).with_columns(
        ((pl.col("vol_63") ** 2 - pl.col("beta_63d") ** 2 * pl.col("var_63") * 252).clip(lower_bound=0).sqrt()).alias(
            "resid_vol_63d"
        )
    )


def indicators(prices: pl.LazyFrame) -> pl.LazyFrame:
    """The technical family and the bars' volatility beside what is given; averages that fade begin with the run."""
    high, low, close, volume = (pl.col(name) for name in ("high", "low", "close", "volume_shares"))
    r, row, typical, mean_paid = (pl.col(name) for name in ("r", "row_in_run", "typical", "typical_mean"))
    run = ["security_id", "run"]

    def ema(x: pl.Expr, n: int) -> pl.Expr:
        return x.ewm_mean(alpha=2 / (n + 1), adjust=False).over(run)

    def wilder(x: pl.Expr, first: int) -> pl.Expr:
        start = first + 13
        terms = pl.when(row == start).then(x.rolling_mean(14)).when(row > start).then(x)
        return terms.ewm_mean(alpha=1 / 14, adjust=False).over(run)

    def larger(x: pl.Expr, other: pl.Expr) -> pl.Expr:
        return pl.when(row > 1).then(pl.when((x - other > 1e-9 * close) & (x > 0)).then(x).otherwise(0.0))

    def full(n: int, x: pl.Expr) -> pl.Expr:
        return pl.when(row >= n).then(x)

    moved, rise, fall = pl.col("moved"), pl.col("rise"), pl.col("fall")
    up, down, plus, minus = (pl.col(name) for name in ("up", "down", "plus", "minus"))
    windows = (
        prices.with_columns((row == 1).cum_sum().alias("run"), ((high + low + close) / 3).alias("typical"))
        .with_columns(
            (close - close.shift(1)).over(run).alias("moved"),
            (high - high.shift(1)).over(run).alias("rise"),
            (low.shift(1) - low).over(run).alias("fall"),
            pl.when(row > 1)
            .then(pl.max_horizontal(high, close.shift(1)) - pl.min_horizontal(low, close.shift(1)))
            .over(run)
            .alias("true_range"),
            (high / low).log().pow(2).rolling_mean(21).over(run).alias("squared_range"),
            ema(close, 12).alias("ema_12"),
            ema(close, 26).alias("ema_26"),
            *(close.rolling_mean(n).over(run).alias(f"mean_{n}") for n in (20, 50, 200)),
            (2 * close.rolling_std(20, ddof=0)).over(run).alias("band"),
            typical.rolling_mean(20).over(run).alias("typical_mean"),
            (typical.rolling_max(20) > typical.rolling_min(20)).over(run).alias("typical_moves"),
            *(high.rolling_max(n).over(run).alias(f"high_{n}") for n in (14, 252)),
            *(low.rolling_min(n).over(run).alias(f"low_{n}") for n in (14, 252)),
            *(volume.rolling_mean(n).over(run).alias(f"volume_{n}") for n in (20, 60)),
            (typical * volume).rolling_mean(20).over(run).alias("paid"),
        )
        .with_columns(
            full(2, moved.clip(lower_bound=0)).alias("up"),
            full(2, (-moved).clip(lower_bound=0)).alias("down"),
            larger(rise, fall).alias("plus"),
            larger(fall, rise).alias("minus"),
            (moved.sign() * volume).alias("signed"),
            ((pl.col("ema_12") - pl.col("ema_26")) / close).alias("macd"),
            pl.when((row > 1) & (volume > 0)).then(r.abs() / pl.col("dollar_volume_usd")).alias("impact"),
            full(14, 100 * (close - pl.col("low_14")) / (pl.col("high_14") - pl.col("low_14"))).alias("stoch_k_14"),
            pl.sum_horizontal(*((typical.shift(k).over(run) - mean_paid).abs() for k in range(20))).alias("spread"),
        )
        .with_columns(
            wilder(up, 2).alias("up"),
            wilder(down, 2).alias("down"),
            wilder(plus, 2).alias("plus"),
            wilder(minus, 2).alias("minus"),
            wilder(pl.col("true_range"), 2).alias("mean_true_range"),
            ema(pl.col("macd"), 9).alias("signal"),
            pl.sum_horizontal(*((19 - k) * (k + 1) / 2 * pl.col("signed").shift(k).over(run) for k in range(19))).alias(
                "slope"
            ),
        )
        .with_columns(full(15, (100 * (plus - minus).abs() / (plus + minus)).fill_nan(0.0)).alias("directional"))
    )
    return windows.with_columns(
        (pl.col("mean_true_range") / close).alias("atr_14_pct"),
        (2 * pl.col("band") / pl.col("mean_20")).alias("bb_width_20"),
        ((close - pl.col("mean_20") + pl.col("band")) / (2 * pl.col("band"))).alias("bb_position_20"),
        (pl.col("squared_range") / (4 * math.log(2)) * 252).sqrt().alias("parkinson_21"),
        (close / pl.col("mean_200") - 1).alias("trend_strength_200d"),
        full(15, (100 * up / (up + down)).fill_nan(50.0)).alias("rsi_14"),
        full(26, pl.col("macd")).alias("macd_12_26"),
        full(34, pl.col("signal")).alias("macd_signal_9"),
        full(34, pl.col("macd") - pl.col("signal")).alias("macd_hist"),
        pl.col("stoch_k_14").rolling_mean(3).over(run).alias("stoch_d_3"),
        wilder(pl.col("directional"), 15).alias("adx_14"),
        full(20, pl.when("typical_moves").then((typical - mean_paid) / (0.015 * pl.col("spread") / 20))).alias(
            "cci_20"
        ),
        ((pl.col("mean_20") + pl.col("band")) / close - 1).alias("bb_upper_dist_20"),
        ((pl.col("mean_20") - pl.col("band")) / close - 1).alias("bb_lower_dist_20"),
        full(20, pl.col("slope") / 665 / pl.col("volume_20")).alias("obv_slope_20"),
        *((close / pl.col(f"mean_{n}") - 1).alias(f"sma_{n}_dist") for n in (20, 50, 200)),
        *(full(n, close / pl.col(f"ema_{n}") - 1).alias(f"ema_{n}_dist") for n in (12, 26)),
        (close / (pl.col("paid") / pl.col("volume_20")) - 1).alias("vwap_20_dist"),
        (volume / pl.col("volume_20")).alias("volume_sma_ratio_20"),
        (pl.col("volume_20") / pl.col("volume_60") - 1).alias("volume_trend_20_60"),
        (close / pl.col("high_252") - 1).alias("high_252_dist"),
        (close / pl.col("low_252") - 1).alias("low_252_dist"),
        full(22, pl.col("impact").rolling_mean(21, min_samples=15).over(run) * 1e6).alias("amihud_21"),
    )


def cross_asset(frame: pl.LazyFrame, bars: pl.LazyFrame, series: pl.LazyFrame) -> pl.LazyFrame:
    """Against the market, the sector and the market's state, beside what frame gives; the days are those of bars."""
    run, row, r, m = pl.col("security_id"), pl.col("row_in_run"), pl.col("r"), pl.col("m")

    def product(by: list[str]) -> pl.Expr:
        growth = pl.lit(1.0)
        for n in range(21):
            growth = growth * (pl.col("growth").shift(n).over(by) if by else pl.col("growth").shift(n))
        return growth.alias("growth_21d")

    market = (
        bars.group_by("as_of_date").agg((1 + m.first()).alias("growth")).sort("as_of_date").with_columns(product([]))
    )
    sectors = (
        bars.select(
            "as_of_date",
            "r",
            pl.when((row > 1) & pl.col("is_member").shift(1).over(run))
            .then(pl.col("sector").shift(1).over(run))
            .alias("sector"),
        )
        .filter(pl.col("sector").is_not_null())
        .group_by("as_of_date", "sector")
        .agg((1 + r.mean()).alias("growth"))
        .sort("sector", "as_of_date")
        .with_columns(product(["sector"]))
        .select("as_of_date", "sector", pl.col("growth_21d").alias("sector_growth_21d"))
    )
    spy = bars.filter(pl.col("ticker") == "SPY").select(
        "as_of_date",
        pl.when(row >= 200).then(pl.col("close") / pl.col("close").rolling_mean(200) - 1).alias("trend"),
        pl.when(row > 21).then(r.rolling_std(21)).alias("vol"),
    )
    limits = [pl.col("vol").cumulative_eval(pl.element().quantile(n / 3, "linear")).alias(f"limit_{n}") for n in (1, 2)]
    regimes = spy.with_columns(pl.col("vol").is_not_null().cum_sum().alias("values"), *limits).select(
        "as_of_date",
        (pl.col("trend") > 0).cast(pl.Int8).alias("market_trend_up"),
        pl.when((pl.col("values") >= 252) & pl.col("vol").is_not_null())
        .then(1 + (pl.col("vol") > pl.col("limit_1")).cast(pl.Int8) + (pl.col("vol") > pl.col("limit_2")).cast(pl.Int8))
        .alias("market_vol_tercile"),
    )
    vix = series.filter(pl.col("series") == "VIX").sort("session_index")
    days = (
        market.select("as_of_date", pl.col("growth_21d").alias("market_growth_21d"))
        .join(
            vix.select(
                "as_of_date",
                pl.col("known_at").alias("vix_known_at"),
                pl.col("value").alias("vix_level"),
                (pl.col("value") / pl.col("value").shift(5) - 1).alias("vix_change_5d"),
            ),
            on="as_of_date",
            how="left",
        )
        .join(regimes, on="as_of_date", how="left")
    )
    covariance, tr = pl.rolling_cov(r, m, window_size=60, min_samples=60), pl.col("close_total_return")
    spread = (r.rolling_var(60) * m.rolling_var(60)).sqrt()
    growth = pl.when(row > 21).then((tr / tr.shift(21)).over(run))
    return (
        frame.with_columns(
            pl.when(row > 60).then((covariance / spread).over(run)).alias("spy_corr_60d"), growth.alias("growth_21d")
        )
        .join(days, on="as_of_date", how="left", maintain_order="left")
        .join(sectors, on=["as_of_date", "sector"], how="left", maintain_order="left")
        .with_columns(
            (pl.col("growth_21d") / pl.col("market_growth_21d") - 1).alias("spy_rel_strength_21d"),
            (pl.col("growth_21d") / pl.col("sector_growth_21d") - 1).alias("sector_rel_strength_21d"),
        )
    )


def temporal(bars: pl.LazyFrame, sessions: pl.LazyFrame) -> pl.LazyFrame:
    """The calendar and flags of the sector beside what is given."""
    day, sector = pl.col("as_of_date"), pl.col("sector")
    ends = sessions.select(pl.col("session_date").alias("as_of_date"), pl.col("is_month_end").cast(pl.Int8))
    return bars.join(ends, on="as_of_date", how="left", maintain_order="left").with_columns(
        day.dt.weekday().alias("day_of_week"),
        day.dt.month().alias("month_of_year"),
        day.dt.quarter().alias("quarter_of_year"),
        (day.dt.ordinal_day() - 1).alias("days_since_year_start"),
        *((sector == name).cast(pl.Int8).alias(f"sector_{name.lower().replace(' ', '_')}") for name in SECTORS),
        (~sector.is_in(SECTORS)).cast(pl.Int8).alias("sector_other"),
    )


def statement_states(statements: pl.LazyFrame, statement: str) -> pl.LazyFrame:
    """Sums of four quarters, year-ago levels and counts of one statement at each of its publications."""
    end, by = pl.col("period_end_date"), "security_id"
    span = (end - end.shift(3).over(by)).dt.total_days()
    span_year_ago = (end.shift(4) - end.shift(7)).over(by).dt.total_days()
    year = (end - end.shift(4).over(by)).dt.total_days().is_between(330, 400)
    items = STATEMENTS[statement]
    if statement == "balance":
        columns = [pl.col(item) for item in items]
        columns += [pl.when(year).then(pl.col(item).shift(4).over(by)).alias(f"{item}_year_ago") for item in items]
    else:
        columns = [
            pl.when(span <= 320).then(pl.col(item).rolling_sum(4).over(by)).alias(f"{item}_ttm") for item in items
        ]
        columns += [
            pl.when(year & (span_year_ago <= 320))
            .then(pl.col(item).rolling_sum(4).shift(4).over(by))
            .alias(f"{item}_ttm_year_ago")
            for item in items
        ]
    shares = pl.col("shares_basic")
    return (
        statements.filter(pl.col("statement") == statement)
        .sort("security_id", "period_end_date")
        .select(
            "security_id",
            "known_at",
            pl.col("known_at").alias(f"{statement}_known_at"),
            end.alias(f"{statement}_end"),
            shares.alias(f"{statement}_shares"),
            pl.when(year).then(shares.shift(4).over(by)).alias(f"{statement}_shares_year_ago"),
            *columns,
        )
    )


def events(statements: pl.LazyFrame) -> pl.LazyFrame:
    """The price-free state at each moment at which any statement becomes known, sorted by security and moment."""
    state = statements.select("security_id", "known_at").unique().sort("known_at")
    for statement in STATEMENTS:
        of_statement = statement_states(statements, statement).sort("known_at")
        state = state.join_asof(of_statement, on="known_at", by="security_id", check_sortedness=False)
    newest = pl.max_horizontal(*(f"{statement}_end" for statement in STATEMENTS))

    def of_newest(column: str) -> pl.Expr:
        return pl.coalesce(pl.when(pl.col(f"{s}_end") == newest).then(pl.col(f"{s}_{column}")) for s in STATEMENTS)

    def average(item: str) -> pl.Expr:
        return (pl.col(item) + pl.col(f"{item}_year_ago")) / 2

    def growth(item: str) -> pl.Expr:
        return (pl.col(item) - pl.col(f"{item}_year_ago")) / pl.col(f"{item}_year_ago").abs()

    net_income, revenue = pl.col("net_income_ttm"), pl.col("revenue_ttm")
    return state.select(
        "security_id",
        "known_at",
        *(f"{statement}_known_at" for statement in STATEMENTS),
        of_newest("known_at").alias("shares_known_at"),
        of_newest("shares").alias("shares"),
        (of_newest("shares") / of_newest("shares_year_ago")).log().alias("net_issuance"),
        net_income,
        revenue,
        pl.col("free_cash_flow_ttm"),
        pl.col("dividends_paid_ttm"),
        pl.col("equity"),
        (pl.col("debt") - pl.col("cash")).alias("net_debt"),
        (pl.col("operating_income_ttm") + pl.col("depreciation_amortization_ttm")).alias("ebitda_ttm"),
        (net_income / average("assets")).alias("roa"),
        pl.when(average("equity") > 0).then(net_income / average("equity")).alias("roe"),
        (pl.col("operating_income_ttm") / revenue).alias("operating_margin"),
        (pl.col("gross_profit_ttm") / revenue).alias("gross_margin"),
        (pl.col("gross_profit_ttm") / pl.col("assets")).alias("gross_profitability"),
        growth("assets").alias("asset_growth"),
        growth("revenue_ttm").alias("revenue_growth"),
        growth("net_income_ttm").alias("earnings_growth"),
        ((net_income - pl.col("operating_cash_flow_ttm")) / average("assets")).alias("accruals"),
        (pl.col("assets_current") / pl.col("liabilities_current")).alias("current_ratio"),
        pl.when(pl.col("equity") > 0).then(pl.col("debt") / pl.col("equity")).alias("debt_to_equity"),
    ).sort("known_at")


def fundamentals(bars: pl.LazyFrame, statements: pl.LazyFrame, wanted: Collection[str]) -> pl.LazyFrame:
    """The fundamental family, market value and count of shares beside what is given; sectors only if wanted."""
    daily = bars.join_asof(
        events(statements).rename({"known_at": "event_known_at"}),
        left_on="decided_at",
        right_on="event_known_at",
        by="security_id",
        check_sortedness=False,
    )

    def age(statement: str) -> pl.Expr:
        return (pl.col("as_of_date") - pl.col(f"{statement}_known_at").dt.date()).dt.total_days()

    def fresh(expression: pl.Expr | str, *statements: str) -> pl.Expr:
        rule = pl.all_horizontal(*(age(statement) <= STALE_AFTER_DAYS["fundamentals"] for statement in statements))
        return pl.when(rule).then(expression if isinstance(expression, pl.Expr) else pl.col(expression))

    value, ebitda = pl.col("market_value"), fresh("ebitda_ttm", "income", "cashflow")
    served = {
        "roa": ["income", "balance"],
        "roe": ["income", "balance"],
        "operating_margin": ["income"],
        "gross_margin": ["income"],
        "gross_profitability": ["income", "balance"],
        "asset_growth": ["balance"],
        "revenue_growth": ["income"],
        "earnings_growth": ["income"],
        "accruals": ["income", "cashflow", "balance"],
        "current_ratio": ["balance"],
        "debt_to_equity": ["balance"],
        "net_issuance": ["shares"],
    }
    valued = daily.with_columns(
        fresh("shares", "shares").alias("shares_at_t"),
        fresh(pl.col("close_unadjusted") * pl.col("shares"), "shares").alias("market_value"),
    ).with_columns(
        (fresh("net_income_ttm", "income") / value).alias("earnings_yield"),
        (fresh("free_cash_flow_ttm", "cashflow") / value).alias("fcf_yield"),
        (fresh("equity", "balance") / value).alias("book_to_market"),
        (fresh("revenue_ttm", "income") / value).alias("sales_yield"),
        pl.when(ebitda > 0).then((value + fresh("net_debt", "balance")) / ebitda).alias("ev_to_ebitda"),
        (fresh("dividends_paid_ttm", "cashflow") / value).alias("dividend_yield"),
        *(fresh(item, *rests_on).alias(item) for item, rests_on in served.items()),
        fresh(age("income"), "income").alias("fundamental_age_days"),
    )
    if not wanted & {f"{name}_vs_sector" for name in VALUATIONS}:
        return valued
    medians = (
        valued.filter(pl.col("is_member") & pl.col("sector").is_not_null())
        .group_by("as_of_date", "sector")
        .agg(
            pl.when(pl.col(name).count() >= MIN_SECTOR_NAMES).then(pl.col(name).median()).alias(f"{name}_vs_sector")
            for name in VALUATIONS
        )
    )
    return valued.join(medians, on=["as_of_date", "sector"], how="left", maintain_order="left").with_columns(
        (pl.col(name) - pl.col(f"{name}_vs_sector")).alias(f"{name}_vs_sector") for name in VALUATIONS
    )


def alternative(
    valued: pl.LazyFrame, insiders: pl.LazyFrame, shorts: pl.LazyFrame, holdings: pl.LazyFrame
) -> pl.LazyFrame:
    """Insiders, short interest and holdings beside what fundamentals() gave."""
    daily = valued.with_columns(
        (
            pl.when(pl.col("row_in_run") >= 20).then(pl.col("volume_shares").rolling_mean(20).over("security_id"))
            * (pl.col("close") / pl.col("close_unadjusted"))
        ).alias("mean_volume")
    )
    for name, steps in (("insiders", insiders), ("shorts", shorts), ("holdings", holdings)):
        named = steps.rename({c: f"{name}_{c}" for c in ("effective_at", "known_at", "share_multiplier")})
        daily = daily.join_asof(
            named.sort(f"{name}_effective_at"),
            left_on="decided_at",
            right_on=f"{name}_effective_at",
            by="security_id",
            check_sortedness=False,
        )

    def age(name: str) -> pl.Expr:
        return (pl.col("as_of_date") - pl.col(f"{name}_known_at").dt.date()).dt.total_days()

    def covered(column: str) -> pl.Expr:
        return pl.when("is_covered").then(pl.col(column))

    shares, value = pl.col("shares_at_t"), pl.col("market_value")
    insider_unit, short_unit, held_unit = (pl.col(f"{n}_share_multiplier") for n in ("insiders", "shorts", "holdings"))
    short = pl.when(age("shorts") <= STALE_AFTER_DAYS["short_interest"]).then(
        pl.col("shares_short_unsplit") * short_unit
    )
    held = pl.when(age("holdings") <= STALE_AFTER_DAYS["holdings"]).then(pl.col("shares_held_unsplit") * held_unit)
    settled = (pl.col("settlement_date") - pl.col("previous_settlement_date")).dt.total_days()
    quarter = (pl.col("period_end_date") - pl.col("previous_period_end_date")).dt.total_days()
    nets = ["insider_net_count_90d", "insider_net_shares_90d", "insider_net_value_90d"]
    columns = daily.with_columns(
        (covered("shares_bought_unsplit") * insider_unit).alias("insider_shares_bought_90d"),
        covered("value_bought_usd").alias("insider_value_bought_90d"),
        covered("net_count").cast(pl.Float64).alias(nets[0]),
        (covered("shares_net_unsplit") * insider_unit / shares).alias(nets[1]),
        (covered("value_net_usd") / value).alias(nets[2]),
        (short / pl.coalesce(pl.col("float_shares_unsplit") * short_unit, shares)).alias("short_interest_ratio"),
        (short / pl.col("mean_volume")).alias("days_to_cover"),
        pl.when(settled <= STALE_AFTER_DAYS["short_interest"])
        .then(short / (pl.col("previous_shares_short_unsplit") * short_unit) - 1)
        .alias("short_interest_change"),
        (held / shares).alias("institutional_ownership"),
        pl.when(quarter <= 100)
        .then((held - pl.col("previous_shares_held_unsplit") * held_unit) / shares)
        .alias("institutional_ownership_change"),
        age("insiders").alias("insider_age_days"),
        age("shorts").alias("short_interest_age_days"),
        age("holdings").alias("institutional_ownership_age_days"),
    )
    members = (
        columns.filter("is_member")
        .group_by("as_of_date")
        .agg(
            *(pl.col(name).mean().alias(f"{name}_mean") for name in nets),
            *(pl.col(name).std().alias(f"{name}_deviation") for name in nets),
        )
    )
    scores = [(pl.col(name) - pl.col(f"{name}_mean")) / pl.col(f"{name}_deviation") for name in nets]
    return columns.join(members, on="as_of_date", how="left", maintain_order="left").with_columns(
        pl.when("is_member").then((scores[0] + scores[1] + scores[2]) / 3).alias("insider_composite_z")
    )


def features(folder: Path, columns: Collection[str] = FEATURES) -> pl.LazyFrame:
    """Some features by (as_of_date, security_id), in the order of int_prices, from the Parquet files of bench.data.

    What the columns do not need is left out, by this function where it is a join and by Polars elsewhere.
    """

    def scan(name: str) -> pl.LazyFrame:
        return pl.scan_parquet(folder / f"{name}.parquet")

    wanted = set(columns)
    bars = pl.concat(
        [scan("int_prices"), scan("int_returns").select("r", "m"), scan("int_universe").select("is_member", "sector")],
        how="horizontal",
    )
    frame, known = bars, ["known_at"]
    if wanted & {*FAMILIES["price"], *FAMILIES["technical"]}:
        frame = price_features(frame)
    if wanted & {
        *FAMILIES["technical"],
        "atr_14_pct",
        "bb_width_20",
        "bb_position_20",
        "parkinson_21",
        "trend_strength_200d",
    }:
        frame = indicators(frame)
    if wanted & {*FAMILIES["fundamental"], *FAMILIES["alternative"]}:
        frame = fundamentals(frame, scan("int_fundamentals"), wanted)
        known.append("event_known_at")
    if wanted & set(FAMILIES["alternative"]):
        frame = alternative(
            frame,
            scan("int_insider_steps"),
            scan("int_short_interest_steps"),
            scan("int_institutional_holdings_steps"),
        )
        known += [f"{name}_known_at" for name in ("insiders", "shorts", "holdings")]
    if wanted & set(FAMILIES["cross_asset"]):
        frame = cross_asset(frame, bars, scan("int_market_series"))
        known.append("vix_known_at")
    if wanted & set(FAMILIES["temporal"]):
        frame = temporal(frame, scan("int_sessions"))
    return frame.select(
        *KEYS, pl.max_horizontal(*known).alias("known_at"), *(name for name in FEATURES if name in wanted)
    )


def greatest(folder: Path, columns: Collection[str]) -> dict[str, float]:
    """The greatest value of each of some features: all is worked out, and nothing of it is kept."""
    return features(folder, columns).select(pl.col(*columns).max()).collect(engine="streaming").row(0, named=True)
