"""The label models against a brute-force reading of their definition: gaps, stale bars, delistings, files that end."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest

from bench import compiled

HORIZONS = (1, 5, 10, 20, 60)
LAG = 1  # entry_lag_sessions of dbt_project.yml
LAST = 260  # the market's last session
SILENCE = 20  # sessions without a bar after which a delisting is known


def market(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(rows of int_prices with is_member, rows of int_securities) of 30 securities, with all that happens to one."""
    rng = np.random.default_rng(seed)
    prices, securities = [], []
    for security_id in range(1, 31):
        first = 0 if security_id <= 24 else int(rng.integers(1, 120))
        last = LAST if security_id <= 18 else int(rng.integers(first + 5, LAST))
        bars = set(range(first, last + 1))
        for _ in range(int(rng.integers(0, 3))):
            at, length = int(rng.integers(first + 1, last)), int(rng.integers(1, 59))
            bars -= set(range(at, min(at + length, last)))  # the last bar stays
        tr, newest, carried, run = 100.0, None, 0, 0
        is_delisted = last + SILENCE <= LAST and bool(rng.integers(0, 2))
        for session in range(first, LAST + 1):
            if session in bars:
                tr, newest, carried = tr * (1 + rng.normal(0, 0.02)), session, 0
            else:
                carried += 1
            if carried > 5:
                run = 0
                continue
            run += 1
            prices.append(
                {
                    "security_id": security_id,
                    "session_index": session,
                    "row_in_run": run,
                    "is_stale": session != newest,
                    "close_total_return": tr,
                    "is_member": session == newest and bool(rng.random() < (0.3 if session % 7 == 0 else 0.95)),
                }
            )
        securities.append(
            {
                "security_id": security_id,
                "is_delisted": is_delisted,
                "last_bar": last,
                "delisting_return": float(rng.choice([0.0, -0.3, -1.0])) if is_delisted else np.nan,
            }
        )
    return pd.DataFrame(prices), pd.DataFrame(securities)


def built(prices: pd.DataFrame, securities: pd.DataFrame) -> pd.DataFrame:
    """labels.labels made by the project's SQL, by (security_id, session_index)."""
    with duckdb.connect() as con:
        con.execute("set threads = 2")
        con.execute("create schema intermediate")
        con.execute(
            """create table intermediate.int_sessions as
            select date '2000-01-01' + i::integer as session_date, i::integer as session_index
            from range(400) as r (i)"""
        )
        con.execute(
            """create table intermediate.int_prices as
            select *, date '2000-01-01' + session_index::integer as as_of_date
            from prices order by security_id, session_index"""
        )
        con.execute(
            """create table intermediate.int_universe as select as_of_date, security_id, is_member
            from intermediate.int_prices order by security_id, as_of_date"""
        )
        con.execute(
            """create table intermediate.int_securities as select security_id, is_delisted,
            case when is_delisted then date '2000-01-01' + last_bar::integer end as delisted_date,
            case when is_delisted then date '2000-01-01' + (last_bar + 20)::integer end as delisting_known_date,
            case when is_delisted then delisting_return end as delisting_return from securities"""
        )
        compiled.build(con, ["lbl_fwd_ret", "lbl_outperform", "lbl_updown", "labels"])
        frame = con.sql("select *, as_of_date - date '2000-01-01' as session_index from labels.labels").df()
    return frame.set_index(["security_id", "session_index"])


def forward(prices: pd.DataFrame, securities: pd.DataFrame) -> dict[tuple[int, int, int], tuple[float, int]]:
    """(security, session, horizon) -> (return, session on which it is settled), one row at a time."""
    found = {}
    for security in securities.itertuples():
        rows = prices[prices["security_id"] == security.security_id].set_index("session_index")
        tr, stale = rows["close_total_return"].to_dict(), rows["is_stale"].to_dict()
        for session in tr:
            entry = session + LAG
            if stale.get(entry, True):
                continue
            for h in HORIZONS:
                scheduled = entry + h
                if security.is_delisted and security.last_bar < scheduled:
                    if scheduled <= LAST:
                        paid = tr[security.last_bar] * (1 + security.delisting_return)
                        settled = max(scheduled, security.last_bar + SILENCE)
                        found[security.security_id, session, h] = paid / tr[entry] - 1, settled
                    continue
                used = next((at for at in range(scheduled, scheduled + 61) if at in tr), None)
                alive = next((at for at in range(scheduled, LAST + 1) if not stale.get(at, True)), None)
                if used is not None and alive is not None:
                    found[security.security_id, session, h] = tr[used] / tr[entry] - 1, alive
    return found


@pytest.mark.parametrize("seed", range(4))
def test_labels_equal_their_definition(seed):
    prices, securities = market(seed)
    got = built(prices, securities)
    want = forward(prices, securities)
    assert got.index.is_unique
    assert set(got.index) == {(security, session) for security, session, _ in want}
    member = prices.set_index(["security_id", "session_index"])["is_member"]
    for h in HORIZONS:
        here = {(security, session): value for (security, session, k), value in want.items() if k == h}
        here = pd.DataFrame.from_dict(here, orient="index", columns=["fwd_ret", "settled"]).reindex(got.index)
        np.testing.assert_allclose(got[f"fwd_ret_{h}d"], here["fwd_ret"], rtol=1e-12, atol=1e-14)
        settled = (pd.to_datetime(got[f"label_end_date_{h}d"]) - pd.Timestamp("2000-01-01")).dt.days
        np.testing.assert_array_equal(settled.astype(float), here["settled"].astype(float))
        theta = 0.01 * np.sqrt(h / 5)
        direction = np.select([here["fwd_ret"] > theta, here["fwd_ret"] < -theta], [2, 0], 1)
        direction = pd.Series(direction, got.index, dtype=float).where(here["fwd_ret"].notna())
        pd.testing.assert_series_equal(got[f"updown_{h}d"].astype(float), direction, check_names=False)
        of_members = here["fwd_ret"].where(member.reindex(got.index))
        is_due = here["settled"].to_numpy() == got.index.get_level_values("session_index") + LAG + h
        by_session = of_members.where(is_due).groupby("session_index")
        beats = (of_members > by_session.transform("median")).astype(float)
        beats = beats.where(of_members.notna() & (by_session.transform("count") >= 20))
        assert beats.notna().any()
        pd.testing.assert_series_equal(got[f"outperform_{h}d"].astype(float), beats, check_names=False)


def test_the_panels_hold_every_case():
    """The oracle would prove little on a market where nothing happens."""
    seen = set()
    for seed in range(4):
        prices, securities = market(seed)
        dead = securities[securities["is_delisted"]].set_index("security_id")["last_bar"].to_dict()
        for (security, session, h), (_, settled) in forward(prices, securities).items():
            late = settled > session + LAG + h
            died = security in dead and dead[security] < session + LAG + h
            seen.add(("delisted" if died else "alive") + (" late" if late else ""))
    assert seen == {"alive", "alive late", "delisted", "delisted late"}
