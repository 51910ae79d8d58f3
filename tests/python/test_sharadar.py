"""A market in the sharadar layout alone, from files to features, against a plain walk over what really happened.

Everything that a permanent id, a list of events and as-reported filings are for happens once: a split, a spin-off, a
change of ticker, a ticker that another company takes over, a merger, a bankruptcy, an amendment, a halt of 30
sessions, a sector that changes. The past must then stay as it is when the future is removed, and when the files are
those the vendor would have delivered on an earlier day.
"""

from __future__ import annotations

import datetime
from pathlib import Path

import duckdb
import pytest
from sharadar_market import DAYS, Company, companies, write

from kairos.proof import attack_market, compare, read_models, report

MODELS = [
    "+features",
    "+int_market_values",
    "+int_securities",
    "+int_quarantine",
    "+int_symbol_spells",
    "+lbl_fwd_ret",
    "+vendor_cross_checks",
]
END = len(DAYS) - 1
CARRIED = 5
MADE = companies()


def known_index(company: Company) -> int | None:
    """The session at whose close an event is known: it carries only a date."""
    return min((position for position, _ in company.ends), default=None) and min(p for p, _ in company.ends) + 1


def expected_rows(company: Company) -> dict[datetime.date, dict]:
    """Every row that a security should have, by walking over the sessions."""
    rows, newest, history, run = {}, None, 0, 0
    gone = known_index(company)
    for i in range(len(DAYS)):
        fresh = i in company.close
        if fresh:
            newest, history = i, history + 1
        elif newest is None or i - newest > CARRIED or (gone is not None and i >= gone):
            run = 0
            continue
        run += 1
        rows[DAYS[i]] = {
            "ticker": company.symbol(i),
            "is_stale": not fresh,
            "row_in_run": run,
            "bars_in_history": history,
            "close": company.close[newest] / company.factor(newest, END),
            "close_total_return": company.close[newest] * company.returns(newest, END),
            "close_unadjusted": company.close[newest] / company.factor(newest, i),
            "volume_shares": company.volume[i] * company.factor(i, END) if fresh else 0.0,
        }
    return rows


def query(warehouse: Path, sql: str) -> list[tuple]:
    with duckdb.connect(str(warehouse), read_only=True) as con:
        return con.execute(sql).fetchall()


@pytest.fixture(scope="module")
def market(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("sharadar") / "market", MADE)


@pytest.fixture(scope="module")
def warehouse(market, builder, tmp_path_factory) -> Path:
    return builder.build(market, tmp_path_factory.mktemp("sharadar_built"), MODELS)


@pytest.fixture(scope="module")
def ids(warehouse) -> dict[str, int]:
    """security_id by name of the company."""
    by_permaticker = dict(query(warehouse, "select permanent_id, security_id from intermediate.int_securities"))
    return {name: by_permaticker[company.permaticker] for name, company in MADE.items()}


def test_one_permanent_id_is_one_security(warehouse, ids):
    """A halt of 30 sessions and a silence of 29 end nothing; a symbol that two companies had is two securities."""
    found = query(warehouse, "select count(*), count(distinct permanent_id) from intermediate.int_securities")
    assert found == [(len(MADE), len(MADE))]
    assert query(warehouse, "select count(*) from intermediate.int_quarantine") == [(0,)]
    assert len(set(ids.values())) == len(MADE)


@pytest.mark.parametrize("name", MADE)
def test_rows_are_those_of_the_walk(warehouse, ids, name):
    columns = list(next(iter(expected_rows(MADE[name]).values())))
    found = query(
        warehouse,
        f"select as_of_date, {', '.join(columns)} from intermediate.int_prices where security_id = {ids[name]}",
    )
    built = {row[0]: dict(zip(columns, row[1:], strict=True)) for row in found}
    expected = expected_rows(MADE[name])
    assert built.keys() == expected.keys()
    for day, row in expected.items():
        for column, value in row.items():
            is_number = isinstance(value, float)
            assert built[day][column] == (pytest.approx(value, rel=1e-13) if is_number else value), (day, column)


def test_the_close_as_traded_is_the_vendors_own(warehouse, ids):
    """Delivered and not worked out: to the bit, also where the adjusted close times its splits rounds otherwise."""
    for name in ("split", "parent"):
        found = query(
            warehouse,
            f"select as_of_date, close_unadjusted from intermediate.int_prices where security_id = {ids[name]}",
        )
        assert dict(found) == {DAYS[i]: close for i, close in MADE[name].close.items()}


