"""Vendor files as typed relations: what each vendor's tables are called, what they hold, and SQL that shows them.

A market is a directory with one folder per vendor. Every table declared in TABLES becomes a view
`raw.<vendor>__<table>` with the vendor's own column names, the declared types, and

* `_dataset`    VARCHAR, '<vendor>/<file stem>': the name basis.csv uses,
* `_file`       VARCHAR, the path below the market's directory,
* `_row_error`  VARCHAR, NULL or what could not be read in the row: "Close='n/a' is not a number".

A table without files is an empty view of the right types; `raw.market__files` has one row per file that is read, so
that a model can tell a table that is not delivered from one without rows. What makes a file unusable is a MarketError
that names file, column, count and example, and says what to do; what spoils single rows is left to staging, which
quarantines them.
"""

from __future__ import annotations

import csv
import glob
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from kairos.errors import MarketError
from kairos.sql import identifier, literal

SUFFIXES = (".parquet", ".csv")

NUMBERS = {
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
    "FLOAT", "DOUBLE",
}  # fmt: skip
WANTED = {
    "VARCHAR": "text",
    "DOUBLE": "a number",
    "BIGINT": "a whole number",
    "INTEGER": "a whole number",
    "DATE": "a date",
}
# what the column is called in which DuckDB says from which of several files a row is; no vendor's is
READ_FROM = "_kairos_read_from"
# the end of a text that says a moment in UTC
UTC = "(Z|[+-]00(:?00)?)$"
CURES = {
    "VARCHAR": "Write it as text.",
    "DOUBLE": "Write plain numbers with a decimal point and nothing else (1234.5).",
    "BIGINT": "Write plain whole numbers.",
    "INTEGER": "Write plain whole numbers.",
    "DATE": "Write dates as YYYY-MM-DD, without a time.",
}


@dataclass(frozen=True)
class Column:
    """A column of a vendor's table: its name there, the DuckDB type it is shown in, whether the file must have it, and
    other names under which files of the vendor bring it (the first that is there counts)."""

    name: str
    type: str
    is_required: bool = False
    aliases: tuple[str, ...] = ()

    def find(self, names: Iterable[str]) -> str | None:
        """The name, in lower case, under which a file with these lower-case names has it."""
        return next((n for n in map(str.lower, (self.name, *self.aliases)) if n in names), None)


@dataclass(frozen=True)
class Table:
    """A table of a vendor.

    Args:
        vendor: folder below the market's directory; 'market' for files of the market itself.
        name: the view is raw.<vendor>__<name>.
        stem: file names without suffix that belong to it, compared without case; a trailing * allows more of them.
        columns: what it holds.
        key: columns that identify a row.
        is_strict: an unreadable cell or a repeated key is an error and not a matter of quarantine (small files that a
            person writes by hand).
        serves: what no market can be built without; one table of those that serve it must have rows.
    """

    vendor: str
    name: str
    stem: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    is_strict: bool = False
    serves: str = ""

    @property
    def view(self) -> str:
        return f"raw.{self.vendor}__{self.name}"

    def matches(self, stem: str) -> bool:
        """Whether a file of that stem belongs to the table."""
        mine, given = self.stem.lower(), stem.lower()
        return given.startswith(mine[:-1]) if mine.endswith("*") else given == mine


def _required(type_: str, *names: str) -> tuple[Column, ...]:
    return tuple(Column(name, type_, True) for name in names)


def _optional(type_: str, *names: str) -> tuple[Column, ...]:
    return tuple(Column(name, type_) for name in names)


_STATEMENT = (
    *_required("VARCHAR", "Ticker", "Fiscal Period"),
    *_required("INTEGER", "Fiscal Year"),
    *_required("DATE", "Report Date", "Publish Date"),
    *_optional("BIGINT", "SimFinId"),
    *_optional("VARCHAR", "Currency"),
    *_optional("DATE", "Restated Date"),
    *_optional("DOUBLE", "Shares (Basic)", "Shares (Diluted)"),
)
_STATEMENT_KEY = ("Ticker", "Fiscal Year", "Fiscal Period")
_SHARADAR_BAR = (
    *_required("VARCHAR", "ticker"),
    *_required("DATE", "date"),
    *_required("DOUBLE", "open", "high", "low", "close", "volume", "closeadj"),
    *_optional("DOUBLE", "closeunadj"),
)

