"""The same columns in Polars, written as one would in Polars: lazy, streaming, one pass over the prices.

The statements of the benchmark are never restated and come in order, so quarters may be summed by position; the price
ratios, windows, gates and the staleness rule are those of the project. That spares this side what the SQL does
on the same rows: versions, share counts on split bases and in doubt, and keys in five tables.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

STALE_AFTER_DAYS = 400
STATEMENTS = {
    "income": ["revenue", "operating_income", "net_income"],
    "balance": ["assets", "equity"],
    "cashflow": ["free_cash_flow"],
}
KEYS = ["as_of_date", "security_id"]
FEATURES = [
    "adv_20", "hl_ratio", "range_pct", "ret_5d", "ret_21d",
    "mom_1m", "mom_3m", "mom_6m", "mom_12m", "mom_12_1", "reversal_1m",
    "vol_21", "vol_63", "vol_blend", "beta_21d", "beta_63d", "beta_252d", "resid_vol_63d",
    "rsi_14", "macd_12_26", "macd_signal_9", "macd_hist", "stoch_k_14", "stoch_d_3", "adx_14", "cci_20",
    "bb_upper_dist_20", "bb_lower_dist_20", "obv_slope_20", "sma_20_dist", "sma_50_dist", "sma_200_dist",
    "ema_12_dist", "ema_26_dist", "vwap_20_dist", "volume_sma_ratio_20", "volume_trend_20_60",
    "high_252_dist", "low_252_dist", "amihud_21",
    "earnings_yield", "fcf_yield", "book_to_market", "roa", "roe", "operating_margin", "fundamental_age_days",
]  # fmt: skip
ON_BARS = FEATURES[: FEATURES.index("earnings_yield")]


def price_features(prices: pl.LazyFrame, returns: pl.LazyFrame) -> pl.LazyFrame:
    """17 price features and adv_20; rows and order of int_prices."""
    run = pl.col("security_id")
    tr, r, m, row = pl.col("close_total_return"), pl.col("r"), pl.col("m"), pl.col("row_in_run")
    joined = pl.concat([prices, returns.select("r", "m")], how="horizontal")

    def over(n: int, expression: pl.Expr) -> pl.Expr:
        return pl.when(row > n).then(expression.over(run))

    def moved(n: int) -> pl.Expr:
        return over(n, tr / tr.shift(n) - 1)

    windows = joined.with_columns(
        (pl.col("high") / pl.col("low")).alias("hl_ratio"),
        ((pl.col("high") - pl.col("low")) / pl.col("close")).alias("range_pct"),
        moved(5).alias("ret_5d"),
        moved(21).alias("ret_21d"),
        moved(63).alias("mom_3m"),
        moved(126).alias("mom_6m"),
        moved(252).alias("mom_12m"),
        over(252, tr.shift(21) / tr.shift(252) - 1).alias("mom_12_1"),
        over(21, r.rolling_std(21) * 252**0.5).alias("vol_21"),
        over(63, r.rolling_std(63) * 252**0.5).alias("vol_63"),
        *(over(n, pl.rolling_cov(r, m, window_size=n, min_samples=n)).alias(f"cov_{n}") for n in (21, 63, 252)),
        *(over(n, m.rolling_var(n)).alias(f"var_{n}") for n in (21, 63, 252)),
    )
    return windows.with_columns(
        pl.col("ret_21d").alias("mom_1m"),
        (-pl.col("ret_21d")).alias("reversal_1m"),
        ((pl.col("vol_21") + pl.col("vol_63")) / 2).alias("vol_blend"),
        *((pl.col(f"cov_{n}") / pl.col(f"var_{n}")).alias(f"beta_{n}d") for n in (21, 63, 252)),
    ).with_columns(
        ((pl.col("vol_63") ** 2 - pl.col("beta_63d") ** 2 * pl.col("var_63") * 252).clip(lower_bound=0).sqrt()).alias(
            "resid_vol_63d"
        )
    )


def indicators(prices: pl.LazyFrame) -> pl.LazyFrame:
    """The technical family beside what is given; averages that fade begin with the run, as windows do."""
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
        return pl.when(row > 1).then(pl.when((x > other) & (x > 0)).then(x).otherwise(0.0))

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
            larger(moved, -moved).alias("up"),
            larger(-moved, moved).alias("down"),
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
            ema(pl.col("macd"), 9).alias("signal"),
            pl.sum_horizontal(*((19 - k) * (k + 1) / 2 * pl.col("signed").shift(k).over(run) for k in range(19))).alias(
                "slope"
            ),
        )
        .with_columns(full(15, (100 * (plus - minus).abs() / (plus + minus)).fill_nan(0.0)).alias("directional"))
    )
    return windows.with_columns(
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


def statement_states(statements: pl.LazyFrame, statement: str) -> pl.LazyFrame:
    """Sums of four quarters, year-ago levels and counts of one statement at each of its publications."""
    end, by = pl.col("period_end_date"), "security_id"
    span = (end - end.shift(3).over(by)).dt.total_days()
    year = (end - end.shift(4).over(by)).dt.total_days()
    items = STATEMENTS[statement]
    if statement == "balance":
        columns = [pl.col(item) for item in items]
        columns += [
            ((pl.col(item) + pl.when(year.is_between(330, 400)).then(pl.col(item).shift(4).over(by))) / 2).alias(
                f"{item}_average"
            )
            for item in items
        ]
    else:
        columns = [
            pl.when(span <= 320).then(pl.col(item).rolling_sum(4).over(by)).alias(f"{item}_ttm") for item in items
        ]
    return (
        statements.filter(pl.col("statement") == statement)
        .sort("security_id", "period_end_date")
        .select(
            "security_id",
            "known_at",
            pl.col("known_at").alias(f"{statement}_known_at"),
            end.alias(f"{statement}_end"),
            pl.col("shares_basic").alias(f"{statement}_shares"),
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
    first = [pl.when(pl.col(f"{s}_end") == newest).then(pl.col(f"{s}_shares")) for s in STATEMENTS]
    first_at = [pl.when(pl.col(f"{s}_end") == newest).then(pl.col(f"{s}_known_at")) for s in STATEMENTS]
    return state.select(
        "security_id",
        "known_at",
        "income_known_at",
        "balance_known_at",
        "cashflow_known_at",
        "net_income_ttm",
        "free_cash_flow_ttm",
        "equity",
        pl.coalesce(first).alias("shares"),
        pl.coalesce(first_at).alias("shares_known_at"),
        (pl.col("net_income_ttm") / pl.col("assets_average")).alias("roa"),
        pl.when(pl.col("equity_average") > 0).then(pl.col("net_income_ttm") / pl.col("equity_average")).alias("roe"),
        (pl.col("operating_income_ttm") / pl.col("revenue_ttm")).alias("operating_margin"),
    ).sort("known_at")


def features(folder: Path) -> pl.LazyFrame:
    """All features by (as_of_date, security_id), in the order of int_prices, from the Parquet files of bench.data."""
    prices = pl.scan_parquet(folder / "int_prices.parquet").select(
        *KEYS,
        "known_at",
        "decided_at",
        "row_in_run",
        "high",
        "low",
        "close",
        "close_total_return",
        "close_unadjusted",
        "volume_shares",
        "dollar_volume_usd",
        "adv_20",
    )
    returns = pl.scan_parquet(folder / "int_returns.parquet")
    statements = pl.scan_parquet(folder / "int_fundamentals.parquet")
    daily = indicators(price_features(prices, returns)).join_asof(
        events(statements).rename({"known_at": "event_known_at"}),
        left_on="decided_at",
        right_on="event_known_at",
        by="security_id",
        check_sortedness=False,
    )

    def age(statement: str) -> pl.Expr:
        return (pl.col("as_of_date") - pl.col(f"{statement}_known_at").dt.date()).dt.total_days()

    def fresh(statement: str, expression: pl.Expr) -> pl.Expr:
        return pl.when(age(statement) <= STALE_AFTER_DAYS).then(expression)

    value = fresh("shares", pl.col("close_unadjusted") * pl.col("shares"))
    return daily.select(
        *KEYS,
        pl.max_horizontal("known_at", "event_known_at").alias("known_at"),
        *ON_BARS,
        fresh("income", pl.col("net_income_ttm") / value).alias("earnings_yield"),
        fresh("cashflow", pl.col("free_cash_flow_ttm") / value).alias("fcf_yield"),
        fresh("balance", pl.col("equity") / value).alias("book_to_market"),
        fresh("income", fresh("balance", pl.col("roa"))).alias("roa"),
        fresh("income", fresh("balance", pl.col("roe"))).alias("roe"),
        fresh("income", pl.col("operating_margin")).alias("operating_margin"),
        fresh("income", age("income")).alias("fundamental_age_days"),
    )
