"""Features that grow by batches: whatever a day brings, the tables equal a full refresh to the bit.

One small market is built by dbt. From then on the test itself writes the bars and steps of each build, as the files of
that day would have given them, and dbt builds what stands between them and the features. A full refresh is the models'
own SQL, run outside dbt on the same warehouse, where nothing is left out.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from kairos.dbt_plugin import set_storage
from kairos.demo import write_market
from kairos.errors import ProofError
from kairos.proof.build import Builder
from kairos.state import read

GIVEN = {
    "int_prices": "as_of_date",
    "int_fundamental_steps": "effective_at",
    "int_insider_steps": "effective_at",
    "int_short_interest_steps": "effective_at",
    "int_institutional_holdings_steps": "effective_at",
}
BUILT = ["int_universe", "int_returns", "int_market_series", "int_feature_digests", "int_feature_plan"]


class Market:
    """A warehouse of which bars and steps are cut to a day.

    `rules` are (table of GIVEN, SQL on `cut`): what the files say otherwise than the market's, from then on.
    """

    def __init__(self, builder: Builder, folder: Path):
        self.builder, self.folder, self.rules = builder, folder, []
        # longer than the 513 sessions that sums which fade reach back over
        write_market(folder / "market", securities=24, years=3)
        self.warehouse = builder.build(folder / "market", folder / "work", select=["+features"])
        with duckdb.connect(str(self.warehouse)) as con:
            con.execute("create schema given")
            for table in GIVEN:
                con.execute(f"create table given.{table} as from intermediate.{table}")
            days = "select distinct as_of_date, session_index from given.int_prices order by 1"
            self.dates, self.sessions = zip(*con.sql(days).fetchall(), strict=True)
            whole = "select security_id from given.int_prices where ticker <> 'SPY' group by 1 having count(*) = ?"
            self.names = [name for (name,) in con.execute(whole + " order by 1", [len(self.dates)]).fetchall()]
        self.nodes = {n.name: n for n in builder.parsed.nodes.values() if n.resource_type == "model"}
        self.tables = [name for name, node in self.nodes.items() if node.config.materialized == "feature_family"]

    def write(self, through: int) -> None:
        """Bars and steps as known by the close of a session."""
        with duckdb.connect(str(self.warehouse)) as con:
            for table, moment in GIVEN.items():
                cut = f"from given.{table} where {moment}::date <= date '{self.dates[through]}'"
                con.execute(f"create or replace temp table cut as {cut}")
                for of_table, rule in self.rules:
                    if of_table == table:
                        con.execute(rule)
                con.execute(f"create or replace table intermediate.{table} as from cut order by security_id, {moment}")

    def build(self, through: int) -> None:
        """Write bars and steps as known by the close of a session, and let dbt build the rest."""
        self.write(through)
        self.make([*BUILT, "int_feature_rows", "path:models/features"])

    def make(self, select: list[str]) -> None:
        self.builder.build(self.folder / "market", self.folder / "work", select=select)

    def say(self, table: str, rule: str) -> None:
        self.rules.append((table, rule))

    def change(self, rule: str) -> None:
        """What stands in the warehouse beside what is cut."""
        with duckdb.connect(str(self.warehouse)) as con:
            con.execute(rule)

    def batches(self) -> dict[str, tuple[str, int]]:
        """What each table's comment says of its rows: the full build they go back to, batches since."""
        with duckdb.connect(str(self.warehouse), read_only=True) as con:
            found = con.sql("select table_name, comment from duckdb_tables() where comment is not null").fetchall()
        marks = {name: json.loads(comment) for name, comment in found}
        return {name: (mark["layout"], mark["batches"]) for name, mark in marks.items()}

    def check(self, through: int, kind: str, what: str) -> None:
        """Build; each table is then what a full refresh makes, and was made as expected: added to, anew or left."""
        before = self.batches()
        self.build(through)
        assert self.differences() == [], f"{what}; a lookback is too short, or meta.compares_names is missing"
        for name, (layout, batches) in self.batches().items():
            expected = {"added": (before[name][0], before[name][1] + 1), "nothing": before[name], "anew": (layout, 0)}
            assert (layout, batches) == expected[kind], f"{name}: {what}"

    def differences(self) -> list[str]:
        """Tables that a full refresh would make otherwise; reading the collector shows that all rows are in place."""
        with duckdb.connect(str(self.warehouse), read_only=True) as con:
            (found,), (bars,) = (
                con.sql(f"select count(*) from {table}").fetchall()
                for table in ("features.features", "intermediate.int_prices")
            )
            assert found == bars
            return [
                name
                for name in self.tables
                if bits(con, f"from {self.nodes[name].schema}.{name}") != bits(con, f"from ({self.sql(name)})")
            ]

    def sql(self, name: str) -> str:
        """The model's SQL as dbt compiled it: in it nothing says whether it runs in full or for new rows."""
        return self.nodes[name].compiled_code