TABLES: tuple[Table, ...] = (
    Table(
        "yahoo",
        "prices",
        "prices*",
        (
            *_required("VARCHAR", "ticker"),
            *_required("DATE", "Date"),
            *_required("DOUBLE", "Open", "High", "Low", "Close", "Adj Close", "Volume"),
        ),
        key=("ticker", "Date"),
        serves="price bars",
    ),
    Table(
        "yahoo",
        "actions",
        "actions*",
        (
            *_required("VARCHAR", "ticker"),
            *_required("DATE", "Date"),
            *_required("DOUBLE", "Stock Splits"),
            *_optional("DOUBLE", "Dividends"),
        ),
        key=("ticker", "Date"),
    ),
    Table(
        "simfin",
        "us_income_quarterly",
        "us-income-quarterly*",
        (
            *_STATEMENT,
            *_optional(
                "DOUBLE",
                "Revenue",
                "Cost of Revenue",
                "Gross Profit",
                "Operating Expenses",
                "Selling, General & Administrative",
                "Research & Development",
                "Depreciation & Amortization",
                "Operating Income (Loss)",
                "Non-Operating Income (Loss)",
                "Interest Expense, Net",
                "Pretax Income (Loss), Adj.",
                "Abnormal Gains (Losses)",
                "Pretax Income (Loss)",
                "Income Tax (Expense) Benefit, Net",
                "Income (Loss) from Continuing Operations",
                "Net Extraordinary Gains (Losses)",
                "Net Income",
                "Net Income (Common)",
            ),
        ),
        key=_STATEMENT_KEY,
    ),
    Table(
        "simfin",
        "us_balance_quarterly",
        "us-balance-quarterly*",
        (
            *_STATEMENT,
            *_optional(
                "DOUBLE",
                "Cash, Cash Equivalents & Short Term Investments",
                "Accounts & Notes Receivable",
                "Inventories",
                "Total Current Assets",
                "Property, Plant & Equipment, Net",
                "Long Term Investments & Receivables",
                "Other Long Term Assets",
                "Total Noncurrent Assets",
                "Total Assets",
                "Payables & Accruals",
                "Short Term Debt",
                "Total Current Liabilities",
                "Long Term Debt",
                "Total Noncurrent Liabilities",
                "Total Liabilities",
                "Share Capital & Additional Paid-In Capital",
                "Treasury Stock",
                "Retained Earnings",
                "Total Equity",
                "Total Liabilities & Equity",
            ),
        ),
        key=_STATEMENT_KEY,
    ),
    Table(
        "simfin",
        "us_cashflow_quarterly",
        "us-cashflow-quarterly*",
        (
            *_STATEMENT,
            *_optional(
                "DOUBLE",
                "Net Income/Starting Line",
                "Depreciation & Amortization",
                "Non-Cash Items",
                "Change in Working Capital",
                "Change in Accounts Receivable",
                "Change in Inventories",
                "Change in Accounts Payable",
                "Change in Other",
                "Net Cash from Operating Activities",
                "Change in Fixed Assets & Intangibles",
                "Net Change in Long Term Investment",
                "Net Cash from Acquisitions & Divestitures",
                "Net Cash from Investing Activities",
                "Dividends Paid",
                "Cash from (Repayment of) Debt",
                "Cash from (Repurchase of) Equity",
                "Net Cash from Financing Activities",
                "Net Change in Cash",
            ),
        ),
        key=_STATEMENT_KEY,
    ),
    Table(
        "simfin",
        "us_companies",
        "us-companies*",
        (
            *_required("VARCHAR", "Ticker"),
            *_optional("BIGINT", "SimFinId", "IndustryId"),
            *_optional(
                "VARCHAR",
                "Company Name",
                "ISIN",
                "End of financial year (month)",
                "Number Employees",
                "Business Summary",
                "Market",
                "CIK",
                "Main Currency",
            ),
        ),
        key=("Ticker",),
    ),
    Table(
        "simfin",
        "industries",
        "industries*",
        (*_required("BIGINT", "IndustryId"), *_required("VARCHAR", "Sector", "Industry")),
        key=("IndustryId",),
    ),
    Table("sharadar", "sep", "SEP*", _SHARADAR_BAR, key=("ticker", "date"), serves="price bars"),
    Table("sharadar", "sfp", "SFP*", _SHARADAR_BAR, key=("ticker", "date")),
    Table(
        "sharadar",
        "sf1",
        "SF1*",
        (
            *_required("VARCHAR", "ticker", "dimension"),
            *_required("DATE", "datekey", "reportperiod"),
            *_required(
                "DOUBLE",
                "revenue",
                "cor",
                "gp",
                "opinc",
                "netinc",
                "epsdil",
                "ncfo",
                "capex",
                "ncfdiv",
                "depamor",
                "assets",
                "assetsc",
                "liabilitiesc",
                "liabilities",
                "debt",
                "cashneq",
                "equity",
                "sharesbas",
                "shareswadil",
            ),
            *_optional("DOUBLE", "sharefactor", "fxusd", "equityusd", "revenueusd"),
        ),
        key=("ticker", "dimension", "datekey", "reportperiod"),
    ),
    Table(
        "sharadar",
        "tickers",
        "TICKERS*",
        (
            *_required("VARCHAR", "table", "permaticker", "ticker"),
            *_optional("VARCHAR", "name", "exchange", "category", "sector", "industry", "currency"),
        ),
        key=("table", "ticker"),
    ),
    Table(
        "sharadar",
        "daily",
        "DAILY*",
        (*_required("VARCHAR", "ticker"), *_required("DATE", "date"), *_required("DOUBLE", "marketcap")),
        key=("ticker", "date"),
    ),
    Table(
        "sharadar",
        "actions",
        "ACTIONS*",
        (
            *_required("DATE", "date"),
            *_required("VARCHAR", "action", "ticker"),
            *_required("DOUBLE", "value"),
            *_required("VARCHAR", "contraticker"),
        ),
        key=("date", "action", "ticker", "contraticker"),
    ),
    Table(
        "sharadar",
        "sectors",
        "SECTORS*",
        (
            *_required("VARCHAR", "ticker"),
            *_required("DATE", "date"),
            *_required("VARCHAR", "sector"),
            *_optional("VARCHAR", "industry"),
        ),
        key=("ticker", "date"),
    ),
    Table(
        "cboe",
        "vix_history",
        "vix_history*",
        (
            *_required("DATE", "DATE"),
            *_required("DOUBLE", "CLOSE"),
            *_optional("DOUBLE", "OPEN", "HIGH", "LOW"),
        ),
        key=("DATE",),
    ),
    Table(
        "sp500",
        "membership",
        "membership*",
        (*_required("VARCHAR", "ticker"), *_required("DATE", "start_date"), *_optional("DATE", "end_date")),
        key=("ticker", "start_date"),
    ),
    # Two layouts of the forms go about; the second one's names stand as aliases.
    Table(
        "sec_form4",
        "transactions",
        "*",
        (
            *_required("VARCHAR", "ticker"),
            Column("owner_name", "VARCHAR", True, ("insider_name",)),
            *_required("DATE", "transaction_date", "filing_date"),
            Column("transaction_code", "VARCHAR", True, ("code",)),
            *_required("DOUBLE", "shares"),
            Column("price_per_share", "DOUBLE", True, ("price",)),
            *_optional("VARCHAR", "acquired_disposed"),
            Column("owner_title", "VARCHAR", aliases=("title",)),
            *_optional("VARCHAR", "is_director", "is_officer", "accession"),
            *_optional("DOUBLE", "value", "shares_after"),
        ),
        key=("ticker", "owner_name", "filing_date", "transaction_date", "transaction_code", "shares"),
    ),
    Table(
        "finnhub",
        "insider_transactions",
        "insider*",
        (
            *_required("VARCHAR", "symbol", "name", "transactionCode"),
            *_required("DATE", "transactionDate", "filingDate"),
            *_required("DOUBLE", "change", "transactionPrice"),
            *_optional("DOUBLE", "share"),
            *_optional("VARCHAR", "id"),
        ),
        key=("symbol", "id", "name", "transactionDate", "transactionCode", "change", "share"),
    ),
    Table(
        "sharadar",
        "sf2",
        "sf2*",
        (
            *_required("VARCHAR", "ticker", "ownername", "transactioncode"),
            *_required("DATE", "filingdate", "transactiondate"),
            *_required("DOUBLE", "transactionshares", "transactionpricepershare"),
            *_optional(
                "VARCHAR",
                "formtype",
                "issuername",
                "officertitle",
                "isdirector",
                "isofficer",
                "istenpercentowner",
                "securityadcode",
                "securitytitle",
                "directorindirect",
                "natureofownership",
            ),
            *_optional(
                "DOUBLE",
                "sharesownedbeforetransaction",
                "sharesownedfollowingtransaction",
                "transactionvalue",
                "priceexercisable",
            ),
            *_optional("DATE", "dateexercisable", "expirationdate"),
            *_optional("BIGINT", "rownum"),
        ),
        key=("ticker", "filingdate", "ownername", "formtype", "rownum"),
    ),
    Table(
        "sharadar",
        "sf3a",
        "sf3a*",
        (
            *_required("DATE", "calendardate"),
            *_required("VARCHAR", "ticker"),
            *_required("DOUBLE", "shrholders", "shrunits", "shrvalue"),
            *_optional("VARCHAR", "name"),
            *_optional(
                "DOUBLE",
                *(f"{kind}holders" for kind in ("cll", "put", "wnt", "dbt", "prf", "fnd", "und")),
                *(f"{kind}units" for kind in ("cll", "put", "wnt", "dbt", "prf", "fnd", "und")),
                *(f"{kind}value" for kind in ("cll", "put", "wnt", "dbt", "prf", "fnd", "und")),
                "totalvalue",
                "percentoftotal",
            ),
        ),
        key=("ticker", "calendardate"),
    ),
    Table(
        "finra",
        "short_interest",
        "short_interest*",
        (
            *_required("VARCHAR", "symbolCode"),
            *_required("DATE", "settlementDate"),
            *_required("DOUBLE", "currentShortPositionQuantity"),
            *_optional("BIGINT", "accountingYearMonthNumber"),
            *_optional(
                "VARCHAR",
                "issueName",
                "issuerServicesGroupExchangeCode",
                "marketClassCode",
                "stockSplitFlag",
                "revisionFlag",
            ),
            *_optional(
                "DOUBLE",
                "previousShortPositionQuantity",
                "averageDailyVolumeQuantity",
                "daysToCoverQuantity",
                "changePercent",
                "changePreviousNumber",
            ),
        ),
        key=("symbolCode", "settlementDate"),
    ),
    # Dates are MM/DD/YY and moments have a zone: both are text here and are read in staging.
    Table(
        "short_interest",
        "short_interest",
        "short_interest*",
        (
            *_required("VARCHAR", "symbol", "short_interest_date", "first_snapshot_at"),
            *_required("DOUBLE", "shares_sold_short"),
            *_optional("VARCHAR", "exchange", "last_snapshot_at"),
            *_optional("DOUBLE", "shares_outstanding", "public_float", "change_from_last", "percent_of_float"),
            *_optional("BIGINT", "snapshots"),
        ),
        key=("symbol", "short_interest_date", "first_snapshot_at"),
    ),
    Table(
        "pystock",
        "prices",
        "prices*",
        (
            *_required("VARCHAR", "symbol"),
            *_required("DATE", "date", "collected_date"),
            *_required("DOUBLE", "open", "high", "low", "close", "volume", "adj_close"),
        ),
        key=("symbol", "date", "collected_date"),
        serves="price bars",
    ),
    Table(
        "pystock",
        "reports",
        "reports*",
        (
            *_required("VARCHAR", "symbol", "period_focus"),
            *_required("DATE", "end_date", "collected_date"),
            *_optional("VARCHAR", "amend", "doc_type", "fiscal_year"),
            *_optional(
                "DOUBLE",
                "revenues",
                "op_income",
                "net_income",
                "eps_basic",
                "eps_diluted",
                "dividend",
                "assets",
                "cur_assets",
                "cur_liab",
                "cash",
                "equity",
                "cash_flow_op",
                "cash_flow_inv",
                "cash_flow_fin",
            ),
        ),
        key=("symbol", "end_date", "period_focus", "amend", "collected_date"),
    ),
    Table(
        "market",
        "basis",
        "basis",
        (*_required("VARCHAR", "dataset"), *_required("DATE", "basis_date")),
        key=("dataset",),
        is_strict=True,
    ),
    Table(
        "market",
        "market",
        "market",
        (*_required("VARCHAR", "key"), *_required("VARCHAR", "value")),
        key=("key",),
        is_strict=True,
    ),
    Table(
        "market",
        "spin_offs",
        "spin_offs",
        (
            *_required("VARCHAR", "ticker"),
            *_required("DATE", "date"),
            *_required("DOUBLE", "factor"),
            *_required("VARCHAR", "dataset"),
        ),
        key=("ticker", "date", "dataset"),
        is_strict=True,
    ),
)

