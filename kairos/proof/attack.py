"""Attacked copies of a market, in which all that became known after a cut is another.

The cut is a session; "known" means by its close. A price bar is known then; a statement, the VIX's close (16:15 New
York) and anything else with only a date are known later on their date, so those of the cut's own date are attacked too.
Splits, changes of tickers, spin_offs.csv and basis.csv stay: they are units of the files, which write the past in
today's shares and under today's names. Snapshots without dates (companies, industries) stay and are flagged
`is_snapshot` by the models that read them; what a snapshot says about a security's end is wiped out. Rows that are
never a source (most recent dimensions, the vendor's own market values) are all attacked, whatever their date.

Five attacks:

* deleted: the rows are gone.
* scrambled: the rows are there, and each number in them is multiplied by a factor of its own between a half and two
  (the prices of a row by one, so that a low stays below its high).
* restated: nothing is taken away, and what was known is published once more after the cut, with other numbers:
  filings as amended ones, forms of insiders again, snapshots of short interest, archives of prices and reports.
* resplit: after the cut some names split two for one, four for one or one for two. The files of the price vendors are
  written again on the new basis, prices and counts by powers of two, and say the split; what was traded stays.
* resplit_odd: the same with splits three for one, three for two and one for ten, which no double divides exactly.
"""

from __future__ import annotations

import datetime
import glob
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import duckdb

from kairos.errors import ProofError
from kairos.raw import SUFFIXES, TABLES, Table
from kairos.sessions import closes
from kairos.settings import setting, setting_number
from kairos.sql import identifier, literal

Rule = Callable[[datetime.date], tuple[str, dict[str, str]]]  # cut -> rows that stay, columns given another value


def attack_market(market: Path, out: Path, cut: datetime.date, attack: str = "deleted") -> dict[str, int]:
    """Copy the market's files that the project reads to `out`, with an attack on what became known after the cut.

    Args:
        market: directory of vendor files.
        out: directory to fill; must be empty or absent.
        cut: a session.
        attack: one of ATTACKS.

    Returns:
        Rows deleted, changed or added per file; nothing where no row of the market known by the cut can be published
        again (restated), or no name be split after it (resplit, resplit_odd).

    Raises:
        ProofError: a table of kairos.raw has no rule here, or nothing of the market lies after the cut.
    """
    out.mkdir(parents=True, exist_ok=True)
    touched: dict[str, int] = {}
    dated = 0  # rows touched because of their date
    basis_dates = _basis_dates(market)
    splits = _later_splits(market, cut, basis_dates, FACTORS[attack]) if attack in FACTORS else []
    if attack in FACTORS and not splits:
        return {}
    for table in TABLES:
        rule = RULES.get((table.vendor, table.name))
        if rule is None:
            raise ProofError(
                f"The proof does not know when a row of {table.view} becomes known. Add its rule to"
                " kairos/proof/attack.py."
            )
        for path in _files(market, table):
            target = out / path.relative_to(market)
            target.parent.mkdir(parents=True, exist_ok=True)
            until = basis_dates.get(_dataset(table.vendor, path), datetime.date.max)
            count = _attacked(path, target, table, cut, attack, [split for split in splits if split[3] <= until])
            if count is None:
                shutil.copyfile(path, target)
            else:
                touched[str(path.relative_to(market))] = count
                dated += count if rule not in AT_ANY_CUT or attack not in ("deleted", "scrambled") else 0
    if not dated and attack in ("deleted", "scrambled"):
        raise ProofError(f"Nothing in {market} lies after {cut}: choose an earlier cut.")
    return touched if dated else {}


def keep_all(cut: datetime.date) -> tuple[str, dict[str, str]]:
    """Units, flags and snapshots."""
    return "true", {}


def _until(column: str, *, same_day: bool) -> Rule:
    """Rows dated by `column` up to the cut, or before it when a row is known only after its date's close."""
    return lambda cut: (f"{_date(column)} {'<=' if same_day else '<'} date '{cut}'", {})


def _statements(cut: datetime.date) -> tuple[str, dict[str, str]]:
    """Filings carry a date; the two vars of the time rules say what it means."""
    known = _date("Publish Date")
    if setting("simfin_value_policy") == "restated_date":
        known = f"greatest({known}, {_date('Restated Date')})"
    return f"{known} {_day_sign()} date '{cut}'", {}


