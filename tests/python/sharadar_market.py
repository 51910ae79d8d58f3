"""A few companies to which everything happens once, written in the vendor's layout as it would be delivered on a day.

The truth is kept as traded: closes, dividends and counts of the day, symbols of the day. `write` makes of it the files
of any day: prices adjusted to that day, keyed by that day's tickers, and nothing that was not known.
"""

from __future__ import annotations

import csv
import datetime
import random
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from kairos import sessions
from kairos.raw import TABLES

FIRST, LAST = "2018-01-02", "2019-12-31"
SF1 = next(table for table in TABLES if table.view == "raw.sharadar__sf1")
ITEMS = [column.name for column in SF1.columns if column.type == "DOUBLE"]
ENDS = ("mergerto", "acquisitionby", "bankruptcyliquidation", "regulatorydelisting", "voluntarydelisting", "delisted")


def calendar() -> list[datetime.date]:
    """Sessions of the market's two years in order."""
    with sessions.seed_path().open() as file:
        days = [row["session_date"] for row in csv.DictReader(file)]
    return [datetime.date.fromisoformat(day) for day in days if FIRST <= day <= LAST]


DAYS = calendar()


@dataclass
class Company:
    """One security; positions are indices into DAYS."""

    permaticker: str
    symbols: list[tuple[int, str]]  # (position from which it is called so, symbol); the last may be the vendor's own
    first: int = 0
    last: int = len(DAYS) - 1  # of the last bar
    start: float = 100.0
    category: str = "Domestic Common Stock"
    table: str = "SEP"
    exchange: str = "NYSE"
    holes: range = range(0)
    splits: dict[int, float] = field(default_factory=dict)  # new shares per old from that position on
    dividends: dict[int, float] = field(default_factory=dict)
    spin_offs: dict[int, tuple[float, str]] = field(default_factory=dict)  # (USD per share handed out, permaticker)
    ends: list[tuple[int, str]] = field(default_factory=list)  # (position of the action, its kind)
    sectors: list[tuple[int, str]] = field(default_factory=lambda: [(0, "Technology")])
    quarters: list[dict] = field(default_factory=list)  # dimension, datekey, reportperiod and items
    close: dict[int, float] = field(default_factory=dict)  # as traded, by position of the bar
    volume: dict[int, float] = field(default_factory=dict)

    def symbol(self, position: int) -> str:
        """What it is called on a day."""
        return [name for since, name in self.symbols if since <= position or since == self.symbols[0][0]][-1]

    def ticker(self, until: int) -> str:
        """What a file of that day calls it."""
        return self.symbol(until)

    def factor(self, start: int, end: int) -> float:
        """New shares per old one through the splits after `start` up to and including `end`."""
        product = 1.0
        for position, ratio in sorted(self.splits.items()):
            if start < position <= end:
                product *= ratio
        return product

    def returns(self, position: int, until: int) -> float:
        """By what the close of a day is multiplied to be adjusted for all that was handed out up to another day."""
        product = 1 / self.factor(position, until)
        bars = sorted(self.close)
        for kind in (self.dividends, {p: usd for p, (usd, _) in self.spin_offs.items()}):
            for ex, usd in sorted(kind.items()):
                if position < ex <= until:
                    before = max(bar for bar in bars if bar < ex)
                    product *= 1 - usd / (self.close[before] / self.factor(before, ex))
        return product