def test_securities_end_by_events_with_their_causes(warehouse, ids):
    def rule(company: Company) -> float:
        """What a holder gets where no cause is known: the price, if it was neither low nor falling."""
        bars = sorted(company.close)
        closes = [company.close[i] / company.factor(i, END) for i in bars if i > bars[-1] - 63]
        return 0.0 if company.close[bars[-1]] >= 5 and closes[-1] >= 0.8 * max(closes) else -0.3

    expected = {
        "merged": ("mergerto", 150, 0.0, False),
        "bankrupt": ("bankruptcyliquidation", 260, -1.0, False),
        "silent": ("delisted", 330, rule(MADE["silent"]), True),
        "left": ("voluntarydelisting", 281, -0.3, True),
    }
    found = query(
        warehouse,
        """select security_id, delisting_cause, delisting_known_at, delisting_known_date, delisted_date,
            delisting_return, is_delisting_return_imputed from intermediate.int_securities where is_delisted""",
    )
    names = {security: name for name, security in ids.items()}
    assert {names[row[0]] for row in found} == set(expected)
    for security, cause, known_at, known_date, delisted, gain, is_imputed in found:
        company = MADE[names[security]]
        kind, position, value, imputed = expected[names[security]]
        assert (cause, gain, is_imputed) == (kind, value, imputed), names[security]
        assert delisted == DAYS[company.last]
        assert known_date == DAYS[position + 1]
        end = datetime.time(23, 59, 59, 999999)
        assert known_at == datetime.datetime.combine(DAYS[position], end)


def test_securities_are_what_the_list_says(warehouse, ids):
    found = query(
        warehouse,
        """select security_id, ticker, vendor_ticker, security_type, exchange, is_snapshot
        from intermediate.int_securities""",
    )
    rows = {row[0]: row[1:] for row in found}
    assert rows[ids["merged"]] == ("ABC", "ABC1", "common", "NYSE", True)
    assert rows[ids["heir"]] == ("ABC", "ABC", "common", "NYSE", True)
    assert rows[ids["renamed"]] == ("NEWN", "NEWN", "common", "NYSE", True)
    assert rows[ids["preferred"]][2] == "other"
    assert rows[ids["spy"]][1:4] == ("SPY", "etf", "NYSEARCA")


def test_sectors_are_those_of_the_date(warehouse, ids):
    """A change is known at the end of its date, so the decision of that date still sees the sector before."""
    sql = "select as_of_date, sector from intermediate.int_universe where security_id = {} order by 1"
    found = query(warehouse, sql.format(ids["moved"]))
    assert dict(found) == {day: None if i == 0 else "Energy" if i <= 280 else "Utilities" for i, day in enumerate(DAYS)}
    assert query(warehouse, "select distinct is_snapshot from intermediate.int_sectors") == [(False,)]


def newest_quarters(company: Company, decided: datetime.date) -> list[dict]:
    """As-reported quarters known at the close of a date, newest version each, newest period first."""
    first = DAYS[min(company.close)] - datetime.timedelta(days=400)
    known: dict[datetime.date, dict] = {}
    for quarter in sorted(company.quarters, key=lambda q: q["datekey"]):
        if quarter["dimension"] == "ARQ" and first <= quarter["datekey"] < decided:
            known[quarter["reportperiod"]] = quarter
    return [known[end] for end in sorted(known, reverse=True)]


@pytest.mark.parametrize("name", [name for name, company in MADE.items() if company.quarters])
def test_market_values_are_closes_times_shares_of_the_day(warehouse, ids, name):
    """Counts stand on the splits of their filing's date and are brought to the day; a count in doubt is none."""
    company = MADE[name]
    found = query(
        warehouse,
        f"""select as_of_date, market_value_usd, is_shares_suspect from intermediate.int_market_values
        where security_id = {ids[name]}""",
    )
    rows = expected_rows(company)
    assert len(found) == len(rows)
    values = 0
    for day, value, is_suspect in found:
        quarters = newest_quarters(company, day)
        if not quarters:
            assert value is None
            continue
        filed = max((i for i, d in enumerate(DAYS) if d <= quarters[0]["datekey"]), default=-1)
        shares = quarters[0]["sharesbas"] * company.factor(filed, DAYS.index(day))
        odd = shares < 1e6
        assert bool(is_suspect) is odd
        expected = None if odd else pytest.approx(rows[day]["close_unadjusted"] * shares, rel=1e-12)
        assert value == expected, day
        values += 1
    assert values > 100
    assert any(row[2] for row in found) is (name in ("miscounted", "young"))