def _actions(cut: datetime.date) -> tuple[str, dict[str, str]]:
    """Later dividends go, later splits stay."""
    later = f"{_date('Date')} > date '{cut}'"
    replaced = {"Dividends": f"case when {later} then '0' else \"Dividends\" end"}  # text takes the column's type
    return f'not {later} or try_cast("Stock Splits" as double) not in (0, 1)', replaced


def _reported(cut: datetime.date) -> tuple[str, dict[str, str]]:
    """As-reported rows up to the cut; most recent ones hold values of any later day and all go."""
    return f"upper(dimension) like 'AR%' and {_date('datekey')} {_day_sign()} date '{cut}'", {}


def _events(cut: datetime.date) -> tuple[str, dict[str, str]]:
    """Later events go; splits and changes of tickers stay."""
    units = "lower(action) in ('split', 'tickerchangefrom', 'tickerchangeto')"
    return f"{units} or {_date('date')} {_day_sign()} date '{cut}'", {}


def _listing(cut: datetime.date) -> tuple[str, dict[str, str]]:
    """The list of securities without what it knows of how each went on."""
    unknown = ("lastupdated", "firstadded", "firstpricedate", "lastpricedate", "firstquarter", "lastquarter")
    gone = dict.fromkeys((*unknown, "relatedtickers", "scalemarketcap", "scalerevenue"), "null::varchar")
    return "true", gone | {"isdelisted": "'N'"}


def _none(cut: datetime.date) -> tuple[str, dict[str, str]]:
    """Never a source: nothing is left of it."""
    return "false", {}


def _membership(cut: datetime.date) -> tuple[str, dict[str, str]]:
    """Later entries go; a later exit has not happened yet."""
    replaced = {"end_date": f"case when {_date('end_date')} <= date '{cut}' then end_date end"}
    return f"{_date('start_date')} <= date '{cut}'", replaced


def _filings(column: str) -> Rule:
    """Rows that carry only a date, such as that of their filing, known as var date_only_known says."""
    return lambda cut: (f"{_date(column)} {_day_sign()} date '{cut}'", {})


def _snapshots(cut: datetime.date) -> tuple[str, dict[str, str]]:
    """Rows first seen up to the moment of the cut's close; what was last seen later has been seen until the cut."""
    close = f"timestamptz '{closes()[cut]}+00'"
    first, last = _moment("first_snapshot_at"), _moment("last_snapshot_at")
    return f"{first} <= {close}", {"last_snapshot_at": f"case when {last} <= {close} then last_snapshot_at end"}


def _settlements(cut: datetime.date) -> tuple[str, dict[str, str]]:
    """Short interest with only a settlement date, taken as known some sessions later (of the last session up to it)."""
    calendar = list(closes())
    sessions = setting_number("short_interest_known_after_sessions")
    # what settled before the limit is known by the cut
    limit = calendar[max(calendar.index(cut) - sessions + (_day_sign() == "<="), 0)]
    return f"{_date('settlementDate')} < date '{limit}'", {}


def _holdings(cut: datetime.date) -> tuple[str, dict[str, str]]:
    """Holdings with only a quarter's end, taken as known some days later."""
    return f"{_date('calendardate')} + {setting_number('holdings_known_after_days')} {_day_sign()} date '{cut}'", {}


def _archives(cut: datetime.date) -> tuple[str, dict[str, str]]:
    """Bars up to the cut as they were first collected, for a bar is known at its close; of later copies, which say what
    became of the adjusted close, those collected by the cut."""
    first = "min(collected_date) over (partition by symbol, date)"
    collected = f"{_date('collected_date')} <= date '{cut}' or collected_date = {first}"
    return f"{_date('date')} <= date '{cut}' and ({collected})", {}


def _day_sign() -> str:
    """How the date on which something becomes known compares with the cut when it is known by the cut's close."""
    return "<=" if setting("date_only_known") == "start_of_day" else "<"


