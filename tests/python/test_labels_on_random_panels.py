"""The label models against a brute-force reading of their definition: gaps, stale bars, delistings, files that end."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from bench import compiled

ROOT = Path(__file__).resolve().parents[2]

HORIZONS = (1, 5, 10, 20, 60)
LAG = 1  # entry_lag_sessions of dbt_project.yml
LAST = 260  # the market's last session
SILENCE = 20  # sessions without a bar after which a delisting is known


@functools.cache
def market(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(rows of int_prices with is_member, rows of int_securities) of 30 securities, with all that happens to one."""
    rng, of_bars = np.random.default_rng(seed), np.random.default_rng(seed + 100)
    prices, securities = [], []
    for security_id in range(1, 31):
        first = 0 if security_id <= 24 else int(rng.integers(1, 120))
        last = LAST if security_id <= 18 else int(rng.integers(first + 5, LAST))
        bars = set(range(first, last + 1))
        for _ in range(int(rng.integers(0, 3))):
            at, length = int(rng.integers(first + 1, last)), int(rng.integers(1, 59))
            bars -= set(range(at, min(at + length, last)))  # the last bar stays
        tr, newest, carried, run, dividends = 100.0, None, 0, 0, 1.0
        r = np.nan
        is_delisted = last + SILENCE <= LAST and bool(rng.integers(0, 2))
        for session in range(first, LAST + 1):
            if session in bars:
                before, tr, newest, carried = tr, tr * (1 + rng.normal(0, 0.02)), session, 0
                dividends *= 1.01 if of_bars.random() < 0.05 else 1.0
                wild = 0.15 if of_bars.random() < 0.02 else 0.0  # opens far above and falls far below
                opened = before * (1 + wild + of_bars.normal(0, 0.015))
                low = min(opened, tr) * (1 - wild - abs(of_bars.normal(0, 0.01)))
                high = max(opened, tr) * (1 + abs(of_bars.normal(0, 0.01)))
                ohlc = {"open": opened, "high": high, "low": low, "close": tr}
            else:
                carried += 1
                before, ohlc = tr, dict.fromkeys(ohlc, tr)
            if carried > 5:
                run = 0
                continue
            run += 1
            r = tr / before - 1 if run > 1 else np.nan
            prices.append(
                {
                    "security_id": security_id,
                    "session_index": session,
                    "row_in_run": run,
                    "is_stale": session != newest,
                    "close_total_return": tr,
                    "r": r,
                    "adv_20": float(of_bars.choice([2e6, 5e6, 3e7, 4e8])),
                    # the vendor's prices leave dividends out: total return over price grows with each
                    **{name: value / dividends for name, value in ohlc.items()},
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


@functools.cache
def built(seed: int, end: int = LAST, edit: tuple[str, str] | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """labels.labels and labels.labels_triple_barrier of the project's SQL, by (security_id, session_index).

    end: the market as it was on that session. edit: a text of labels_triple_barrier and the one to put in its place.
    """
    prices, securities = market(seed)
    with duckdb.connect() as con:
        con.execute("set threads = 2")
        con.register("prices", prices[prices["session_index"] <= end])
        is_known = securities["is_delisted"] & (securities["last_bar"] + SILENCE <= end)
        con.register("securities", securities.assign(is_delisted=is_known))
        con.execute("create schema intermediate")
        con.execute(
            """create table intermediate.int_sessions as
            select date '2000-01-01' + i::integer as session_date, i::integer as session_index,
            session_date + interval 14 hour as opens_at, session_date + interval 21 hour as closes_at
            from range(400) as r (i)"""
        )
        con.execute(
            """create table intermediate.int_prices as
            select *, date '2000-01-01' + session_index::integer as as_of_date,
            as_of_date + interval 21 hour as decided_at
            from prices order by security_id, session_index"""
        )
        con.execute(
            """create table intermediate.int_returns as
            select as_of_date, security_id, case when not isnan(r) then r end as r
            from intermediate.int_prices order by security_id, as_of_date"""
        )
        con.execute("create schema seeds")
        con.execute(f"create table seeds.costs as from read_csv('{ROOT / 'seeds/costs.csv'}')")
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
        fixed = ["lbl_fwd_ret", "lbl_outperform", "lbl_updown"]
        compiled.build(con, fixed)
        if edit:
            sql = compiled.models()["labels_triple_barrier"].sql
            assert edit[0] in sql, f"labels_triple_barrier no longer holds {edit[0]!r}: adapt the break to it"
            sql = re.sub(rf'"{compiled.CATALOG}"\.', "", sql.replace(*edit))
            con.execute(f"create table labels.labels_triple_barrier as {sql}")
        else:
            compiled.build(con, ["labels_triple_barrier"])
        compiled.build(con, ["lbl_triple_barrier", "labels"])
        events = con.sql("select *, as_of_date - date '2000-01-01' as session_index from labels.labels_triple_barrier")
        events = events.df().set_index(["security_id", "session_index"])
        frame = con.sql("select *, as_of_date - date '2000-01-01' as session_index from labels.labels").df()
    return frame.set_index(["security_id", "session_index"]), events


@functools.cache
def events_by_hand(seed: int) -> dict[tuple[int, int], dict]:
    """(security, session) -> outcome of the event there, walked bar by bar."""
    prices, securities = market(seed)
    found = {}
    for security in securities.itertuples():
        rows = prices[prices["security_id"] == security.security_id].set_index("session_index")
        r = rows["r"].where(rows["row_in_run"] > 1)
        # 21 returns of one run: a NULL among them (a run's first row) makes the window NULL
        sigma = r.rolling(21).std() * np.sqrt(10)
        bars = rows[~rows["is_stale"]].to_dict("index")
        for session, row in rows.to_dict("index").items():
            if session % 5 or not row["is_member"] or not sigma[session] > 0 or session + 1 not in bars:
                continue
            unit = bars[session + 1]["open"] / bars[session + 1]["close"] * bars[session + 1]["close_total_return"]
            up, down, due = 1 + 2 * sigma[session], 1 - sigma[session], session + 10
            event = None
            for at in range(session + 1, due + 1):
                if at not in bars:
                    continue
                scale = bars[at]["close_total_return"] / bars[at]["close"] / unit
                opened, high, low = (bars[at][name] * scale for name in ("open", "high", "low"))
                last = at, bars[at]["close_total_return"] / unit
                if opened < up and low <= down:
                    event = {"barrier_hit": "stop", "gross": min(opened, down), "exit": at, "settled": at}
                elif high >= up:
                    event = {"barrier_hit": "target", "gross": max(opened, up), "exit": at, "settled": at}
                if event:
                    event["at_open"] = opened <= down or opened >= up
                    event["fell_through"] = opened >= up and low <= down
                    break
            if event is None and due in bars:
                event = {"barrier_hit": "time", "gross": last[1], "exit": due, "settled": due, "at_open": False}
            if event is None and security.is_delisted and security.last_bar < due:
                if due > LAST:
                    continue
                settled = max(due, security.last_bar + SILENCE)
                gross = last[1] * (1 + security.delisting_return)
                event = {"barrier_hit": "delisting", "gross": gross, "exit": security.last_bar, "settled": settled}
                event["at_open"] = False
            if event is None:
                back = next((at for at in range(due, due + 61) if at in bars), None)
                if back is None:
                    continue
                gross = bars[back]["open"] / bars[back]["close"] * bars[back]["close_total_return"] / unit
                event = {"barrier_hit": "time", "gross": gross, "exit": back, "settled": back, "at_open": True}
            side = 1 + (15 if row["adv_20"] < 5e6 else 7 if row["adv_20"] < 25e6 else 3 if row["adv_20"] < 1e8 else 1.5)
            event["net_logret"] = np.log(max(event["gross"], 0.01)) - 2 * side / 1e4
            event |= {"sigma": sigma[session], "cost_bps": 2 * side}
            found[security.security_id, session] = event
    return found


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
    got, _ = built(seed)
    want = forward(prices, securities)
    assert got.index.is_unique
    with_event = set(got.index[got["net_logret_10d"].notna()])
    assert set(got.index) == {(security, session) for security, session, _ in want} | with_event
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


@pytest.mark.parametrize("seed", range(4))
def test_events_equal_their_definition(seed):
    labels, got = built(seed)
    want = pd.DataFrame.from_dict(events_by_hand(seed), orient="index").sort_index()
    assert list(got.index) == list(want.index)
    assert (got["barrier_hit"] == want["barrier_hit"]).all()
    for column in ("net_logret", "cost_bps"):
        np.testing.assert_allclose(got[column], want[column], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(got["tp"], 2 * want["sigma"], rtol=1e-9)
    np.testing.assert_allclose(got["sl"], want["sigma"], rtol=1e-9)
    np.testing.assert_allclose(got["tp_to_cost"], 2e4 * want["sigma"] / want["cost_bps"], rtol=1e-9)
    start = pd.Timestamp("2000-01-01")
    assert (((got["label_end_date"] - start).dt.days) == want["settled"]).all()
    hours = pd.to_timedelta(want["exit"] * 24 + np.where(want["at_open"], 14, 21), unit="h")
    assert (got["exit_at"] == start + hours).all()
    sessions = got.index.get_level_values("session_index")
    assert (got["entry_at"] == start + pd.to_timedelta((sessions + 1) * 24 + 14, unit="h")).all()
    member = labels.loc[got.index]
    np.testing.assert_array_equal(member["net_logret_10d"], got["net_logret"])
    np.testing.assert_array_equal(member["net_logret_sign_10d"], got["net_logret"] > 0)
    assert (member["label_end_date_event_10d"] == got["label_end_date"]).all()
    assert labels["net_logret_10d"].notna().sum() == len(got)


def settled_by(frame: pd.DataFrame, label_end: str, cut: int) -> pd.DataFrame:
    """Rows settled by a session, as that session's market must have them too."""
    return frame[frame[label_end] <= pd.Timestamp("2000-01-01") + pd.Timedelta(days=cut)]


@pytest.mark.parametrize("cut", [120, 199])
def test_what_is_settled_by_a_cut_does_not_change_with_what_follows(cut):
    (labels, events), (labels_then, events_then) = built(1), built(1, end=cut)
    pd.testing.assert_frame_equal(
        settled_by(events, "label_end_date", cut), settled_by(events_then, "label_end_date", cut)
    )
    for h in (1, 5, 10, 20, 60):
        columns = [f"fwd_ret_{h}d", f"label_end_date_{h}d"]
        then = settled_by(labels_then[columns], columns[1], cut)
        pd.testing.assert_frame_equal(settled_by(labels[columns], columns[1], cut), then)


@pytest.mark.parametrize(
    ("edit", "cuts"),
    [
        (("greatest(dues.session_date, outcomes.delisting_known_date)", "exits.session_date"), range(40, 260, 20)),
        (("else exits.session_date", "else entries.session_date"), [120]),
    ],
    ids=["a delisting counts before it is known", "an event counts from its entry"],
)
def test_an_event_settled_too_early_is_seen(edit, cuts):
    """The comparison above must fail on a label model that calls an outcome known before it is."""
    pairs = [[settled_by(built(1, end, edit)[1], "label_end_date", cut) for end in (LAST, cut)] for cut in cuts]
    assert not all(whole.equals(then) for whole, then in pairs)


def test_the_panels_hold_every_kind_of_event():
    """Each barrier, filled inside a bar and at an open beyond it; ends after a halt; a total loss."""
    events = [event for seed in range(4) for event in events_by_hand(seed).values()]
    kinds = {(event["barrier_hit"], event["at_open"]) for event in events}
    assert kinds == {(hit, at) for hit in ("stop", "target", "time") for at in (True, False)} | {("delisting", False)}
    assert any(event["gross"] == 0 for event in events)
    assert any(event.get("fell_through") for event in events)
    assert any(event["barrier_hit"] == "delisting" and event["settled"] > event["exit"] + 10 for event in events)


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