VENDORS = tuple(sorted({table.vendor for table in TABLES} - {"market"}))
MARKET_KEYS = ("keeps_delisted", "survivorship_biased")
# Vendors whose files do not say to which day's splits their prices or counts are adjusted.
ON_A_BASIS = ("yahoo", "simfin")
# Beside the vendors' folders a simulated market has what its simulator knew: no source, and nothing to speak of.
NOT_READ = ("truth.parquet",)


def raw_statements(market_dir: Path) -> tuple[list[str], list[str]]:
    """SQL that creates schema raw and one view per declared table, and notices for the user.

    Args:
        market_dir: a market: one folder per vendor, and optionally basis.csv, market.csv and spin_offs.csv.

    Returns:
        Statements in the order to run (the last one creates raw.market__files), and sentences about what is empty,
        unknown or ignored.

    Raises:
        MarketError: the directory is missing or empty, there are no price bars, a file cannot be read, lacks a
            required column or has a column that is wholly of another type. All such problems stand in one message.
    """
    files, notices = _find_files(market_dir)
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    connection.execute("set enable_progress_bar = false")
    statements = ["create schema if not exists raw"]
    problems: list[str] = []
    served = {table.serves: 0 for table in TABLES if table.serves}
    try:
        for table in TABLES:
            shown = _show_files(connection, table, files[table], market_dir, problems)
            notices += [f"{file.label} has the right columns and no rows." for file in shown if file.rows == 0]
            if table.serves:
                served[table.serves] += sum(file.rows for file in shown)
            alike: dict[tuple, list[Shown]] = {}
            for file in shown:
                alike.setdefault((file.reader, file.described, file.columns), []).append(file)
            selects = [_select_of_files(table, group) for group in alike.values()] or [_select_of_nothing(table)]
            statements.append(f"create or replace view {table.view} as\n" + "\nunion all by name\n".join(selects))
        for need in [need for need, rows in served.items() if not rows and not problems]:
            names = [str(path.relative_to(market_dir)) for t in TABLES if t.serves == need for path in files[t]]
            have = "has" if len(names) == 1 else "have"
            problems.append(f"A market needs {need}, and {' and '.join(names)} {have} no rows. Deliver at least one.")
        if not problems:
            _check_market_files(connection, statements, files, market_dir, notices, problems)
    finally:
        connection.close()
    if problems:
        raise MarketError("\n".join(problems))
    return [*statements, _files_view(files, market_dir)], notices