ATTACKS = ("deleted", "scrambled", "restated", "resplit", "resplit_odd")
# of the splits that an attack adds, by the symbol; None = the name is not split
FACTORS = {"resplit": (2.0, 0.5, 4.0, None), "resplit_odd": (3.0, 1.5, 0.1, None)}
AT_ANY_CUT = (_none, _reported, _listing)  # touch rows of every date
# numbers that are units and not information
UNITS = ("Stock Splits",)
# of a row they change together
PRICES = ("open", "high", "low", "close", "closeadj", "closeunadj", "adj close", "adj_close")
# what says when a row became known, where a row can come again later
SEEN_AGAIN = {
    ("sharadar", "sf1"): "datekey",
    ("sharadar", "sf2"): "filingdate",
    ("sec_form4", "transactions"): "filing_date",
    ("finnhub", "insider_transactions"): "filingDate",
    ("short_interest", "short_interest"): "first_snapshot_at",
    ("pystock", "prices"): "collected_date",
    ("pystock", "reports"): "collected_date",
}
SEEN_AGAIN_AFTER_DAYS = 7  # but no later than today: what is dated later is refused
# of files that are written anew on the basis of a later split: how a row changes, by the name of its column
REBASED = {
    ("yahoo", "prices"): {"Open": -1, "High": -1, "Low": -1, "Close": -1, "Adj Close": -1, "Volume": 1},
    ("yahoo", "actions"): {"Dividends": -1},
    ("simfin", "us_income_quarterly"): {"Shares (Basic)": 1, "Shares (Diluted)": 1},
    ("simfin", "us_balance_quarterly"): {"Shares (Basic)": 1, "Shares (Diluted)": 1},
    ("simfin", "us_cashflow_quarterly"): {"Shares (Basic)": 1, "Shares (Diluted)": 1},
    ("sharadar", "sep"): {"open": -1, "high": -1, "low": -1, "close": -1, "closeadj": -1, "volume": 1},
    ("sharadar", "sfp"): {"open": -1, "high": -1, "low": -1, "close": -1, "closeadj": -1, "volume": 1},
}

RULES: dict[tuple[str, str], Rule] = {
    ("yahoo", "prices"): _until("Date", same_day=True),
    ("yahoo", "actions"): _actions,
    ("simfin", "us_income_quarterly"): _statements,
    ("simfin", "us_balance_quarterly"): _statements,
    ("simfin", "us_cashflow_quarterly"): _statements,
    ("simfin", "us_companies"): keep_all,
    ("simfin", "industries"): keep_all,
    ("sharadar", "sep"): _until("date", same_day=True),
    ("sharadar", "sfp"): _until("date", same_day=True),
    ("sharadar", "sf1"): _reported,
    ("sharadar", "tickers"): _listing,
    ("sharadar", "daily"): _none,
    ("sharadar", "actions"): _events,
    ("sharadar", "sectors"): _filings("date"),
    ("cboe", "vix_history"): _until("DATE", same_day=False),
    ("sp500", "membership"): _membership,
    ("sec_form4", "transactions"): _filings("filing_date"),
    ("finnhub", "insider_transactions"): _filings("filingDate"),
    ("sharadar", "sf2"): _filings("filingdate"),
    ("sharadar", "sf3a"): _holdings,
    ("finra", "short_interest"): _settlements,
    ("short_interest", "short_interest"): _snapshots,
    ("pystock", "prices"): _archives,
    ("pystock", "reports"): _filings("collected_date"),
    ("market", "basis"): keep_all,
    ("market", "market"): keep_all,
    ("market", "spin_offs"): keep_all,
}


def _date(column: str) -> str:
    """A column as DATE, whether it is stored as one, as a timestamp or as text; NULL where it is none."""
    return f'try_cast(left("{column}"::varchar, 10) as date)'


def _moment(column: str) -> str:
    """A column as TIMESTAMPTZ; a date alone is the moment at which var date_only_known says it is known."""
    into_the_day = "interval 1 day - interval 1 microsecond" if _day_sign() == "<" else "interval 0 day"
    text = f"trim({column}::varchar)"
    moment = f"try_cast({text} as timestamptz)"
    return f"case when length({text}) <= 10 then {moment} + {into_the_day} else {moment} end"


def _files(market: Path, table: Table) -> list[Path]:
    """Files of a table, as kairos.raw finds them."""
    folder = market if table.vendor == "market" else market / table.vendor
    return sorted(p for p in folder.glob("*.*") if p.suffix.lower() in SUFFIXES and table.matches(p.stem))


