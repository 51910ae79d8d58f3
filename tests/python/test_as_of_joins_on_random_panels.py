"""Every as-of join of the warehouse against a brute-force reading of its rule, on 1,000 random panels each.

A panel is one security with broken runs of rows and a few events: at the very close of a session, a microsecond before
and after it, at midnight, on weekends, before its first row and after its last one, and old enough to be stale. 250
panels stand in one warehouse as different securities, so that the models run four times and not a thousand.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from bench import compiled

PANELS = 250
SESSIONS = pd.bdate_range("2016-01-04", periods=700)
CLOSES = SESSIONS + pd.to_timedelta(np.where(np.arange(len(SESSIONS)) % 50 == 7, 18, 21), unit="h")
MICROSECOND = pd.Timedelta(microseconds=1)
STALE_DAYS = {"fundamentals": 400, "short_interest": 45, "holdings": 120}  # vars of dbt_project.yml
CAUSES = [  # the first says most about the holders' money
    ("bankruptcyliquidation", -1.0),
    ("mergerto", 0.0),
    ("acquisitionby", 0.0),
    ("regulatorydelisting", -1.0),
    ("voluntarydelisting", None),
    ("delisted", None),
]


def moments(rng: np.random.Generator, own: np.ndarray, count: int) -> list[pd.Timestamp]:
    """Different moments in order, most of them on or beside the close of a session, half of those of its own rows."""
    found = set()
    for at in np.where(rng.random(count) < 0.5, rng.choice(own, count), rng.integers(0, len(SESSIONS), count)):
        close = CLOSES[at]
        midnight = SESSIONS[at] + pd.Timedelta(days=int(rng.integers(0, 4)))
        end_of_day = SESSIONS[at] + pd.Timedelta(days=1) - MICROSECOND
        choices = [close, close - MICROSECOND, close + MICROSECOND, midnight, end_of_day, pd.Timestamp("1950-06-01")]
        found.add(choices[rng.choice(6, p=[0.3, 0.1, 0.2, 0.2, 0.15, 0.05])])
    return sorted(found)


def panels(seed: int) -> dict[str, pd.DataFrame]:
    """Rows of int_prices in order, and the events of every as-of join, of many securities."""
    rng = np.random.default_rng(seed)
    prices, events = [], {kind: [] for kind in ("steps", "insiders", "shorts", "holdings", "sectors", "named")}
    for security_id in range(1, PANELS + 1):
        starts = np.sort(rng.choice(len(SESSIONS) - 40, rng.integers(1, 5), replace=False))
        at = np.unique(np.concatenate([np.arange(s, s + rng.integers(1, 14)) for s in starts]))
        row_in_run = np.arange(len(at)) - np.maximum.accumulate(
            np.where(np.diff(at, prepend=-9) > 1, np.arange(len(at)), 0)
        )
        prices.append(
            pd.DataFrame(
                {
                    "security_id": security_id,
                    "session_index": at,
                    "row_in_run": row_in_run + 1,
                    "as_of_date": SESSIONS[at],
                    "decided_at": CLOSES[at],
                    "close": rng.uniform(1, 50, len(at)),
                    "close_unadjusted": rng.choice([np.nan, 10.0, 30.0], len(at)),
                }
            )
        )
        for found in events.values():
            for effective_at in moments(rng, at, int(rng.integers(0, 7))):
                known_at = effective_at - pd.Timedelta(days=int(rng.choice([0, 0, 3, 100])))
                found.append((security_id, effective_at, known_at, *rng.uniform(1, 100, 3), rng.random()))
    columns = ["security_id", "effective_at", "known_at", "x", "y", "z", "chance"]
    frames = {kind: pd.DataFrame(found, columns=columns) for kind, found in events.items()}
    ends = [
        (f"T{number}", at.normalize(), CAUSES[rng.integers(0, len(CAUSES))][0], at)
        for number in range(PANELS)
        for at in moments(rng, np.arange(len(SESSIONS)), int(rng.integers(1, 4)))
        if SESSIONS[0] <= at <= CLOSES[-1]
    ]
    frames["ends"] = pd.DataFrame(ends, columns=["ticker", "delisted_date", "cause", "known_at"])
    return {"prices": pd.concat(prices, ignore_index=True)} | frames


# what int_fundamental_steps carries beside shares and equity
FUNDAMENTALS = [
    "revenue_ttm", "net_income_ttm", "free_cash_flow_ttm", "dividends_paid_ttm", "net_debt", "ebitda_ttm",
    "roa", "roe", "operating_margin", "gross_margin", "gross_profitability",
    "asset_growth", "revenue_growth", "earnings_growth", "accruals", "current_ratio", "debt_to_equity", "net_issuance",
]  # fmt: skip


def warehouse(frames: dict[str, pd.DataFrame]) -> duckdb.DuckDBPyConnection:
    """The tables that the models under test read, and the models themselves."""
    con = duckdb.connect()
    con.execute("set threads = 2")
    con.execute("create schema intermediate")
    con.execute("create schema staging")
    for name, frame in frames.items():
        whole = {column: "datetime64[us]" for column in frame if column.endswith(("_at", "_date"))}
        con.register(name, frame.astype(whole))
    con.register("calendar", pd.DataFrame({"session_date": SESSIONS, "closes_at": CLOSES}).astype("datetime64[us]"))
    event = "security_id, effective_at, known_at"
    fundamentals = ", ".join(f"known_at as {part}_known_at" for part in ("income", "balance", "cashflow", "shares"))
    fundamentals += "".join(f", y as {item}" for item in FUNDAMENTALS)
    tables = {
        "staging.stg_sharadar__delistings": "select * replace (delisted_date::date as delisted_date) from ends",
        "intermediate.int_sessions": """select session_date::date as session_date, closes_at,
            (row_number() over () - 1)::integer as session_index,
            lag(session_date::date) over () as previous_session_date from calendar""",
        "intermediate.int_prices": """select * replace (as_of_date::date as as_of_date,
            session_index::integer as session_index, row_in_run::integer as row_in_run), decided_at as known_at,
            false as is_stale, 100.0::double as volume_shares, 5e6::double as adv_20, 300 as bars_in_history
            from prices""",
        "intermediate.int_fundamental_steps": f"""select {event}, effective_at as usable_at, {fundamentals},
            x as shares, y as shares_basic, z as equity, chance < 0.2 as is_shares_suspect from steps""",
        "intermediate.int_insider_steps": f"""select {event}, chance < 0.7 as is_covered, x::integer as net_count,
            x as shares_bought_unsplit, y as shares_net_unsplit, z as value_bought_usd, z as value_net_usd,
            2.0::double as share_multiplier from insiders""",
        "intermediate.int_short_interest_steps": f"""select {event}, known_at::date as settlement_date,
            known_at::date - 14 as previous_settlement_date, x as shares_short_unsplit,
            y as previous_shares_short_unsplit, case when chance < 0.5 then z end as float_shares_unsplit,
            0.5::double as share_multiplier from shorts""",
        "intermediate.int_institutional_holdings_steps": f"""select {event}, known_at::date as period_end_date,
            known_at::date - 90 as previous_period_end_date, x as shares_held_unsplit,
            y as previous_shares_held_unsplit, 1.0::double as share_multiplier from holdings""",
        "intermediate.int_sectors": "select security_id, effective_at as known_at, x::varchar as sector from sectors",
        "intermediate.int_named_universes": """select 'common_shares' as universe, security_id,
            effective_at as known_at, chance < 0.5 as is_in_universe from named""",
    }
    for name, sql in tables.items():
        con.execute(f"create table {name} as {sql}")
    built = ["int_price_runs", "int_fundamentals_as_of", "int_universe", "feat_alternative", "int_delistings"]
    compiled.build(con, built)
    return con


def newest(frames: dict[str, pd.DataFrame], kind: str) -> pd.DataFrame:
    """For each row of prices the last event of its security that is effective by the decision, one look at a time."""
    by_security = {}
    for event in frames[kind].itertuples(index=False):
        by_security.setdefault(event.security_id, []).append(event)
    found = []
    for row in frames["prices"].itertuples():
        served = None
        for event in by_security.get(row.security_id, []):  # in order of time
            if event.effective_at <= row.decided_at:
                served = event
        found.append(served or (row.security_id, pd.NaT, pd.NaT, np.nan, np.nan, np.nan, np.nan))
    out = pd.DataFrame(found, columns=frames[kind].columns)
    out["age"] = (frames["prices"]["as_of_date"] - pd.to_datetime(out["known_at"]).dt.normalize()).dt.days
    return out


def assert_same(got: pd.Series, want: pd.Series, *, some: bool = True) -> None:
    """Equal values and NULLs at equal places; both kinds occur, or nothing would be shown."""
    np.testing.assert_allclose(got.astype(float), want.astype(float), rtol=1e-12)
    assert not some or (want.notna().any() and want.isna().any())


@settings(max_examples=4, deadline=None, derandomize=True, phases=[Phase.generate])
@given(seed=st.integers(0, 2**31))
def test_as_of_joins_are_what_brute_force_finds(seed):
    frames = panels(seed)
    prices = frames["prices"]
    with warehouse(frames) as con:
        order = "order by security_id, as_of_date"
        fundamentals = con.sql(f"from intermediate.int_fundamentals_as_of {order}").df()
        universe = con.sql(f"from intermediate.int_universe {order}").df()
        alternative = con.sql(f"from features.feat_alternative {order}").df()
        delistings = con.sql("from intermediate.int_delistings order by ticker, known_session_index").df()
    for model in (fundamentals, universe, alternative):
        assert (model["security_id"] == prices["security_id"]).all()
        assert (model["as_of_date"] == prices["as_of_date"]).all()

    # fundamentals and market values
    step = newest(frames, "steps")
    fresh = step["age"] <= STALE_DAYS["fundamentals"]
    assert_same(fundamentals["equity"], step["z"].where(fresh))
    for item in FUNDAMENTALS:
        assert_same(fundamentals[item], step["y"].where(fresh))
    assert_same(fundamentals["fundamental_age_days"], step["age"].where(fresh))
    adjusted = prices["close_unadjusted"].isna()
    shares = step["y"].where(adjusted, step["x"])
    price = prices["close"].where(adjusted, prices["close_unadjusted"])
    assert_same(fundamentals["market_value_usd"], (price * shares).where(fresh & ~(step["chance"] < 0.2)))
    shares = shares.where(fresh & ~(step["chance"] < 0.2))

    # insiders, short interest, holdings
    insider = newest(frames, "insiders")
    assert_same(alternative["insider_net_count_90d"], insider["x"].round().where(insider["chance"] < 0.7))
    assert_same(alternative["insider_net_shares_90d"], (insider["y"] * 2 / shares).where(insider["chance"] < 0.7))
    short = newest(frames, "shorts")
    floating = (short["z"] * 0.5).where(short["chance"] < 0.5, shares)
    is_young = short["age"] <= STALE_DAYS["short_interest"]
    assert_same(alternative["short_interest_ratio"], (short["x"] * 0.5 / floating).where(is_young))
    assert_same(alternative["short_interest_change"], (short["x"] / short["y"] - 1).where(is_young))
    holding = newest(frames, "holdings")
    is_young = holding["age"] <= STALE_DAYS["holdings"]
    assert_same(alternative["institutional_ownership"], (holding["x"] / shares).where(is_young))

    # sectors and the universe
    assert_same(universe["sector"].astype(float), newest(frames, "sectors")["x"])
    is_in = newest(frames, "named")["chance"] < 0.5
    assert (universe["is_in_universe"] == is_in).all()
    assert 0 < is_in.mean() < 1

    # delistings: the first close that knows them, and of what is known then the cause that says most
    wanted, closes = {}, list(CLOSES)
    for end in frames["ends"].itertuples():
        session = next(i for i, close in enumerate(closes) if close >= end.known_at)
        wanted.setdefault((end.ticker, session), []).append(end)
    assert list(zip(delistings["ticker"], delistings["known_session_index"], strict=True)) == sorted(wanted)
    returns = dict(CAUSES)
    for got, key in zip(delistings.itertuples(), sorted(wanted), strict=True):
        cause = next(cause for cause, _ in CAUSES if cause in {end.cause for end in wanted[key]})
        assert (got.cause, got.known_at) == (cause, min(end.known_at for end in wanted[key]))
        assert got.ended_on == min(end.delisted_date for end in wanted[key])
        assert (None if pd.isna(got.delisting_return) else got.delisting_return) == returns[cause]


def test_the_panels_hold_what_they_are_meant_to_hold():
    """Events at the very moment of a decision and a microsecond later, names without any, broken runs, stale ones."""
    frames = panels(0)
    prices, steps = frames["prices"], frames["steps"]
    for shift in (pd.Timedelta(0), MICROSECOND):
        at = steps.assign(decided_at=steps["effective_at"] - shift)
        assert len(prices.merge(at, on=["security_id", "decided_at"])) > 10
    assert prices["security_id"].nunique() > steps["security_id"].nunique()
    assert (prices["row_in_run"] == 1).sum() > 2 * PANELS
    assert (newest(frames, "steps")["age"] > STALE_DAYS["fundamentals"]).sum() > 100


@pytest.mark.parametrize(
    "change",
    [
        "update intermediate.int_prices set decided_at = decided_at - interval 30 day where row_in_run > 1",
        "update intermediate.int_prices set security_id = security_id + 1 where row_in_run = 2",
    ],
    ids=["decisions before the close", "another security inside a run"],
)
def test_stops_where_a_row_would_be_served_what_is_not_its_own(change):
    with warehouse(panels(1)) as con:
        con.execute(change)
        with pytest.raises(duckdb.InvalidInputException, match="do not fit together"):
            con.sql("from intermediate.int_fundamentals_as_of").fetchall()
