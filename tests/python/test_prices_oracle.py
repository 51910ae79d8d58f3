"""The chain from bars to members against a walk over every session in plain Python, on a small random market.

The market is made of accidents: holes as long as every rule's limit and one session longer or shorter, names that stop,
splits on both sides of the file's basis date, prices that rise to the thirtyfold overnight, with a reverse split that
tells of it and without, a second file on another basis, thin names and penny prices. The chain is then built again with
the future removed: what was there before must stay, to the bit.
"""

from __future__ import annotations

import csv
import datetime
import random
from pathlib import Path

import duckdb
import pytest

from kairos import sessions

FIRST, LAST = "2018-01-02", "2019-12-31"
MODELS = ["+int_returns", "+int_securities", "+int_market_series"]
BASIS = datetime.date(2019, 6, 28)
HOLES = [1, 4, 5, 6, 7, 18, 19, 20, 21, 58, 59, 60, 61, 75]
PRICE_COLUMNS = [
    "row_in_run", "bars_in_history", "is_stale", "open", "high", "low", "close", "close_total_return",
    "close_unadjusted", "volume_shares", "adv_20",
]  # fmt: skip
COLUMNS = dict.fromkeys(PRICE_COLUMNS, "prices") | {"r": "returned", "is_member": "universe"}
CARRIED, DEAD, NEW_SPELL, HISTORY, MIN_ADV = 5, 20, 60, 252, 1_000_000
ANOTHER = 20  # times the close before: another security under the symbol
RISES = {("N00", 300), ("N03", 250), ("N01", 400), ("N00", 420)}
# on the day of the rise; the prices at 300 are adjusted for it, which leaves the rise a rise
REVERSE_SPLITS = [("N01", 400), ("N00", 300)]


def calendar() -> list[datetime.date]:
    """Sessions of the market's years in order."""
    with sessions.seed_path().open() as file:
        days = [row["session_date"] for row in csv.DictReader(file)]
    return [datetime.date.fromisoformat(day) for day in days if FIRST <= day <= LAST]


def make_bars(seed: int) -> tuple[dict[str, dict[int, tuple]], list[tuple]]:
    """Bars by ticker and position of the session (open, high, low, close, total return, volume), and splits."""
    chance = random.Random(seed)
    days = calendar()
    bars: dict[str, dict[int, tuple]] = {}
    splits: list[tuple] = []
    for number in range(14):
        ticker = f"N{number:02d}"
        silent: set[int] = set()
        if number not in (0, 1):  # two names without a hole, so that members exist
            for _ in range(chance.randint(1, 5)):
                start = chance.randrange(20, len(days))
                silent |= set(range(start, start + chance.choice(HOLES)))
        first = 0 if number < 6 else chance.randrange(0, 60)
        last = len(days) if number < 9 else len(days) - chance.choice([1, 5, 6, 20, 21, 22, 40, 90])
        price = chance.uniform(0.5, 2.0) if number in (2, 3) else chance.uniform(20, 400)
        liquid = chance.choice([2e4, 2e5]) if number < 10 else 3e3
        paid = 1.0
        bars[ticker] = {}
        for i in range(first, last):
            price *= 1 + chance.gauss(0, 0.02)
            if (ticker, i) in RISES:
                price *= 30
            paid *= 1 + chance.choice([0, 0, 0, 1e-3]) * chance.random()
            if i in silent:
                continue
            high, low = price * (1 + chance.random() / 50), price * (1 - chance.random() / 50)
            volume = 0.0 if chance.random() < 0.02 else float(chance.randrange(1, int(liquid)))
            bars[ticker][i] = (chance.uniform(low, high), high, low, price, price * paid, volume)
        for _ in range(chance.randint(0, 3)):
            splits.append((ticker, days[chance.randrange(len(days))], chance.choice([2.0, 4.0, 0.1, 1.196, 1.5])))
    splits += [(ticker, days[i], 0.04) for ticker, i in REVERSE_SPLITS]
    splits = list({(ticker, day): (ticker, day, factor) for ticker, day, factor in splits}.values())
    bars["SPY"] = {
        i: (300.0 + i / 7, 302.0 + i / 7, 299.0 + i / 7, 301.0 + i / 7, 250.0 + i / 7, 1e6)
        for i in range(30, len(days))
        if i not in (100, 101, 200)
    }
    # SPY's file runs on when the last share has stopped
    for ticker in set(bars) - {"SPY"}:
        bars[ticker] = {i: bar for i, bar in bars[ticker].items() if i < len(days) - 3}
    return bars, splits