def _later_splits(
    market: Path, cut: datetime.date, basis_dates: dict[str, datetime.date], factors: tuple[float | None, ...]
) -> list[tuple[str, str, str, datetime.date, float]]:
    """(vendor, symbol, ticker, date, factor) of the splits that an attack adds: on a name's last bar, where it is after
    the cut, no split of its vendor is on that day and its file is adjusted that far. The factor goes by the symbol:
    every vendor says the same.
    """
    found = []
    for vendor, names, day in (("yahoo", ("prices",), "Date"), ("sharadar", ("sep", "sfp"), "date")):
        paths = [p for t in TABLES if t.vendor == vendor and t.name in names for p in _files(market, t)]
        said = [p for t in TABLES if (t.vendor, t.name) == (vendor, "actions") for p in _files(market, t)]
        if not paths or not said:
            continue
        basis = min(basis_dates.get(_dataset(vendor, path), datetime.date.max) for path in paths)
        with duckdb.connect() as con:
            bars, events = (
                " union all ".join(
                    f"select ticker, {_symbol('ticker')} as symbol, {_date(day)} as day from {_reader(path)}"
                    for path in files
                )
                for files in (paths, said)
            )
            last = con.execute(
                f"""select symbol, min(ticker) as ticker, max(day) as day from ({bars}) group by symbol
                having max(day) > date '{cut}' and max(day) <= date '{basis}' and symbol is not null order by symbol"""
            ).fetchall()
            taken = set(con.execute(f"select symbol, day from ({events})").fetchall())
        for symbol, ticker, date in last:
            factor = factors[zlib.crc32(symbol.encode()) % len(factors)]
            if factor and (symbol, date) not in taken:
                found.append((vendor, symbol, ticker, date, factor))
    return found


def _basis_dates(market: Path) -> dict[str, datetime.date]:
    """dataset -> the date to whose splits it is adjusted, of basis.csv."""
    (table,) = (table for table in TABLES if (table.vendor, table.name) == ("market", "basis"))
    found = {}
    for path in _files(market, table):
        rows = duckdb.sql(
            f"select lower(trim(dataset::varchar)), {_date('basis_date')} from {_reader(path)}"
        ).fetchall()
        found |= {dataset: date for dataset, date in rows if dataset and date}
    return found


def _dataset(vendor: str, path: Path) -> str:
    return f"{vendor}/{path.stem}".lower()


def _symbol(column: str) -> str:
    """SQL: a ticker in one spelling for all vendors."""
    return f"replace(upper(trim({identifier(column)}::varchar)), '.', '-')"


def _attacked(
    path: Path, target: Path, table: Table, cut: datetime.date, attack: str, splits: list[tuple]
) -> int | None:
    """Write the attacked copy of a file and return the number of rows that differ; None = it stays as it is. The splits
    are those up to the file's basis."""
    place = (table.vendor, table.name)
    rule, reader = RULES[place], _reader(path)
    with duckdb.connect() as con:
        con.execute("set preserve_insertion_order = true")
        con.execute("set TimeZone = 'UTC'")
        described = con.sql(f"from {reader}")
        types = {name: str(type_) for name, type_ in zip(described.columns, described.types, strict=True)}
        if attack in FACTORS:
            if place not in REBASED and place != ("sharadar", "actions"):
                return None
            sql = _resplit(con, path, types, place, splits)
        elif rule is keep_all:
            return None
        else:
            kept, replaced = rule(cut)
            given = {column: value for column, value in replaced.items() if column in types}
            # unreadable dates are refused by staging in both builds
            con.execute(
                f"create view judged as select *, coalesce({kept}, true) as is_kept, row_number() over () as place"
                f" from {reader}"
            )
            if attack == "deleted":
                sql = f"select * exclude (is_kept, place){_replace(given)} from judged where is_kept order by place"
            elif attack == "scrambled":
                others = {c: _scrambled(c, types[c]) for c in _numbers(table, types)}
                values = {
                    c: f"case when is_kept then ({given.get(c, identifier(c))})::{types[c]}"
                    f" else {others.get(c, identifier(c))} end"
                    for c in (*given, *others)
                }
                sql = f"select * exclude (is_kept, place){_replace(values)} from judged order by place"
            elif place in SEEN_AGAIN and _seen_again_on(cut) > cut:
                sql = _restated(table, types, cut, SEEN_AGAIN[place])
            else:
                return None
        form = "format parquet, compression zstd" if _is_parquet(path) else "format csv, header true"
        con.execute(f"copy ({sql}) to {literal(target)} ({form})")
        before, after = f"from {reader}", f"from {_reader(target)}"
        query = f"select greatest((select count(*) from ({before} except all {after})),"
        query += f" (select count(*) from ({after} except all {before})))"
        return con.execute(query).fetchall()[0][0]


def _seen_again_on(cut: datetime.date) -> datetime.date:
    """When what was known is published once more."""
    return min(cut + datetime.timedelta(days=SEEN_AGAIN_AFTER_DAYS), datetime.date.today())