@pytest.mark.parametrize("name", ["plain", "amended", "split", "heir"])
def test_statements_are_as_reported_and_amended_from_their_day_on(warehouse, ids, name):
    """Sums and levels at each moment from the newest versions then known; restated dimensions are never served."""
    company = MADE[name]
    found = query(
        warehouse,
        f"""select known_at::date, net_income_ttm, capex_ttm, dividends_paid_ttm, free_cash_flow_ttm, equity
        from intermediate.int_fundamental_events where security_id = {ids[name]}""",
    )
    assert len(found) > 3
    for day, *values in found:
        quarters = newest_quarters(company, day + datetime.timedelta(days=1))
        year = [sum(q[item] for q in quarters[:4]) for item in ("netinc", "capex", "ncfdiv", "ncfo")]
        income, capex, dividends, cash = year if len(quarters) >= 4 else [None] * 4
        expected = [income, capex and -capex, dividends and -dividends, cash and cash + capex, quarters[0]["equity"]]
        assert values == expected, day
    versions = query(
        warehouse,
        f"""select period_end_date, version, published_date, net_income, equity, is_restated_value
        from intermediate.int_fundamentals where security_id = {ids["amended"]} and version > 1 order by statement""",
    )
    end, amended = datetime.date(2018, 6, 30), datetime.date(2018, 12, 10)
    assert versions == [
        (end, 2, amended, None, 3e9, False),
        (end, 2, amended, None, None, False),
        (end, 2, amended, 5e7, None, False),
    ]
    assert query(warehouse, "select count(*) from intermediate.int_fundamentals where revenue = 7") == [(0,)]


def test_a_symbol_leads_to_the_company_that_had_it_on_the_date(warehouse, ids):
    def owners(kind: str, symbol: str, position: int) -> set[str]:
        found = query(
            warehouse,
            f"""select security_id from intermediate.int_symbol_spells
            where ticker_of = '{kind}' and symbol = '{symbol}'
            and linked_from <= date '{DAYS[position]}' and linked_until > date '{DAYS[position]}'""",
        )
        names = {security: name for name, security in ids.items()}
        return {names[security] for (security,) in found}

    assert owners("date", "ABC", 10) == {"merged"}
    assert owners("date", "ABC", 230) == {"heir"}
    assert owners("file", "ABC1", 10) == {"merged"}
    assert owners("file", "ABC", 230) == {"heir"}
    assert owners("date", "OLDN", 199) == {"renamed"}
    assert owners("date", "OLDN", 200) == set()
    assert owners("date", "NEWN", 199) == set()
    assert owners("date", "NEWN", 200) == {"renamed"}
    assert owners("file", "NEWN", 10) == {"renamed"}


def test_labels_settle_with_what_holders_got(warehouse, ids):
    def label(name: str, position: int) -> tuple:
        return query(
            warehouse,
            f"""select fwd_ret_20d, label_end_date_20d from labels.lbl_fwd_ret
            where security_id = {ids[name]} and as_of_date = date '{DAYS[position]}'""",
        )[0]

    rows = {name: expected_rows(MADE[name]) for name in MADE}

    def total(name: str, position: int) -> float:
        return rows[name][DAYS[position]]["close_total_return"]

    assert label("bankrupt", 255) == (-1.0, DAYS[276])
    assert label("merged", 140) == (pytest.approx(total("merged", 149) / total("merged", 141) - 1), DAYS[161])
    # known long after the horizon's end: settled then, and not before
    returned = query(
        warehouse, f"select delisting_return from intermediate.int_securities where security_id = {ids['silent']}"
    )[0][0]
    expected = total("silent", 300) * (1 + returned) / total("silent", 291) - 1
    assert label("silent", 290) == (pytest.approx(expected), DAYS[331])
    # a halt is no end: the first bar after it says what became of the money
    assert label("halted", 170) == (pytest.approx(total("halted", 210) / total("halted", 171) - 1), DAYS[210])


def test_the_vendors_own_figures_agree(warehouse):
    found = query(
        warehouse,
        """select check_name, item, compared_rows, differing_rows, first_differing_key
        from monitoring.vendor_cross_checks order by 1, 2""",
    )
    checks = {row[:2]: row[2:] for row in found}
    assert checks["close_unadjusted", "close_unadjusted"][1] == 0
    assert checks["close_unadjusted", "close_unadjusted"][0] > 200
    assert checks["restated_quarter", "net_income"] == (1, 1, "AMND 2018-06-30")