def bits(con: duckdb.DuckDBPyConnection, select: str) -> dict[str, bytes]:
    """Column -> all its bits, rows in order of keys; NULLs apart. When a row was added is no part of it."""
    table = con.sql(f"{select} order by security_id, as_of_date").to_arrow_table()
    found = {}
    for name in set(table.column_names) - {"batch"}:
        column = table[name].combine_chunks()
        values = column.to_numpy(zero_copy_only=False)
        written = "\n".join(map(str, values)).encode() if values.dtype == object else values.tobytes()
        found[name] = np.asarray(column.is_null()).tobytes() + written
    return found


@pytest.fixture(scope="module")
def market(builder, tmp_path_factory) -> Market:
    """Built through the 40th session before the last; one name is not listed yet, one will vanish, one come late."""
    market = Market(builder, tmp_path_factory.mktemp("increments"))
    at = market.sessions[-38]
    # before and after the names that stay: a name made anew may come behind a few rows of each of the others
    market.listed, market.delisted, market.split = market.names[:3]
    market.revised, market.gone, market.late = market.names[-3:]
    market.say("int_prices", f"delete from cut where security_id = {market.listed} and session_index < {at}")
    market.say(
        "int_prices",
        f"update cut set row_in_run = session_index - {at} + 1, bars_in_history = session_index - {at} + 1 "
        f"where security_id = {market.listed}",
    )
    market.say("int_prices", f"delete from cut where security_id = {market.late}")
    market.build(-40)
    return market


def test_each_build_equals_a_full_refresh_to_the_bit(market):
    """A day, days with a listing and a delisting, a split, revised bars and statements, names that come and go."""
    check = market.check
    assert market.differences() == []
    check(-39, "added", "one new session")
    check(-39, "nothing", "nothing new")
    last = market.sessions[-37]
    market.say("int_prices", f"delete from cut where security_id = {market.delisted} and session_index > {last}")
    check(-36, "added", "three new sessions with a listing and a delisting")
    scaled = ", ".join(f"{c} = {c} / 3" for c in ("open", "high", "low", "close", "close_total_return"))
    market.say(
        "int_prices",
        f"update cut set {scaled}, volume_shares = volume_shares * 3 "
        f"where security_id = {market.split} and session_index < {market.sessions[-35]}",
    )
    market.say(
        "int_prices",
        f"update cut set close_total_return = close_total_return * 1.01 "
        f"where security_id = {market.revised} and session_index = {market.sessions[-140]}",
    )
    market.say(
        "int_fundamental_steps",
        f"update cut set net_income_ttm = 7 where security_id = {market.split} "
        f"and effective_at < timestamp '{market.dates[-60]}'",
    )
    check(-35, "added", "a new session on which a split rescales a past; a bar and a statement of the past revised")
    market.say("int_prices", f"delete from cut where security_id = {market.gone}")
    market.rules = [rule for rule in market.rules if rule[1] != f"delete from cut where security_id = {market.late}"]
    check(-35, "added", "no new session; a name vanishes, another comes with its past")
    # of which the hashes of the rows concerned, joined by exclusive or, must not cancel out
    market.change(
        f"""create or replace table intermediate.int_sectors as
        with name as (
            select * from intermediate.int_sectors where security_id in {tuple(market.names[3:-3])}
            qualify max(known_at) over (partition by security_id) < '{market.dates[-80]}'
                and row_number() over (partition by security_id order by known_at desc) = 1
            order by security_id limit 1
        )
        from (
            from intermediate.int_sectors
            union all
            select * replace (
                timestamp '{market.dates[-80]}' as known_at,
                case sector when 'Energy' then 'Utilities' else 'Energy' end as sector
            ) from name
            union all
            select * replace (timestamp '{market.dates[-60]}' as known_at) from name
        ) order by security_id, known_at"""
    )
    check(-35, "added", "another sector for an even number of sessions")
    last = f"session_date = '{market.dates[-36]}'"
    market.change(f"update intermediate.int_sessions set is_month_end = not is_month_end where {last}")
    check(-35, "anew", "a closing is announced, and the session before is a month's last")
    market.say("int_prices", "update cut set close_total_return = close_total_return * 1.01 where ticker = 'SPY'")
    check(-36, "anew", "sessions taken back, and the market's own past is another")


