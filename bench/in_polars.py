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
    "earnings_yield", "fcf_yield", "book_to_market", "roa", "roe", "operating_margin", "fundamental_age_days",
]  # fmt: skip


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
        "adv_20",
    )
    returns = pl.scan_parquet(folder / "int_returns.parquet")
    statements = pl.scan_parquet(folder / "int_fundamentals.parquet")
    daily = price_features(prices, returns).join_asof(
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
        *FEATURES[:18],
        fresh("income", pl.col("net_income_ttm") / value).alias("earnings_yield"),
        fresh("cashflow", pl.col("free_cash_flow_ttm") / value).alias("fcf_yield"),
        fresh("balance", pl.col("equity") / value).alias("book_to_market"),
        fresh("income", fresh("balance", pl.col("roa"))).alias("roa"),
        fresh("income", fresh("balance", pl.col("roe"))).alias("roe"),
        fresh("income", pl.col("operating_margin")).alias("operating_margin"),
        fresh("income", age("income")).alias("fundamental_age_days"),
    )
