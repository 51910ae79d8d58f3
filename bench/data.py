"""A synthetic market at the warehouse's intermediate layer: prices with full mantissas, listings, gaps, statements.

Same arguments, same bytes. What a file of prices from a vendor cannot do, these do: sums of them are not exact in any
order. Statements come in order and are never restated, which is the case the rival's plain rolling sums are right for;
the project's SQL runs its general form, which allows for restatements, on them all the same.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

SESSIONS_A_YEAR = 252
TABLES = ("int_sessions", "int_prices", "int_returns", "int_universe", "int_fundamentals", "int_share_factors")


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
        items = {
            "income": {"revenue": (1.0, 0.1), "operating_income": (0.12, 0.1), "net_income": (0.08, 0.1)},
            "balance": {"assets": (4.0, 0.2), "equity": (1.5, 0.2)},
            "cashflow": {"operating_cash_flow": (0.15, 0.1), "capex": (0.05, 0.01), "free_cash_flow": (0.1, 0.1)},
        }
        for statement, columns in items.items():
            published = quarters + pd.to_timedelta(rng.integers(15, 61, n), unit="D")
            frame = pd.DataFrame({"security_id": security_id, "statement": statement, "period_end_date": quarters})
            frame["published_date"] = published
            frame["shares_basic"] = shares
            for item, (level, spread) in columns.items():
                frame[item] = np.where(rng.random(n) < 0.06, np.nan, size * (level + rng.normal(0, spread, n)))
            frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def write(folder: Path, securities: int, years: int, seed: int = 7) -> None:
    """Write `source.duckdb` (schema intermediate, tables TABLES) and the same tables as Parquet files beside it."""
    rng = np.random.default_rng(seed)
    sessions = pd.bdate_range("2013-01-02", periods=years * SESSIONS_A_YEAR)
    panel = prices(rng, securities, sessions)
    filed = statements(rng, panel["security_id"].unique(), sessions)
    flows = ["revenue", "operating_income", "net_income", "operating_cash_flow", "capex", "free_cash_flow"]
    absent = {"cost_of_revenue", "gross_profit", "dividends_paid", "depreciation_amortization", "assets_current"}
    absent |= {"liabilities_current", "liabilities", "debt", "cash"}
    number = "nullif({0}, 'nan'::double) as {0}"
    with duckdb.connect(str(folder / "source.duckdb")) as con:
        con.register("panel", panel)
        con.register("filed", filed)
        con.execute("create schema intermediate")
        con.register("calendar", pd.DataFrame({"session_date": sessions, "session_index": range(len(sessions))}))
        con.execute(
            """create table intermediate.int_sessions as
            select session_date::date as session_date, session_index::integer as session_index,
                session_date::date + interval 21 hour as closes_at,
                lag(session_date::date) over (order by session_index) as previous_session_date
            from calendar order by session_index"""
        )
        con.execute(
            """create table intermediate.int_prices as
            select as_of_date::date as as_of_date, security_id, 'T' || security_id as ticker, session_index,
                as_of_date::date + interval 21 hour as known_at, as_of_date::date + interval 21 hour as decided_at,
                row_in_run, row_in_run as bars_in_history, false as is_stale, close as open, high, low, close,
                close_total_return, close as close_unadjusted, volume_shares,
                close * volume_shares as dollar_volume_usd,
                case when row_in_run >= 20 then close * volume_shares end as adv_20
            from panel order by security_id, as_of_date"""
        )
        con.execute(
            """create table intermediate.int_universe as
            select as_of_date, security_id, bars_in_history >= 252 as is_member, 'Sector ' || security_id % 11 as sector
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
                {", ".join(number.format(item) for item in [*flows, "assets", "equity"])},
                {", ".join(f"null::double as {item}" for item in sorted(absent))},
                null::double as eps_diluted, shares_basic, shares_basic as shares_diluted,
                date '2030-01-01' as basis_date
            from filed order by security_id, statement, period_end_date"""
        )
        con.execute(
            """create table intermediate.int_share_factors as select 0::bigint as security_id, 'simfin' as vendor,
            date '2000-01-01' as split_date, 1.0::double as share_factor where false"""
        )
        for table in TABLES:
            con.execute(f"copy intermediate.{table} to '{folder / table}.parquet' (format parquet)")