def _restated(table: Table, types: dict[str, str], cut: datetime.date, known: str) -> str:
    """All rows, and those of the last 400 days before the cut once more, seen a week after it with other numbers."""
    (known,) = (name for name in types if name.lower() == known.lower())
    later = _seen_again_on(cut)
    moment = f"{later}T12:00:00+00:00" if known == "first_snapshot_at" else str(later)
    values = {c: _scrambled(c, types[c]) for c in _numbers(table, types)}
    values[known] = f"'{moment}'::{types[known]}"
    if "last_snapshot_at" in types:
        values["last_snapshot_at"] = "null"
    return (
        "select * exclude (is_kept, place) from ("
        f"from judged union all (select *{_replace(values)} from judged"
        f" where is_kept and {_date(known)} between date '{cut}' - 400 and date '{cut}')) order by place"
    )


def _resplit(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    types: dict[str, str],
    place: tuple[str, str],
    splits: list[tuple],
) -> str:
    """The rows of a file written anew on the basis of the added splits; files of events have the splits as well."""
    vendor, _ = place
    # counts of shares of a vendor without bars of its own are on the basis of any vendor's splits
    is_own = any(vendor == other for other, *_ in splits)
    mine = {symbol: (symbol, *split) for other, symbol, *split in splits if not is_own or other == vendor}
    con.execute("create temp table splits (symbol varchar, split_ticker varchar, day date, factor double)")
    if mine:
        con.executemany("insert into splits values (?, ?, ?, ?)", list(mine.values()))
    ticker = next(column for column in types if column.lower() == "ticker")
    changes = {column: sign for column, sign in REBASED.get(place, {}).items() if column in types}
    # what the file holds as whole numbers may be halves now: the file then holds doubles
    kinds = {column: "varchar" if types[column] == "VARCHAR" else "double" for column in types}
    values = {
        column: f"""case when factor is null then {identifier(column)}::{kinds[column]} else
            (try_cast({identifier(column)} as double) {"*" if sign > 0 else "/"} factor)::{kinds[column]} end"""
        for column, sign in changes.items()
    }
    if "closeunadj" in types:  # as traded: the last bar trades on the new basis
        values["closeunadj"] = f"""case when factor is not null and {_date("date")} >= day
            then (try_cast(closeunadj as double) / factor)::{kinds["closeunadj"]} else closeunadj end"""
    columns = ", ".join(
        f"{values.get(column, 'rows.' + identifier(column))} as {identifier(column)}" for column in types
    )
    sql = (
        f"select {columns}"
        f" from (select *, row_number() over () as place, {_symbol(ticker)} as symbol from {_reader(path)}) as rows"
        f" left join splits on rows.symbol = splits.symbol"
    )
    new = {
        ("yahoo", "actions"): {"ticker": "split_ticker", "Date": "day", "Stock Splits": "factor", "Dividends": "0"},
        ("sharadar", "actions"): {"ticker": "split_ticker", "date": "day", "action": "'split'", "value": "factor"},
    }.get(place)
    if not new:
        return f"{sql} order by place"
    shown = {c: kinds[c] if c in values else types[c] for c in types}
    added = ", ".join(f"{new.get(c, 'null')}::{shown[c]} as {identifier(c)}" for c in types)
    return f"select * from ({sql} order by place) union all (select {added} from splits order by all)"


def _numbers(table: Table, types: dict[str, str]) -> list[str]:
    """The columns of a file that hold measurements, by the names the file gives them."""
    named = {name.lower(): name for name in types}
    declared = (column.find(named) for column in table.columns if column.type == "DOUBLE")
    return [named[name] for name in declared if name is not None and named[name] not in UNITS]


def _scrambled(column: str, type_: str) -> str:
    """SQL: another value of a number, half to twice of it, with a fraction; what is no number stays."""
    group = "price" if column.lower() in PRICES else column
    other = (
        f"try_cast({identifier(column)} as double) * pow(2, 2 * (hash(place, '{group}') / 18446744073709551615) - 1)"
    )
    return f"coalesce(({other})::{'varchar' if type_ == 'VARCHAR' else 'double'}, {identifier(column)})"


def _replace(values: dict[str, str]) -> str:
    """SQL: the replace clause of a star."""
    given = ", ".join(f"{value} as {identifier(column)}" for column, value in values.items())
    return f" replace ({given})" if given else ""


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() == ".parquet"


def _reader(path: Path) -> str:
    """SQL: the file as it is written; cells of a CSV are text."""
    file = literal(glob.escape(str(path)))
    return f"read_parquet({file})" if _is_parquet(path) else f"read_csv({file}, all_varchar = true)"
