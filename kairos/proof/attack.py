"""Attacked copies of a market: the same files without what became known after a cut.

The cut is a session; "known" means by its close. A price bar is known then; a statement, the VIX's close (16:15 New
York) and anything else with only a date are known later on their date, so those of the cut's own date go too. Splits,
changes of tickers, spin_offs.csv and basis.csv stay: they are units of the files, which write the past in today's
shares and under today's names. Snapshots without dates (companies, industries) stay and are flagged `is_snapshot` by
the models that read them; what a snapshot says about a security's end is wiped out. Rows that are never a source
(most recent dimensions, the vendor's own market values) all go, whatever their date.
"""

from __future__ import annotations

import datetime
import glob
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb

from kairos.errors import ProofError
from kairos.raw import SUFFIXES, TABLES, Table
from kairos.sessions import closes
from kairos.settings import setting, setting_number
from kairos.sql import literal

Rule = Callable[[datetime.date], tuple[str, dict[str, str]]]  # cut -> rows that stay, columns given another value


def delete_future(market: Path, out: Path, cut: datetime.date) -> dict[str, int]:
    """Copy the market's files that the project reads to `out`, without what became known after the close of `cut`.

    Args:
        market: directory of vendor files.
        out: directory to fill; must be empty or absent.
        cut: a session.

    Returns:
        Rows deleted or changed per file.

    Raises:
        ProofError: a table of kairos.raw has no rule here, or nothing of the market lies after the cut.
    """
    out.mkdir(parents=True, exist_ok=True)
    touched: dict[str, int] = {}
    dated = 0  # rows touched because of their date
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
            if rule is keep_all:
                shutil.copyfile(path, target)
            else:
                count = touched[str(path.relative_to(market))] = _filter(path, target, *rule(cut))
                dated += count if rule not in AT_ANY_CUT else 0
    if not dated:
        raise ProofError(f"Nothing in {market} lies after {cut}: choose an earlier cut.")
    return touched


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


AT_ANY_CUT = (_none, _reported, _listing)  # touch rows of every date

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


def _filter(path: Path, target: Path, kept: str, replaced: dict[str, str]) -> int:
    """Copy the rows for which `kept` holds or is NULL (unreadable dates are refused by staging in both builds)."""
    is_parquet = path.suffix.lower() == ".parquet"
    form = "format parquet, compression zstd" if is_parquet else "format csv, header true"
    reader = "read_parquet({})" if is_parquet else "read_csv({}, all_varchar = true)"
    before, after = (reader.format(literal(glob.escape(str(file)))) for file in (path, target))
    with duckdb.connect() as con:
        con.execute("set preserve_insertion_order = true")
        con.execute("set TimeZone = 'UTC'")
        there = set(con.sql(f"from {before}").columns)
        given = ", ".join(f'{value} as "{column}"' for column, value in replaced.items() if column in there)
        columns = "* exclude (is_kept, place)" + (f" replace ({given})" if given else "")
        judged = f"select *, coalesce({kept}, true) as is_kept, row_number() over () as place from {before}"
        con.execute(
            f"copy (select {columns} from ({judged}) where is_kept order by place) to {literal(target)} ({form})"
        )
        query = f"select count(*) from (from {before} except all from {after})"
        return con.execute(query).fetchall()[0][0]