def _files_view(files: dict[Table, list[Path]], market_dir: Path) -> str:
    """The view raw.market__files: vendor, table_name, dataset and file of everything that is read."""
    rows = [
        (table.vendor, table.name, f"{table.vendor}/{path.stem}", str(path.relative_to(market_dir)))
        for table, paths in files.items()
        for path in paths
    ]
    values = ",\n    ".join(f"({', '.join(map(literal, row))})" for row in rows)
    return (
        f"create or replace view raw.market__files as\nselect *\nfrom (\n    values\n    {values}\n)"
        " as files (vendor, table_name, dataset, file)"
    )


def _find_files(market_dir: Path) -> tuple[dict[Table, list[Path]], list[str]]:
    """The files of each table in order of name, and notices about folders and files nobody reads."""
    if not market_dir.is_dir():
        fault = "is a file" if market_dir.exists() else "does not exist"
        raise MarketError(
            f"The market's directory {market_dir} {fault}. Set KAIROS_MARKET to a directory with a folder per vendor "
            f"({', '.join(VENDORS)}), or write the demo market with `kairos demo`."
        )
    files: dict[Table, list[Path]] = {table: [] for table in TABLES}
    notices: list[str] = []
    for entry in sorted(market_dir.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir() and entry.name not in VENDORS:
            notices.append(f"{entry.name}/ is not a vendor this project reads ({', '.join(VENDORS)}); ignored.")
            continue
        vendor = entry.name if entry.is_dir() else "market"
        for path in sorted(entry.iterdir()) if entry.is_dir() else [entry]:
            if path.name.startswith(".") or (vendor == "market" and path.name.lower() in NOT_READ):
                continue
            table = next((t for t in TABLES if t.vendor == vendor and t.matches(path.stem)), None)
            if table is None or path.suffix.lower() not in SUFFIXES or not path.is_file():
                known = ", ".join(f"{t.stem}.csv" for t in TABLES if t.vendor == vendor)
                where = f"tables of {vendor}" if entry.is_dir() else "files of a market itself"
                notices.append(f"{path.relative_to(market_dir)} is ignored; {where}: {known} (or .parquet).")
            else:
                files[table].append(path)
    for table, paths in files.items():
        stems = Counter(path.stem.lower() for path in paths)
        for stem in sorted(stem for stem, times in stems.items() if times > 1):
            names = " and ".join(p.name for p in paths if p.stem.lower() == stem)
            notices.append(f"{table.vendor}/: {names} are both read; rows they share are quarantined as duplicates.")
    for need in sorted({table.serves for table in TABLES} - {""}):
        serving = [table for table in TABLES if table.serves == need]
        if not any(files[table] for table in serving):
            found = _listed(_names_in(market_dir)) or "nothing"
            names = " or ".join(f"{table.vendor}/{table.stem}" for table in serving)
            raise MarketError(
                f"A market needs {need}, and {market_dir} has no file {names} (.parquet or .csv). Found: {found}. Put "
                "them there, one row per ticker and date."
            )
    return files, notices


def _names_in(market_dir: Path) -> list[str]:
    """What lies in a market: the files of vendors' folders, and other folders and files by name."""
    names = []
    for entry in sorted(market_dir.glob("[!.]*")):
        inside = sorted(entry.glob("[!.]*")) if entry.name in VENDORS else []
        names += [f"{entry.name}/{path.name}" for path in inside] or [entry.name + "/" * entry.is_dir()]
    return names


def _select_of_nothing(table: Table) -> str:
    """An empty relation of the table's columns."""
    columns = ",\n    ".join(f"null::{column.type} as {identifier(column.name)}" for column in table.columns)
    marks = "null::varchar as _dataset,\n    null::varchar as _file,\n    null::varchar as _row_error"
    return f"select\n    {columns},\n    {marks}\nwhere false"


@dataclass(frozen=True)
class Opened:
    """A file that can be opened: its path, that below the market's directory, DuckDB's table function for it with its
    options, and the physical columns with their types."""

    path: Path
    label: str
    reader: tuple[str, tuple[str, ...]]
    described: tuple[tuple[str, str], ...]

    @property
    def source(self) -> str:
        """What stands behind `from`."""
        return _call(self.reader, literal(glob.escape(str(self.path))))

    def shown(self, table: Table) -> dict[Column, tuple[str, str]]:
        """The physical column, name and type, of each declared one that is there."""
        physical = {name.strip().lower(): (name, type_.upper()) for name, type_ in self.described}
        return {column: physical[name] for column in table.columns if (name := column.find(physical)) is not None}


@dataclass(frozen=True)
class Shown(Opened):
    """A file that can be used: also what makes the declared columns and _row_error of it, and its number of rows."""

    columns: tuple[str, ...]
    rows: int


# rows of a file and, for each column, how many values are given and how many of those are readable
Counts = tuple[int, dict[Column, tuple[int, int]]]


def _show_files(
    connection: duckdb.DuckDBPyConnection, table: Table, paths: list[Path], market_dir: Path, problems: list[str]
) -> list[Shown]:
    """How the files of a table are to be shown; what makes one unusable is added to the problems."""
    opened: list[Opened | MarketError] = []
    for path in paths:
        try:
            opened.append(_open(connection, table, path, market_dir))
        except MarketError as error:
            opened.append(error)
    counted = _counts_of_many(connection, table, [file for file in opened if isinstance(file, Opened)])
    shown = []
    for file in opened:
        try:
            if isinstance(file, MarketError):
                raise file
            shown.append(_show(connection, table, file, counted.get(file) or _counts(connection, table, file)))
        except MarketError as error:
            problems.append(str(error))
    return shown


def _open(connection: duckdb.DuckDBPyConnection, table: Table, path: Path, market_dir: Path) -> Opened:
    """A file with its physical columns; raises MarketError when it cannot be read or a required column is missing."""
    label = str(path.relative_to(market_dir))
    _refuse_other_formats(label, table, path)
    file = Opened(path, label, _reader(path), ())
    try:
        described = connection.execute(f"describe select * from {file.source}").fetchall()
    except duckdb.Error as error:
        raise _unreadable(label, error) from error
    _refuse_columns_of_one_name(connection, label, table, path)
    file = replace(file, described=tuple((str(name), str(type_)) for name, type_, *_ in described))
    shown = file.shown(table)
    if missing := [column.name for column in table.columns if column.is_required and column not in shown]:
        raise MarketError(
            f"{label} lacks {_listed(missing)}, which {table.vendor}'s table {table.name} must have. Its columns are "
            f"{_listed([name for name, _ in file.described])}. Rename or add what is missing."
        )
    return file


def _show(connection: duckdb.DuckDBPyConnection, table: Table, file: Opened, counts: Counts) -> Shown:
    """How a file is to be shown; raises MarketError for columns of which no given value can be read."""
    rows, readable = counts
    shown = file.shown(table)
    _refuse_wrong_types(connection, file.label, file.source, shown, rows, readable)
    columns, errors = [], []
    for column in table.columns:
        if column not in shown or (rows and readable[column][0] == 0 and not _is_castable(shown[column][1], column)):
            columns.append(f"null::{column.type} as {identifier(column.name)}")
            continue
        name, type_ = shown[column]
        columns.append(f"{_cast(name, type_, column)} as {identifier(column.name)}")
        if _can_fail(type_, column):
            errors.append(
                f"case when {_given(name, type_)} is not null and {_cast(name, type_, column)} is null then "
                f"{literal(column.name + '=')} || chr(39) || {identifier(name)}::varchar || chr(39) || "
                f"{literal(f' is not {_wanted(type_, column)}')} end"
            )
    error = f"nullif(concat_ws('; ', {', '.join(errors)}), '')" if errors else "null::varchar"
    return Shown(
        file.path, file.label, file.reader, file.described, columns=(*columns, f"{error} as _row_error"), rows=rows
    )


def _select_of_files(table: Table, files: list[Shown]) -> str:
    """The select that shows files of the same columns.

    They are read by one call: of a union of one select each DuckDB's planner took 70 seconds for 500 files, and three
    times as long for twice as many, in every query that read them.
    """
    first = files[0]
    *columns, error = first.columns
    if len(files) == 1:
        dataset, file, source = literal(f"{table.vendor}/{first.path.stem}"), literal(first.label), first.source
    else:
        name = f"parse_filename({READ_FROM}, 'forward_slash')"
        dataset = f"{literal(table.vendor + '/')} || {name}[:-{len(first.path.suffix) + 1}]"
        file = f"{literal(first.label.removesuffix(first.path.name))} || {name}"
        source = _read_together(files, ",\n    ")
    marks = [f"{dataset} as _dataset", f"{file} as _file", error]
    return "select\n    " + ",\n    ".join([*columns, *marks]) + f"\nfrom {source}"


def _refuse_columns_of_one_name(connection: duckdb.DuckDBPyConnection, label: str, table: Table, path: Path) -> None:
    """Raise MarketError where two columns have a name that the table reads: DuckDB would call the second Close_1, and
    the first would be taken without a word."""
    if path.suffix.lower() == ".parquet":
        query = f"select name, coalesce(num_children, 0) from parquet_schema({literal(glob.escape(str(path)))})"
        names = _top_level(connection.execute(query).fetchall())
    else:
        line = _first_line(path)
        names = next(csv.reader([line], delimiter=_delimiter(line)), [])
    plain = [name.strip().lower() for name in names]
    for column in table.columns:
        found = column.find(plain)
        if found and plain.count(found) > 1:
            twice = [name for name, same in zip(names, plain, strict=True) if same == found]
            raise MarketError(
                f"{label} has {len(twice)} columns of one name ({_listed(twice)}; capitals and blanks around it do not"
                " count), so which of them is meant cannot be told. Keep one and rename or remove the others."
            )


def _top_level(schema: Sequence[tuple[str, int]]) -> list[str]:
    """Names of a Parquet file's columns, without the fields inside them: of all elements, each before its children, the
    root's children."""
    names, inside = [], 0
    for name, children in schema[1:]:
        if inside:
            inside -= 1
        else:
            names.append(str(name))
        inside += children
    return names


def _refuse_other_formats(label: str, table: Table, path: Path) -> None:
    """Raise MarketError for a CSV file that is empty, or has no required column and is something else."""
    if path.suffix.lower() == ".parquet":
        return
    with path.open("rb") as file:
        start = file.read(65536)
    cure = (
        "Write it as comma- or semicolon-separated text in UTF-8 whose first line names the columns "
        f"({_listed([column.name for column in table.columns if column.is_required])})."
    )
    if not start.strip():
        raise MarketError(f"{label} is empty. {cure} Or remove it.")
    line = re.split("[\r\n]", start.decode(errors="replace"), maxsplit=1)[0]
    names = [name.lower() for name in _header(line, _delimiter(line))]
    if not any(column.is_required and column.find(names) for column in table.columns):
        seems = _other_format(start, line)
        if seems:
            raise MarketError(
                f"{label} has none of the columns of {table.vendor}'s table {table.name}: {seems}. {cure}"
            )


def _other_format(start: bytes, line: str) -> str:
    """What a file named .csv seems to be by its first bytes and line; empty for a CSV with other columns."""
    signs = {
        b"PAR1": "Parquet (name it .parquet)",
        b"PK\x03\x04": "an Excel workbook or an archive",
        b"\x1f\x8b": "compressed",
    }
    for sign, kind in signs.items():
        if start.startswith(sign):
            return f"it seems to be {kind}"
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or start.count(0) > len(start) // 4:
        return "it seems to be text in UTF-16"
    text = line.removeprefix("\ufeff").replace("\t", " ")
    if _plain(text) != text:
        return "it seems to be no text in UTF-8"
    if not text.strip():
        return "its first line is empty"
    for separator, kind in {"\t": "tabs", "|": "|"}.items():
        if separator in line:
            return f"its columns seem to be separated by {kind}"
    if any(re.fullmatch(r"[-+]?[\d.]+([-/.]\d+)*", value) for value in _header(line, _delimiter(line))):
        return "its first line seems to be a row, with no header above"
    return ""


def _counts_of_many(connection: duckdb.DuckDBPyConnection, table: Table, files: list[Opened]) -> dict[Opened, Counts]:
    """_counts() of each of several CSV files with the same columns, in one pass over them: of a small file the query
    costs more than the reading. Where one of them cannot be read all are left out.
    """
    alike: dict[tuple, list[Opened]] = {}
    for file in files:
        if file.source.startswith("read_csv"):
            alike.setdefault((file.reader, file.described), []).append(file)
    found = {}
    for group in (group for group in alike.values() if len(group) > 1):
        asked, counts = _counted(table, group[0])
        query = f"select {READ_FROM}, {', '.join(counts)} from {_read_together(group)} group by {READ_FROM}"
        try:
            rows = {place: row for place, *row in connection.execute(query).fetchall()}
        except duckdb.Error:
            continue
        if rows.keys() <= {str(file.path) for file in group}:
            # nothing is said of a file without rows
            none = [0] * len(counts)
            found |= {file: _as_counts(asked, file, table, rows.get(str(file.path), none)) for file in group}
    return found


def _counts(connection: duckdb.DuckDBPyConnection, table: Table, file: Opened) -> Counts:
    """Rows of a file and, for each column that may not fit its type, (values given, values readable), in one pass."""
    asked, counts = _counted(table, file)
    try:
        row = connection.execute(f"select {', '.join(counts)} from {file.source}").fetchall()[0]
    except duckdb.Error as error:
        raise _unreadable(file.label, error) from error
    return _as_counts(asked, file, table, row)


def _counted(table: Table, file: Opened) -> tuple[list[Column], list[str]]:
    """The columns that may not fit their types, and what to select: the rows, two counts for each, and others."""
    shown = file.shown(table)
    asked = [c for c, (_, type_) in shown.items() if _can_fail(type_, c) or not _is_castable(type_, c)]
    counts = ["count(*)"]
    for column in asked:
        name, type_ = shown[column]
        counts.append(f"count({_given(name, type_)})")
        counts.append(f"count({_cast(name, type_, column)})" if _is_castable(type_, column) else "0")
    if file.source.startswith("read_csv"):  # text that is not UTF-8 shows only when it is read
        counts += [f"count({identifier(name)})" for c, (name, _) in shown.items() if c not in asked]
    return asked, counts


def _as_counts(asked: list[Column], file: Opened, table: Table, row: Sequence[int]) -> Counts:
    """What _counted() selected, by column; where nothing was asked, all values are given and readable."""
    said = {column: (row[1 + 2 * i], row[2 + 2 * i]) for i, column in enumerate(asked)}
    return row[0], {column: said.get(column, (row[0], row[0])) for column in file.shown(table)}


def _refuse_wrong_types(
    connection: duckdb.DuckDBPyConnection,
    label: str,
    reader: str,
    shown: dict[Column, tuple[str, str]],
    rows: int,
    readable: dict[Column, tuple[int, int]],
) -> None:
    """Raise MarketError for the columns of which no given value can be read."""
    wrong = []
    for column, (given, good) in readable.items():
        if given == 0 or good > 0 or rows == 0:
            continue
        name, type_ = shown[column]
        example = connection.execute(
            f"select {identifier(name)}::varchar from {reader} where {_given(name, type_)} is not null limit 1"
        ).fetchall()[0][0]
        wrong.append(
            f"{label}: column '{column.name}' should be {WANTED[column.type]} and none of its {given} values is one "
            f"(example: '{_plain(example[:60])}', stored as {type_}). {CURES[column.type]}"
        )
    if wrong:
        raise MarketError("\n".join(wrong))


def _check_market_files(
    connection: duckdb.DuckDBPyConnection,
    statements: list[str],
    files: dict[Table, list[Path]],
    market_dir: Path,
    notices: list[str],
    problems: list[str],
) -> None:
    """Hold the hand-written files of a market to their rules: readable cells, unique keys, sensible values."""
    connection.execute(statements[0])
    for table, statement in zip(TABLES, statements[1:], strict=True):
        if not table.is_strict or not files[table]:
            continue
        connection.execute(statement)
        label = ", ".join(str(path.relative_to(market_dir)) for path in files[table])
        blank = " or ".join(f"{identifier(c.name)} is null" for c in table.columns if c.is_required)
        bad = connection.execute(
            f"select count(*), any_value(coalesce(_row_error, 'an empty cell')) from {table.view} "
            f"where _row_error is not null or {blank}"
        ).fetchall()[0]
        if bad[0]:
            problems.append(f"{label}: {bad[0]} row(s) cannot be used (example: {bad[1]}). Correct or remove them.")
        key = ", ".join(identifier(column) for column in table.key)
        twice = connection.execute(
            f"select concat_ws(', ', {key}), count(*) from {table.view} group by {key} having count(*) > 1 order by 1"
        ).fetchall()
        if twice:
            problems.append(
                f"{label}: {len(twice)} key(s) ({', '.join(table.key)}) stand on more than one row (example: "
                f"'{twice[0][0]}', {twice[0][1]} rows). Keep one row each."
            )
    is_adjusted = any(files[table] for table in TABLES if table.vendor in ON_A_BASIS)
    if is_adjusted and not files[_table("market", "basis")]:
        notices.append(
            "This market has no basis.csv: each file is taken to be adjusted to every split delivered. If it is older"
            " than that, name its date (dataset, basis_date), or market values will be wrong by the splits since."
        )
    if not files[_table("market", "market")]:
        notices.append(
            "This market has no market.csv: names whose bars stop are not taken as delisted (keeps_delisted), and"
            " whether it was chosen among survivors is unknown (survivorship_biased)."
        )
    if files[_table("market", "spin_offs")]:
        bad = connection.execute(
            "select count(*), any_value(ticker), any_value(factor) from raw.market__spin_offs where not factor > 0 or "
            "isinf(factor)"
        ).fetchall()[0]
        if bad[0]:
            problems.append(
                f"spin_offs.csv: a factor must be above 0; {bad[0]} row(s) are not (example: {bad[1]}, {bad[2]}). "
                "Write the ratio by which older prices were divided, such as 1.25."
            )
        for dataset, lines in connection.execute(
            "select dataset, count(*) from raw.market__spin_offs group by dataset order by dataset"
        ).fetchall():
            if dataset not in VENDORS:
                problems.append(
                    f"spin_offs.csv: '{_plain(str(dataset))}' ({lines} row(s)) is no vendor. Write the name of the one"
                    " whose share counts were scaled, such as simfin."
                )
    if files[_table("market", "market")]:
        for key, value in connection.execute("select key, value from raw.market__market order by key").fetchall():
            if key not in MARKET_KEYS:
                notices.append(f"market.csv: key '{key}' is not known ({', '.join(MARKET_KEYS)}); ignored.")
            elif str(value).lower() not in ("true", "false"):
                problems.append(f"market.csv: {key} must be true or false, found '{value}'. Write one of the two.")
    if files[_table("market", "basis")]:
        here = {f"{table.vendor}/{path.stem}" for table, paths in files.items() for path in paths}
        for (dataset,) in connection.execute("select dataset from raw.market__basis order by dataset").fetchall():
            if dataset not in here:
                notices.append(f"basis.csv names '{dataset}', and this market has no such file; ignored.")


def _table(vendor: str, name: str) -> Table:
    """The declared table of that name."""
    return next(table for table in TABLES if (table.vendor, table.name) == (vendor, name))


def _unreadable(label: str, error: duckdb.Error) -> MarketError:
    """The message for a file that DuckDB cannot read."""
    lines = str(error).split("\nLINE ")[0].splitlines()[:3]  # without the query that read it
    said = _plain(" ".join(line.strip() for line in lines if line.strip())[:300])
    cure = (
        "Write it again as Parquet."
        if label.lower().endswith(".parquet")
        else "Write it as CSV in UTF-8, comma or semicolon separated, with a header and as many fields in every line."
    )
    return MarketError(f"{label} cannot be read: {said} {cure}")


def _reader(path: Path) -> tuple[str, tuple[str, ...]]:
    """The table function that reads a file, and its options; text columns stay text until they are cast."""
    if path.suffix.lower() == ".parquet":
        return "read_parquet", ()
    header = _first_line(path)
    delimiter = _delimiter(header)
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in _header(header, delimiter))
    return "read_csv", (
        "auto_detect=false",
        "header=true",
        f"delim='{delimiter}'",
        "quote='\"'",
        "escape='\"'",
        f"columns={{{columns}}}",
    )