def test_a_lookback_one_short_is_caught(market):
    """Each family's lookbacks are what it needs: with one session less in one, the newest rows come out otherwise.

    One longer than the market reads all of it and shows nothing here: that of averages of averages that fade.
    """
    reaching = []
    with duckdb.connect(str(market.warehouse), read_only=True) as con:
        (newest, sessions) = con.sql(
            "select max(as_of_date), count(distinct as_of_date) from intermediate.int_prices"
        ).fetchall()[0]
        back = "select list(distinct as_of_date order by as_of_date desc) from intermediate.int_prices"
        con.execute(f"set variable sessions_back = ({back})")
        for name in market.tables:
            sql, new = market.sql(name), f"where as_of_date = date '{newest}'"
            built = bits(con, f"from {market.nodes[name].schema}.{name} {new}")
            assert bits(con, f"from ({sql}) {new}") == built, name
            for first in {int(n) for n in re.findall(r"\('sessions_back'\)\[(\d{2,})\]", sql)}:
                if first > sessions:
                    continue
                short = sql.replace(f"('sessions_back')[{first}]", f"('sessions_back')[{first - 1}]")
                assert bits(con, f"from ({short}) {new}") != built, f"{name}: {first}"
                reaching.append((name, first - 1))
    assert len({name for name, _ in reaching}) >= 5
    assert {("feat_volatility", 512), ("feat_beta", 251), ("feat_momentum", 252)} <= set(reaching)


def test_loads_are_remembered_and_a_changed_past_is_an_alert(market):
    """The state keeps when rows and bars were first as they are; a repeated build adds nothing, rescaling is none."""
    state = market.folder / "work" / "state"

    def load() -> tuple[set[Path], set[tuple]]:
        loads = ["row_loads", "bar_loads", "load_alerts"]
        market.make(loads)
        with duckdb.connect(str(market.warehouse), read_only=True) as con:
            found = con.sql("select alert, dataset, subject from monitoring.load_alerts").fetchall()
        return set(state.glob("*_loads/*.parquet")), {row for row in found if row[0] != "past_of_features_changed"}

    first, alerts = load()
    assert {file.parent.name for file in first} == {"row_loads", "bar_loads"}
    assert not alerts
    assert load() == (first, set())
    with duckdb.connect(str(market.warehouse)) as con:
        bars = "from intermediate.int_bars where dataset = 'sharadar/SEP'"
        ticker = con.sql(f"select min(ticker) {bars}").fetchall()[0][0]
        revised, gone = (
            day for (day,) in con.sql(f"select distinct session_date {bars} order by 1 limit 2").fetchall()
        )
        con.execute(
            "update intermediate.int_bars set open = round(open / 2, 3), high = round(high / 2, 3),"
            " low = round(low / 2, 3), close = round(close / 2, 3), volume_shares = volume_shares * 2,"
            f" close_total_return = close_total_return / 3, ticker = '{ticker}.NEW' where ticker = '{ticker}'"
        )
        con.execute(f"update intermediate.int_bars set close_unadjusted = 7 where session_date = '{revised}'")
        con.execute(f"delete {bars} and session_date = '{gone}'")
        late = "select * replace (revenue + 1 as revenue) from intermediate.int_fundamentals"
        con.execute(f"insert into intermediate.int_fundamentals {late} where revenue > 0 order by all limit 1")
        (security,) = con.sql(
            "select min(security_id) from intermediate.int_fundamentals where revenue > 0"
        ).fetchall()[0]
    second, alerts = load()
    assert len(second - first) == 2
    assert {(alert, subject) for alert, _, subject in alerts if alert != "bars_revised"} == {
        ("bars_gone", str(gone)),
        ("rows_backfilled", str(security)),
    }
    assert {subject for alert, _, subject in alerts if alert == "bars_revised"} == {str(revised)}
    assert load() == (second, alerts)


def test_a_plan_for_other_prices_stops_a_family(market):
    """Rows of newer prices would be added again by the build that plans for them."""
    market.build(-36)
    market.write(-34)
    market.make(["int_universe", "int_returns"])
    with pytest.raises(ProofError, match=rf"feat_price: int_prices ends on {market.dates[-34]}.*{market.dates[-36]}"):
        market.make(["feat_price"])
    market.build(-34)
    assert market.differences() == []


def test_a_family_made_of_tables_that_were_not_digested_stops(market):
    """A table is made otherwise for a try, a family of it, and then the table as it was: the digests are those of
    before the try, and a family that went by them would keep what it was made of meanwhile.
    """
    market.rules = []
    market.build(-36)
    past = f"timestamp '{market.dates[-140]}'"
    with duckdb.connect(str(market.warehouse), read_only=True) as con:
        named = f"select min(security_id) from given.int_insider_steps where effective_at < {past}"
        (name,) = con.sql(f"{named} and security_id in {tuple(market.names)}").fetchall()[0]
    for table, change, moment, said in (
        ("int_prices", "high = high * 1.01", "as_of_date", "int_prices, int_returns, int_universe"),
        ("int_insider_steps", "net_count = net_count + 1", "effective_at", "int_insider_steps"),
    ):
        market.say(table, f"update cut set {change} where security_id = {name} and {moment} < {past}")
        market.write(-36)
        market.rules = []
        market.change("drop table features.feat_price; drop table features.feat_alternative")
        with pytest.raises(ProofError, match=rf"feat_price: other rows stand in {said} than .* int_feature_digests\+"):
            market.make(["int_universe", "int_returns", "feat_price", "feat_alternative"])
        market.build(-36)
        assert market.differences() == [], table


