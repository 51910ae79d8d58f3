"""A synthetic market at the warehouse's intermediate layer: prices, listings, gaps, statements, owners.

Same arguments, same bytes. Prices have full mantissas: unlike those of a vendor's file, sums of them are not exact in
any order. Statements come in order and are never restated, which is the case the rival's plain rolling sums are right
for; the project's SQL runs its general form, which allows for restatements, on them all the same.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

SESSIONS_A_YEAR = 252
TABLES = (
    "int_sessions",
    "int_prices",
    "int_returns",
    "int_universe",
    "int_market_series",
    "int_fundamentals",
    "int_share_factors",
    "int_insider_steps",
    "int_short_interest_steps",
    "int_institutional_holdings_steps",
)
SECTORS = (
    "Basic Materials",
    "Business Services",
    "Communication Services",
    "Consumer Cyclical",
    "Consumer Defensive",
    "Energy",
    "Financial Services",
    "Healthcare",
    "Industrials",
    "Technology",
    "Shell Companies",
)
# item -> mean and deviation in units of the company's size
ITEMS = {
    "income": {
        "revenue": (1.0, 0.1),
        "cost_of_revenue": (0.6, 0.1),
        "gross_profit": (0.4, 0.1),
        "operating_income": (0.12, 0.1),
        "net_income": (0.08, 0.1),
    },
    "balance": {
        "assets": (4.0, 0.2),
        "assets_current": (1.2, 0.1),
        "liabilities_current": (0.8, 0.1),
        "liabilities": (2.5, 0.2),
        "debt": (0.9, 0.2),
        "cash": (0.5, 0.1),
        "equity": (1.5, 0.2),
    },
    "cashflow": {
        "operating_cash_flow": (0.15, 0.1),
        "capex": (0.05, 0.01),
        "free_cash_flow": (0.1, 0.1),
        "dividends_paid": (0.03, 0.01),
        "depreciation_amortization": (0.06, 0.01),
    },
}


def prices(rng: np.random.Generator, securities: int, sessions: pd.DatetimeIndex) -> pd.DataFrame:
    """Dense rows by (security_id, session_index): a third listed later, a sixth gone earlier, one gap in ten names."""
    market = rng.normal(0.0003, 0.01, len(sessions))
    frames = []
    for number in range(securities):
        first = 0 if rng.random() < 2 / 3 else int(rng.integers(0, len(sessions) // 2))
        last = len(sessions) if rng.random() < 5 / 6 else int(rng.integers(first + 100, len(sessions)))
        at = np.arange(first, last)
        if rng.random() < 0.1:
            gap = int(rng.integers(first + 20, last - 20))
            at = at[(at < gap) | (at >= gap + int(rng.integers(6, 50)))]
        run_start = np.concatenate([[True], np.diff(at) > 1])
        row_in_run = np.arange(len(at)) - np.maximum.accumulate(np.where(run_start, np.arange(len(at)), 0)) + 1
        r = market[at] * rng.uniform(0.5, 1.5) + rng.normal(0, 0.02, len(at))
        close_total_return = rng.uniform(5, 200) * np.cumprod(1 + r)
        close = close_total_return * np.linspace(1.3, 1.0, len(at))
        frames.append(
            pd.DataFrame(
                {
                    "security_id": (number * 7_919_000_003 + 13) % 2**62,
                    "session_index": at.astype(np.int32),
                    "row_in_run": row_in_run.astype(np.int32),
                    "high": close * (1 + np.abs(rng.normal(0, 0.01, len(at)))),
                    "low": close * (1 - np.abs(rng.normal(0, 0.01, len(at)))),
                    "close": close,
                    "close_total_return": close_total_return,
                    "volume_shares": np.exp(rng.normal(13, 1, len(at))),
                    "r": np.where(row_in_run > 1, close_total_return / np.roll(close_total_return, 1) - 1, np.nan),
                    "m": market[at],
                }
            )
        )
    frame = pd.concat(frames, ignore_index=True)
    frame["as_of_date"] = sessions[frame["session_index"]]
    return frame.sort_values(["security_id", "session_index"], ignore_index=True)


def statements(rng: np.random.Generator, ids: np.ndarray, sessions: pd.DatetimeIndex) -> pd.DataFrame:
    """Three statements a quarter, published 15 to 60 days after it; 6% of items missing; a twentieth stop filing."""
    quarter_ends = pd.date_range(sessions[0] - pd.Timedelta(days=800), sessions[-1], freq="QE")
    frames = []
    for security_id in ids:
        quarters = quarter_ends if rng.random() < 0.95 else quarter_ends[: len(quarter_ends) // 2]
        n = len(quarters)
        shares = rng.uniform(1e7, 1e9) * np.cumprod(1 + rng.normal(0, 0.005, n))
        size = np.exp(rng.normal(20, 1.5)) * np.cumprod(1 + rng.normal(0.01, 0.03, n))
        for statement, columns in ITEMS.items():
            published = quarters + pd.to_timedelta(rng.integers(15, 61, n), unit="D")
            frame = pd.DataFrame({"security_id": security_id, "statement": statement, "period_end_date": quarters})
            frame["published_date"] = published
            frame["shares_basic"] = shares
            for item, (level, spread) in columns.items():
                frame[item] = np.where(rng.random(n) < 0.06, np.nan, size * (level + rng.normal(0, spread, n)))
            frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def owners(rng: np.random.Generator, ids: np.ndarray, sessions: pd.DatetimeIndex) -> dict[str, pd.DataFrame]:
    """Steps of insiders (ten a year), short interest (twice a month) and holdings (quarterly), one moment each."""
    days, started = (sessions[-1] - sessions[0]).days, sessions[0]
    insiders, shorts, holdings = [], [], []
    for security_id in ids:
        at = np.unique(rng.integers(0, days, max(1, days // 36)))
        frame = pd.DataFrame({"security_id": security_id, "at": started + pd.to_timedelta(at, unit="D")})
        bought = np.where(rng.random(len(at)) < 0.5, 0.0, rng.uniform(1e2, 1e5, len(at)))
        net = bought - np.where(rng.random(len(at)) < 0.5, 0.0, rng.uniform(1e2, 1e5, len(at)))
        price = rng.uniform(5, 200, len(at))
        insiders.append(
            frame.assign(
                is_covered=rng.random(len(at)) > 0.02,
                net_count=rng.integers(-4, 5, len(at)),
                bought=bought,
                net=net,
                value_bought=bought * price,
                value_net=net * price,
            )
        )
        for kept, lag, dates in (
            (shorts, 12, pd.date_range(started, sessions[-1], freq="SME")),
            (holdings, 45, pd.date_range(started, sessions[-1], freq="QE")),
        ):
            n = len(dates)
            held = rng.uniform(1e6, 1e8) * np.cumprod(1 + rng.normal(0, 0.05, n))
            kept.append(
                pd.DataFrame(
                    {
                        "security_id": security_id,
                        "at": dates + pd.Timedelta(days=lag),
                        "date": dates,
                        "previous_date": pd.Series(dates).shift(1),
                        "held": held,
                        "previous_held": pd.Series(held).shift(1),
                        "free": held * rng.uniform(2, 20),
                    }
                )[rng.random(n) > 0.03]
            )
    return {
        "insiders": pd.concat(insiders, ignore_index=True),
        "shorts": pd.concat(shorts, ignore_index=True),
        "holdings": pd.concat(holdings, ignore_index=True),
    }


def write(folder: Path, securities: int, years: int, seed: int = 7) -> None:
    """Write `source.duckdb` (schema intermediate, tables TABLES) and the same tables as Parquet files beside it."""
    rng = np.random.default_rng(seed)
    sessions = pd.bdate_range("2013-01-02", periods=years * SESSIONS_A_YEAR)
    panel = prices(rng, securities, sessions)
    filed = statements(rng, panel["security_id"].unique(), sessions)
    owned = owners(rng, panel["security_id"].unique(), sessions)
    number = "nullif({0}, 'nan'::double) as {0}"
    (folder / "source.duckdb").unlink(missing_ok=True)
    with duckdb.connect(str(folder / "source.duckdb")) as con:
        con.register("panel", panel)
        con.register("filed", filed)
        for name, frame in owned.items():
            con.register(name, frame)
        con.execute("create schema intermediate")
        con.register("calendar", pd.DataFrame({"session_date": sessions, "session_index": range(len(sessions))}))
        con.execute(
            """create table intermediate.int_sessions as
            select session_date::date as session_date, session_index::integer as session_index,
                session_date::date + interval 21 hour as closes_at,
                lag(session_date::date) over (order by session_index) as previous_session_date,
                coalesce(month(session_date) <> month(lead(session_date) over (order by session_index)), true)
                    as is_month_end
            from calendar order by session_index"""
        )
        con.execute(
            """create table intermediate.int_prices as
            select as_of_date::date as as_of_date, security_id,
                case when security_id = min(security_id) over () then 'SPY' else 'T' || security_id end as ticker,
                session_index,
                as_of_date::date + interval 21 hour as known_at, as_of_date::date + interval 21 hour as decided_at,
                row_in_run, row_in_run as bars_in_history, false as is_stale, close as open, high, low, close,
                close_total_return, close as close_unadjusted, volume_shares,
                close * volume_shares as dollar_volume_usd,
                case when row_in_run >= 20 then close * volume_shares end as adv_20
            from panel order by security_id, as_of_date"""
        )
        con.execute(
            f"""create table intermediate.int_universe as
            select as_of_date, security_id, decided_at, bars_in_history >= 252 as is_member,
                {list(SECTORS)}[security_id % {len(SECTORS)} + 1] as sector
            from intermediate.int_prices order by security_id, as_of_date"""
        )
        con.execute(
            f"""create table intermediate.int_returns as
            select as_of_date::date as as_of_date, security_id, as_of_date::date + interval 21 hour as known_at,
                row_in_run, {number.format("r")}, m, false as is_market_proxy
            from panel order by security_id, as_of_date"""
        )
        con.execute(
            f"""create table intermediate.int_fundamentals as
            select security_id, 'simfin' as vendor, statement, period_end_date::date as period_end_date,
                'Q' || quarter(period_end_date) as fiscal_period, 'quarter' as period_type,
                published_date::date + interval 1 day - interval 1 microsecond as known_at,
                published_date::date + interval 1 day - interval 1 microsecond as usable_at,
                1::integer as version, published_date::date as published_date, true as is_restated_value,
                {", ".join(number.format(item) for items in ITEMS.values() for item in items)},
                null::double as eps_diluted, shares_basic, shares_basic as shares_diluted,
                date '2030-01-01' as basis_date
            from filed order by security_id, statement, period_end_date"""
        )
        con.execute(
            """create table intermediate.int_share_factors as select 0::bigint as security_id, 'simfin' as vendor,
            date '2000-01-01' as split_date, 1.0::double as share_factor where false"""
        )
        con.execute(
            """create table intermediate.int_market_series as
            select session_date as as_of_date, session_index, 'VIX' as series,
                12 + 10 * abs(sin(session_index / 50.0)) + session_index % 7 as value,
                session_date + interval 9 hour as known_at, previous_session_date as observed_date
            from intermediate.int_sessions order by session_index"""
        )
        con.execute(
            """create table intermediate.int_insider_steps as
            select security_id, "at"::timestamp as effective_at, "at"::timestamp as known_at, is_covered,
                net_count::integer as net_count, bought as shares_bought_unsplit, net as shares_net_unsplit,
                value_bought as value_bought_usd, value_net as value_net_usd, 1.0::double as share_multiplier
            from insiders order by security_id, effective_at"""
        )
        for table, source, day, count in (
            ("int_short_interest_steps", "shorts", "settlement_date", "shares_short_unsplit"),
            ("int_institutional_holdings_steps", "holdings", "period_end_date", "shares_held_unsplit"),
        ):
            con.execute(
                f"""create table intermediate.{table} as
                select security_id, "at"::timestamp as effective_at, "at"::timestamp as known_at,
                    date::date as {day}, previous_date::date as previous_{day},
                    held as {count}, nullif(previous_held, 'nan'::double) as previous_{count},
                    free as float_shares_unsplit, 1.0::double as share_multiplier
                from {source} order by security_id, effective_at"""
            )
        for table in TABLES:
            con.execute(f"copy intermediate.{table} to '{folder / table}.parquet' (format parquet)")