def _first_line(path: Path) -> str:
    """The first line of a text file, without its end and the mark of its encoding."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().lstrip("\ufeff").rstrip("\r\n")


def _call(reader: tuple[str, tuple[str, ...]], places: str, *further: str) -> str:
    """A call of the table function with its options."""
    function, options = reader
    return f"{function}({', '.join([places, *options, *further])})"


def _read_together(files: Sequence[Opened], separator: str = ", ") -> str:
    """A call that reads several files of one reader, with the path of each in column READ_FROM."""
    places = separator.join(literal(glob.escape(str(file.path))) for file in files)
    return _call(files[0].reader, f"[{places}]", f"filename = '{READ_FROM}'")


def _delimiter(line: str) -> str:
    """What separates the columns of a CSV with this first line."""
    return ";" if line.count(";") > line.count(",") else ","


def _header(line: str, delimiter: str) -> list[str]:
    """Column names of a CSV's first line; blanks get a name of their own."""
    names = next(csv.reader([line.lstrip("\ufeff").rstrip("\r\n")], delimiter=delimiter), []) or [""]
    names = [name.strip() or f"column_{position}" for position, name in enumerate(names)]
    before = [[earlier.lower() for earlier in names[:position]] for position in range(len(names))]
    return [f"{name}_{i}" if name.lower() in before[i] else name for i, name in enumerate(names)]