def test_the_collector_keeps_the_order_of_rows_behind_a_small_batch(market, tmp_path):
    """A batch of fewer rows than DuckDB cares to pass on by themselves, and a larger one: whoever joins features by
    position, in the build that added the second, would find them the other way round.
    """
    market.rules = []
    market.build(-36)
    warehouse = shutil.copy(market.warehouse, tmp_path)  # views name the catalog, which is the file's name
    tables = [f"{market.nodes[name].schema}.{name}" for name in market.tables]
    with duckdb.connect(warehouse) as con:  # as a full refresh stores them
        set_storage(con)
        for table in tables:
            con.execute(f"create or replace table {table} as from {table}")
    for days_later, dates in ((1000, 1), (2000, 9)):
        con = duckdb.connect(warehouse)
        set_storage(con)
        for table in tables:
            con.execute(
                f"insert into {table} select * replace (as_of_date + {days_later} as as_of_date) from {table}"
                f" where as_of_date = any({[str(day) for day in market.dates[-36 - dates : -36]]}::date[])"
                " order by security_id, as_of_date"
            )
        (apart,) = con.sql(
            """select count(*) from features.features as here positional join intermediate.int_feature_rows as there
            where (here.security_id, here.as_of_date) is distinct from (there.security_id, there.as_of_date)"""
        ).fetchall()[0]
        con.close()
        assert apart == 0


@pytest.mark.chaos
def test_what_a_killed_load_left_is_no_part_of_the_state(market):
    """DuckDB writes beside the file, under a name that it then changes."""
    market.make(["row_loads"])
    (market.folder / "work/state/row_loads/tmp_0123456789abcdef.parquet").write_bytes(b"PAR1")
    market.make(["row_loads"])
    assert len(read(market.folder / "work/state", "row_loads", pa.schema([("row_key", pa.string())]))) > 0


def test_a_past_that_changes_in_anything_that_features_read_is_seen(market):
    """One column or table of the past at a time, so that no other input gives the change away."""
    with duckdb.connect(str(market.warehouse), read_only=True) as con:
        of_a_sector = {of for (of,) in con.sql("select security_id from intermediate.int_sectors").fetchall()}
    name = next(name for name in market.names[4:-3] if name in of_a_sector)
    past = market.dates[-140]

    def revise(table: str, change: str, moment: str) -> None:
        market.say(table, f"update cut set {change} where security_id = {name} and {moment} < timestamp '{past}'")

    market.rules = []
    market.check(-45, "anew", "sessions taken back")
    for table, change, moment in (
        ("int_prices", "high = high * 1.01", "as_of_date"),
        ("int_insider_steps", "net_count = net_count + 1", "effective_at"),
        ("int_short_interest_steps", "shares_short_unsplit = shares_short_unsplit * 2", "effective_at"),
        ("int_institutional_holdings_steps", "shares_held_unsplit = shares_held_unsplit * 2", "effective_at"),
    ):
        revise(table, change, moment)
        market.check(-45, "added", f"{table}: {change}")
    with duckdb.connect(str(market.warehouse)) as con:
        con.execute(f"update intermediate.int_sectors set sector = 'Elsewhere' where security_id = {name}")
    market.check(-45, "added", "a sector, which prices and returns know nothing of")
    (file,) = (market.folder / "market/cboe").iterdir()
    vix = duckdb.read_parquet(str(file)).to_arrow_table()
    duckdb.from_arrow(vix).project(f"* replace (close + (date < '{past}')::integer as close)").write_parquet(str(file))
    market.check(-45, "anew", "the VIX, which is the market's and no security's")
    since = market.sessions[-100]
    market.say("int_prices", f"delete from cut where ticker = 'SPY' and session_index < {since}")
    place = f"row_in_run = session_index - {since} + 1, bars_in_history = session_index - {since} + 1"
    market.say("int_prices", f"update cut set {place} where ticker = 'SPY'")
    market.check(-45, "anew", "SPY begins late, and until then the market is the members' mean")
    revise("int_prices", "close_total_return = close_total_return * 1.01", "as_of_date")
    market.check(-45, "anew", "one name's returns are in that mean, which every other name is held against")