@pytest.mark.parametrize("position", [190, 215, 325], ids=["in the halt", "before the takeover", "in the silence"])
def test_nothing_dated_depends_on_what_came_later(market, warehouse, builder, tmp_path, position):
    """Rows known after the cut are deleted, what the list of securities knows of later days is wiped out."""
    cut = DAYS[position]
    touched = attack_market(market, tmp_path / "market", cut)
    assert touched["sharadar/ACTIONS.parquet"] > 0
    assert touched["sharadar/TICKERS.parquet"] > 0
    attacked = builder.build(tmp_path / "market", tmp_path / "built", MODELS)
    wanted = {"int_prices", "int_universe", "int_sectors", "int_fundamentals", "int_market_values", "features"}
    models = [m for m in read_models(builder.manifest) if m.schema in ("intermediate", "features")]
    rows = compare(warehouse, attacked, models, cut)
    assert wanted <= {row.model_name for row in rows if row.rows_compared}
    assert not [row for row in rows if row.rows_different], report(rows)
    sides = [
        query(
            side,
            f"""select security_id, delisted_date, delisting_known_at, delisting_cause, delisting_return
            from intermediate.int_securities where delisting_known_date <= date '{cut}' order by 1""",
        )
        for side in (warehouse, attacked)
    ]
    assert sides[0] == sides[1]
    assert len(sides[0]) == sum((known_index(c) or END + 1) <= position for c in MADE.values())


@pytest.mark.parametrize("position", [215, 299])
def test_files_of_an_earlier_day_give_the_same_past(warehouse, builder, tmp_path, position):
    """Other adjusted prices, other tickers, another list of securities: the same names, members, features."""
    earlier = builder.build(write(tmp_path / "market", MADE, position), tmp_path / "built", MODELS)
    with duckdb.connect() as con:
        con.execute(f"attach '{warehouse}' as whole (read_only)")
        con.execute(f"attach '{earlier}' as part (read_only)")
        same = {
            "int_prices": "security_id, as_of_date, ticker, row_in_run, bars_in_history, is_stale, close_unadjusted",
            "int_universe": "security_id, as_of_date, is_member, is_fresh, is_liquid, sector",
            "int_market_values": "security_id, as_of_date, market_value_usd, is_shares_suspect",
        }
        for table, columns in same.items():
            sides = [
                f"select {columns} from {side}.intermediate.{table} where as_of_date <= date '{DAYS[position]}'"
                for side in ("whole", "part")
            ]
            count = con.execute(f"select count(*) from ({sides[0]})").fetchall()[0][0]
            assert count > 2000
            for here, there in (sides, reversed(sides)):
                assert con.execute(f"{here} except all {there} limit 3").fetchall() == [], table
        features = ["ret_21d", "mom_6m", "vol_63", "beta_63d", "hl_ratio", "earnings_yield", "book_to_market", "roe"]
        apart = ", ".join(
            f"count(*) filter (where (a.{f} is null) <> (b.{f} is null)"
            f" or abs(a.{f} - b.{f}) > 1e-9 * greatest(abs(a.{f}), 0.01))"
            for f in features
        )
        filled = ", ".join(f"count(a.{f})" for f in features)
        row = con.execute(
            f"""select {apart}, {filled} from whole.features.features as a inner join part.features.features as b
            using (security_id, as_of_date)"""
        ).fetchall()[0]
        assert row[: len(features)] == (0,) * len(features), dict(zip(features, row, strict=False))
        assert min(row[len(features) :]) > 100


def test_without_a_history_todays_sector_is_flagged(builder, tmp_path):
    raw = write(tmp_path / "market", MADE, without=("SECTORS",))
    built = builder.build(raw, tmp_path / "built", ["+int_sectors", "+int_securities"])
    assert query(
        built,
        """select sector, valid_from, is_snapshot from intermediate.int_sectors
        inner join intermediate.int_securities using (security_id) where ticker = 'SECT'""".replace(
            "sector, valid", "int_sectors.sector, valid"
        ).replace("is_snapshot", "int_sectors.is_snapshot"),
    ) == [("Utilities", DAYS[0], True)]


def test_without_events_and_ids_a_ticker_and_its_silences_are_all_there_is(builder, tmp_path):
    """Bars alone are a market: a silence of 20 sessions is a death, what trades afterwards another security."""
    raw = write(tmp_path / "market", MADE, without=("TICKERS", "ACTIONS", "SECTORS", "SF1"))
    built = builder.build(raw, tmp_path / "built", ["+int_securities"])
    found = query(
        built,
        """select spell_number, delisting_cause, delisting_known_date, permanent_id, vendor
        from intermediate.int_securities where ticker = 'HALT' order by 1""",
    )
    assert found == [(1, "silence", DAYS[199], None, "sharadar"), (2, None, None, None, "sharadar")]
    traded = dict(
        query(built, "select as_of_date, close_unadjusted from intermediate.int_prices where ticker = 'SPLIT'")
    )
    assert traded == {DAYS[i]: close for i, close in MADE["split"].close.items()}