def write_market(
    folder: Path, bars: dict, splits: list[tuple], *, keeps_delisted: bool, until: datetime.date | None = None
) -> Path:
    """The market's files; `until` leaves out every bar after that date and nothing else."""
    days = calendar()
    (folder / "yahoo").mkdir(parents=True)
    for stem, wanted in (("prices", lambda t: t != "SPY"), ("prices_spy", lambda t: t == "SPY")):
        with (folder / "yahoo" / f"{stem}.csv").open("w", newline="") as file:
            lines = csv.writer(file)
            lines.writerow(["ticker", "Date", "Open", "High", "Low", "Close", "Adj Close", "Volume"])
            for ticker in filter(wanted, bars):
                for i, bar in bars[ticker].items():
                    if until is None or days[i] <= until:
                        lines.writerow([ticker, days[i], *map(repr, bar)])
    with (folder / "yahoo" / "actions.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["ticker", "Date", "Dividends", "Stock Splits"])
        lines.writerows([ticker, f"{day} 00:00:00-05:00", 0.0, factor] for ticker, day, factor in splits)
    (folder / "basis.csv").write_text(f"dataset,basis_date\nyahoo/prices,{BASIS}\n")
    (folder / "market.csv").write_text(f"key,value\nkeeps_delisted,{str(keeps_delisted).lower()}\n")
    return folder


def expected_rows(bars: dict, splits: list[tuple], *, keeps_delisted: bool) -> dict[tuple, dict]:
    """Every row that should exist, by (ticker, spell number, date), found by walking over the sessions."""
    days = calendar()
    market_end = max(i for ticker in bars if ticker != "SPY" for i in bars[ticker])
    breaks_after = DEAD if keeps_delisted else NEW_SPELL
    rows: dict[tuple, dict] = {}
    for ticker, of_ticker in bars.items():
        spell, newest, history, run, window, before = 0, None, 0, 0, [], None
        for i in range(market_end + 1):
            if i in of_ticker:
                rise = of_ticker[i][3] / of_ticker[newest][3] if newest is not None else 0.0
                if rise >= ANOTHER:  # what the splits that came after the file's basis leave of it
                    for split_ticker, day, ratio in splits:
                        if split_ticker == ticker and max(BASIS, days[newest]) < day <= days[i]:
                            rise *= ratio
                if newest is None or i - newest - 1 >= breaks_after or rise >= ANOTHER:
                    spell, history, run = spell + 1, 0, 0
                newest, history = i, history + 1
                open_, high, low, close, total, volume = of_ticker[i]
            elif newest is not None and i - newest <= CARRIED:
                close, total = of_ticker[newest][3:5]
                open_, high, low, volume = close, close, close, 0.0
            else:
                run = 0
                continue
            run += 1
            if run == 1:
                window, before = [], None
            window = [*window, close * volume][-20:]
            factor = 1.0
            for split_ticker, day, ratio in splits:
                if split_ticker == ticker and days[i] < day <= BASIS:
                    factor *= ratio
            adv = sum(window) / 20 if len(window) == 20 else None
            rows[ticker, spell, days[i]] = {
                "row_in_run": run,
                "bars_in_history": history,
                "is_stale": newest != i,
                "open": open_,
                "high": high,
                "low": low,
                "close": close,
                "close_total_return": total,
                "close_unadjusted": close * factor,
                "volume_shares": volume,
                "adv_20": adv,
                "r": total / before - 1 if before else None,
                "is_member": ticker != "SPY"
                and newest == i
                and volume > 0
                and close * factor >= 1
                and adv is not None
                and adv >= MIN_ADV
                and history >= HISTORY,
            }
            before = total
    return rows


def built_rows(warehouse: Path) -> dict[tuple, dict]:
    """What the warehouse holds, in the same shape."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        columns = ", ".join(f"{of}.{column}" for column, of in COLUMNS.items())
        found = connection.execute(
            f"""
            select prices.ticker, spell_number, as_of_date, {columns}
            from intermediate.int_prices as prices
            inner join intermediate.int_universe as universe using (security_id, as_of_date)
            inner join intermediate.int_returns as returned using (security_id, as_of_date)
            inner join intermediate.int_securities using (security_id)
            """
        ).fetchall()
    return {row[:3]: dict(zip(COLUMNS, row[3:], strict=True)) for row in found}


@pytest.fixture(scope="module", params=[True, False], ids=["keeps_delisted", "drops_delisted"])
def market(request, builder, tmp_path_factory):
    """(keeps_delisted, bars, splits, warehouse) of a market built whole."""
    folder = tmp_path_factory.mktemp("random_market")
    bars, splits = make_bars(seed=11)
    raw = write_market(folder / "market", bars, splits, keeps_delisted=request.param)
    return request.param, bars, splits, builder.build(raw, folder / "whole", MODELS)


def test_rows_places_and_members_are_those_of_the_walk(market):
    keeps_delisted, bars, splits, warehouse = market
    expected = expected_rows(bars, splits, keeps_delisted=keeps_delisted)
    built = built_rows(warehouse)
    assert built.keys() == expected.keys()
    assert any(row["is_member"] for row in expected.values())
    assert {spell for _, spell, _ in expected} >= {1, 2}
    days = calendar()
    spells = {(ticker, day): spell for ticker, spell, day in expected}
    begun = {(ticker, i) for ticker, i in RISES if spells[ticker, days[i]] != spells[ticker, days[i - 1]]}
    assert begun == RISES - {("N01", 400)}
    for key, row in expected.items():
        for column, value in row.items():
            found = built[key][column]
            if column in ("close_unadjusted", "adv_20") and value is not None:
                assert found == pytest.approx(value, rel=1e-13), (key, column)
            else:
                assert found == value, (key, column)


def test_columns_are_named_in_lower_case(market):
    with duckdb.connect(str(market[3]), read_only=True) as connection:
        mixed = connection.execute(
            "select table_name, column_name from information_schema.columns "
            "where table_schema = 'intermediate' and column_name <> lower(column_name)"
        ).fetchall()
    assert mixed == []


def test_delistings_are_those_of_the_walk(market):
    keeps_delisted, bars, _, warehouse = market
    days = calendar()
    market_end = max(i for ticker in bars if ticker != "SPY" for i in bars[ticker])
    expected = set()
    for ticker in bars if keeps_delisted else ():
        known = sorted(i for i in bars[ticker] if i <= market_end)
        for last, following in zip(known, [*known[1:], market_end + 1], strict=True):
            if following - last - 1 >= DEAD:
                closes = [bars[ticker][i][3] for i in known if last - 63 < i <= last]
                # carried rows repeat closes that are in the list, so the high is the same without them
                expected.add((ticker, days[last], days[last + DEAD], closes[-1] >= 0.8 * max(closes)))
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        found = connection.execute(
            "select ticker, delisted_date, delisting_known_date, delisting_return from intermediate.int_securities "
            "where is_delisted"
        ).fetchall()
        traded = dict(
            connection.execute("select (ticker, as_of_date), close_unadjusted from intermediate.int_prices").fetchall()
        )
    assert {row[:3] for row in found} == {row[:3] for row in expected}
    assert bool(found) is keeps_delisted
    holds = {row[:2]: row[3] for row in expected}
    for ticker, last, _, settled in found:
        assert settled == (0.0 if holds[ticker, last] and traded[ticker, last] >= 5 else -0.3), (ticker, last)


def test_market_return_is_the_members_mean_until_spy_and_spy_afterwards(market):
    _, bars, splits, warehouse = market
    days = calendar()
    rows = expected_rows(bars, splits, keeps_delisted=market[0])
    spy = {day: row for (ticker, _, day), row in rows.items() if ticker == "SPY"}
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        found = connection.execute(
            "select as_of_date, any_value(m), count(distinct m), bool_and(is_market_proxy) "
            "from intermediate.int_returns group by 1"
        ).fetchall()
    assert len(found) == len({day for _, _, day in rows})
    for day, m, different, is_proxy in found:
        assert different <= 1
        assert is_proxy is (day < days[30])
        if not is_proxy:
            assert m == (spy[day]["r"] if day in spy and not spy[day]["is_stale"] else None), day


@pytest.mark.parametrize("position", [281, 420])
def test_removing_the_future_changes_no_bit_of_the_past(market, builder, tmp_path, position):
    keeps_delisted, bars, splits, warehouse = market
    cut = calendar()[position]
    raw = write_market(tmp_path / "market", bars, splits, keeps_delisted=keeps_delisted, until=cut)
    attacked = builder.build(raw, tmp_path / "cut", MODELS)
    with duckdb.connect() as connection:
        connection.execute(f"attach '{warehouse}' as whole (read_only)")
        connection.execute(f"attach '{attacked}' as part (read_only)")
        for table in ("int_prices", "int_universe", "int_returns", "int_market_series"):
            sides = [
                f"select * from {side}.intermediate.{table} where as_of_date <= date '{cut}'"
                for side in ("whole", "part")
            ]
            count = connection.execute(f"select count(*) from ({sides[0]})").fetchall()[0][0]
            assert count > 0
            for here, there in (sides, reversed(sides)):
                assert connection.execute(f"{here} except all {there} limit 1").fetchall() == [], table
        known = "delisting_known_date is not null and delisting_known_date <= "
        columns = "security_id, delisted_date, delisting_known_at, delisting_return"
        sides = [
            f"select {columns} from {side}.intermediate.int_securities where {known} date '{cut}'"
            for side in ("whole", "part")
        ]
        assert (
            connection.execute(sides[0] + " order by 1").fetchall()
            == connection.execute(sides[1] + " order by 1").fetchall()
        )