def _is_castable(type_: str, column: Column) -> bool:
    """Whether values of the physical type can be values of the declared one at all."""
    if type_ == "VARCHAR":
        return True
    is_number = type_ in NUMBERS or type_.startswith("DECIMAL")
    is_date = type_ == "DATE" or type_.startswith("TIMESTAMP")
    if column.type == "DATE":
        return is_date
    if column.type == "VARCHAR":
        return is_number or is_date or type_ in ("BOOLEAN", "UUID") or type_.startswith("ENUM")
    return is_number


def _can_fail(type_: str, column: Column) -> bool:
    """Whether single values may turn out unreadable."""
    if column.type == "VARCHAR" or not _is_castable(type_, column):
        return False
    if column.type == "DATE":
        return type_ == "VARCHAR" or "TIME ZONE" in type_
    return type_ == "VARCHAR" or (column.type in ("BIGINT", "INTEGER") and type_ not in ("INTEGER", column.type))


def _given(name: str, type_: str) -> str:
    """The value where one is given: blank text is none."""
    return f"nullif(trim({identifier(name)}), '')" if type_ == "VARCHAR" else identifier(name)


def _cast(name: str, type_: str, column: Column) -> str:
    """The value in the declared type, NULL where it cannot be read.

    A date in text is year-month-day, the year with four digits (20-12-21 would be the year 20), alone or before a
    time; one that a row must have is of 1900 or later. Of moments with a zone the UTC date counts, as it does for a
    midnight in New York; from 11:00 UTC on a moment may be the next day's midnight east of Greenwich, as 22:00 is
    Berlin's, or a time of the day itself, and is unreadable.
    """
    value = _given(name, type_)
    if column.type == type_ and type_ != "VARCHAR":
        return value
    if column.type == "DATE":
        if type_ == "VARCHAR":
            # most texts are plain; a pattern is looked for only in the others
            day = f"try_cast(left({value}, 10) as date)"
            is_plain = f"{value}[5] in ('-', '/') and {value}[11] in ('', ' ', 'T')"
            before_time = f"regexp_extract({value}, '^([0-9]{{4}}[-/][0-9]{{1,2}}[-/][0-9]{{1,2}})(?:$|[ TtZ+])', 1)"
            is_unclear = f"length({value}) > 16 and {value}[12:13] >= '11' and regexp_matches({value}, '{UTC}')"
            read = (
                f"case when {is_unclear} then null when {is_plain} then {day}"
                f" else try_cast(nullif({before_time}, '') as date) end"
            )
            return f"case when {read} >= date '1900-01-01' then {read} end" if column.is_required else read
        if "TIME ZONE" in type_:
            moment = f"make_timestamp(epoch_us({value}))"
            return f"case when hour({moment}) < 11 then {moment}::date end"
        return f"{value}::date"
    return value if column.type == type_ else f"try_cast({value} as {column.type.lower()})"


def _wanted(type_: str, column: Column) -> str:
    """What a value of the physical type should have been."""
    is_moment = column.type == "DATE" and "TIME ZONE" in type_
    return WANTED[column.type] + (": from 11:00 UTC on it may be the next day's midnight" if is_moment else "")


def _plain(text: str) -> str:
    """The text with a question mark for everything that cannot be printed."""
    return "".join(sign if sign.isprintable() and sign != "\ufffd" else "?" for sign in text)


def _listed(names: list[str]) -> str:
    """'a', 'b' and so on; long lists are cut."""
    shown = ", ".join(f"'{_plain(name)}'" for name in names[:12])
    return shown if len(names) <= 12 else f"{shown} and {len(names) - 12} more"