def reported(
    company: Company, *, filed_after: int = 40, shares: float = 1e8, first_year: int = 2016, seed: int = 0
) -> list[dict]:
    """As-reported quarters from first_year on, filed some days after their end; counts on the splits of that day."""
    chance = random.Random(seed)
    out = []
    for month in range(12 * first_year + 2, 12 * 2019 + 12, 3):
        year, number = divmod(month + 1, 12)
        end = datetime.date(year, number + 1, 1) - datetime.timedelta(days=1)
        filed = end + datetime.timedelta(days=filed_after)
        position = max((i for i, day in enumerate(DAYS) if day <= filed), default=0)
        if position > company.last:
            break
        count = shares * company.factor(-1, position)
        revenue = round(chance.uniform(1e9, 2e9))
        out.append(
            dict.fromkeys(ITEMS, 1.0)
            | {
                "dimension": "ARQ",
                "datekey": filed,
                "reportperiod": end,
                "revenue": revenue,
                "netinc": round(revenue * 0.1),
                "opinc": round(revenue * 0.15),
                "ncfo": round(revenue * 0.2),
                "capex": -round(revenue * 0.05),
                "ncfdiv": -round(revenue * 0.02),
                "assets": round(revenue * 8),
                "equity": round(revenue * 4),
                "sharesbas": count,
                "shareswadil": count,
                "epsdil": round(revenue * 0.1 / count, 4),
                "sharefactor": 1.0,
                "fxusd": 1.0,
            }
        )
    return out


def companies() -> dict[str, Company]:
    """By name: what happens to each is its name."""
    n = len(DAYS)
    made = {
        "plain": Company("1", [(0, "PLAIN")]),
        "split": Company("2", [(0, "SPLIT")], splits={300: 4.0}, dividends={100: 1.25, 310: 0.3}),
        "parent": Company("3", [(0, "PARE")], spin_offs={250: (20.0, "4")}),
        "child": Company("4", [(0, "KIDD")], first=250, start=20.0),
        "renamed": Company("5", [(0, "OLDN"), (200, "NEWN")]),
        # its symbol is taken over by `heir`: from then on the vendor's files call it ABC1
        "merged": Company("6", [(0, "ABC"), (220, "ABC1")], last=149, ends=[(150, "mergerto"), (150, "delisted")]),
        "heir": Company("7", [(0, "ABC")], first=220),
        "bankrupt": Company("8", [(0, "BUST")], last=260, start=3.0, ends=[(260, "bankruptcyliquidation")]),
        "halted": Company("9", [(0, "HALT")], holes=range(180, 210), splits={183: 2.0}),
        "silent": Company("10", [(0, "GONE")], last=300, ends=[(330, "delisted")]),
        "left": Company("11", [(0, "LEFT")], last=280, start=3.0, ends=[(281, "voluntarydelisting")]),
        "amended": Company("12", [(0, "AMND")]),
        "moved": Company("13", [(0, "SECT")], sectors=[(0, "Energy"), (280, "Utilities")]),
        "preferred": Company("14", [(0, "PLAIN-P")], category="Domestic Preferred Stock"),
        "miscounted": Company("15", [(0, "COUN")]),
        "young": Company("17", [(0, "YUNG")], first=240),
        "spy": Company("16", [(0, "SPY")], category="ETF", table="SFP", exchange="NYSEARCA", sectors=[]),
    }
    for k, company in enumerate(made.values()):
        chance = random.Random(100 + k)
        price = company.start
        for position in range(company.first, min(company.last, n - 1) + 1):
            price *= 1 + chance.gauss(0.0003, 0.015)
            price /= company.splits.get(position, 1.0)
            price -= company.spin_offs.get(position, (0.0, ""))[0] + company.dividends.get(position, 0.0)
            if position not in company.holes:
                company.close[position] = price
                company.volume[position] = float(chance.randrange(200_000, 900_000))
        if company.table == "SEP" and company.category.endswith("Common Stock"):
            company.quarters = reported(company, seed=k)
    # an amendment of the second quarter of 2018 in December, and what restated dimensions make of it
    quarters = made["amended"].quarters
    second = next(q for q in quarters if q["reportperiod"] == datetime.date(2018, 6, 30))
    quarters.append(second | {"datekey": datetime.date(2018, 12, 10), "netinc": 5e7, "equity": 3e9})
    quarters.append(
        second | {"dimension": "MRQ", "datekey": second["reportperiod"], "netinc": 4e7, "equity": 2.5e9, "revenue": 7.0}
    )
    # counts a million times too small: one quarter's in mid-life, and the first there ever was
    made["young"].quarters = [q for q in made["young"].quarters if q["reportperiod"] >= datetime.date(2018, 12, 31)]
    for name in ("miscounted", "young"):
        odd = next(q for q in made[name].quarters if q["reportperiod"] == datetime.date(2018, 12, 31))
        odd["sharesbas"] /= 1e6
    return made


def write(folder: Path, made: dict[str, Company], until: int = len(DAYS) - 1, *, without: tuple[str, ...] = ()) -> Path:
    """The vendor's files as of the close of a day, without the tables named."""
    day = DAYS[until]
    by_id = {company.permaticker: company for company in made.values()}
    tables: dict[str, list[dict]] = {name: [] for name in ("SEP", "SFP", "SF1", "TICKERS", "ACTIONS", "SECTORS")}
    for company in made.values():
        if company.first > until:
            continue
        ticker = company.ticker(until)
        bars = [p for p in company.close if p <= until]
        for position in bars:
            traded, factor = company.close[position], company.factor(position, until)
            close = traded / factor
            tables[company.table].append(
                {
                    "ticker": ticker,
                    "date": DAYS[position],
                    "open": close,
                    "high": close * 1.01,
                    "low": close * 0.99,
                    "close": close,
                    "volume": company.volume[position] * factor,
                    "closeadj": traded * company.returns(position, until),
                    "closeunadj": traded,
                    "lastupdated": day,
                }
            )
        for quarter in company.quarters:
            if quarter["datekey"] <= day:
                tables["SF1"].append({"ticker": ticker} | quarter)
        gone = any(position <= until for position, _ in company.ends)
        for table in [company.table, *(["SF1"] if company.quarters else [])]:
            tables["TICKERS"].append(
                {
                    "table": table,
                    "permaticker": company.permaticker,
                    "ticker": ticker,
                    "name": f"{company.symbols[0][1]} Inc",
                    "exchange": company.exchange,
                    "isdelisted": "Y" if gone else "N",
                    "category": company.category,
                    "sector": company.sectors[-1][1] if company.sectors else None,
                    "industry": "Things" if company.sectors else None,
                    "currency": "USD",
                    "firstpricedate": DAYS[bars[0]],
                    "lastpricedate": DAYS[bars[-1]],
                }
            )
        events = [(p, kind, None, None) for p, kind in company.ends]
        events += [(p, "split", ratio, None) for p, ratio in company.splits.items()]
        events += [(p, "dividend", usd, None) for p, usd in company.dividends.items()]
        events += [(p, "spunofffrom", 0.5, by_id[child].ticker(until)) for p, (_, child) in company.spin_offs.items()]
        pairs = zip(company.symbols[1:], company.symbols, strict=False)
        events += [(since, "tickerchangefrom", None, before) for (since, _), (_, before) in pairs]
        for position, action, value, contra in events:
            if position <= until:
                tables["ACTIONS"].append(
                    {"date": DAYS[position], "action": action, "ticker": ticker, "value": value, "contraticker": contra}
                )
        for position, sector in company.sectors:
            if position <= until:
                tables["SECTORS"].append(
                    {"ticker": ticker, "date": DAYS[position], "sector": sector, "industry": "Things"}
                )
    (folder / "sharadar").mkdir(parents=True)
    for name, rows in tables.items():
        if name not in without:
            pq.write_table(_typed(rows), folder / "sharadar" / f"{name}.parquet")
    (folder / "market.csv").write_text("key,value\nkeeps_delisted,true\n")
    pq.write_table(pa.table({"date": [day], "ticker": ["PLAIN"]}), folder / "truth.parquet")
    return folder


def _typed(rows: list[dict]) -> pa.Table:
    """Rows as a table in which a column without any value is text or a number by its name."""
    table = pa.Table.from_pylist(rows)
    for k, column in enumerate(table.schema):
        if pa.types.is_null(column.type):
            kind = pa.string() if column.name == "contraticker" else pa.float64()
            table = table.set_column(k, column.name, table.column(k).cast(kind))
    return table
