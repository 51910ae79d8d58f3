"""The fundamental features of 34 real shares against a computation from the raw files that shares no code with Kairos.

Plain Python over plain rows: what had been published by the day before, the newest quarter by period end, four quarters
added up, the share count on the basis of the day. Each statement counts from the day after its own publish date.
"""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pandas as pd
import pytest

VALUATIONS = ["earnings_yield", "fcf_yield", "book_to_market", "sales_yield", "ev_to_ebitda", "dividend_yield"]
VS_SECTOR = [
    "earnings_yield_vs_sector", "fcf_yield_vs_sector", "book_to_market_vs_sector", "sales_yield_vs_sector",
    "ev_to_ebitda_vs_sector", "dividend_yield_vs_sector",
]  # fmt: skip
FEATURES = [
    *VALUATIONS, "roa", "roe", "operating_margin", "gross_margin", "gross_profitability", "asset_growth",
    "revenue_growth", "earnings_growth", "accruals", "current_ratio", "debt_to_equity", "net_issuance",
]  # fmt: skip
FILES = {
    "income": "simfin/us-income-quarterly.parquet",
    "balance": "simfin/us-balance-quarterly.parquet",
    "cashflow": "simfin/us-cashflow-quarterly.parquet",
}
BALANCE = [
    "Total Assets", "Total Current Assets", "Total Current Liabilities", "Short Term Debt", "Long Term Debt",
    "Cash, Cash Equivalents & Short Term Investments", "Total Equity",
]  # fmt: skip
STALE_AFTER_DAYS = 400
TOLERANCE = 1e-12
# fewer values where the vendor leaves an item out (no dividend paid, no debt of one kind) or a year must lie behind
FILLED = {
    "dividend_yield": 15_000, "ev_to_ebitda": 15_000, "debt_to_equity": 15_000,
    "revenue_growth": 20_000, "earnings_growth": 20_000,
}  # fmt: skip


def is_fraction(factor: float) -> bool:
    """Whether a split factor is p/q with q up to 4, either way up: a true split."""
    return any(abs(x * q - round(x * q)) <= 1e-4 * x * q for x in (factor, 1 / factor) for q in (1, 2, 3, 4))


def number(value) -> float:
    """A float, NaN where the file has nothing."""
    return math.nan if pd.isna(value) else float(value)


# sums of four quarters: statement, value of a quarter
FLOWS = {
    "net_income": ("income", lambda r: number(r["Net Income"])),
    "revenue": ("income", lambda r: number(r["Revenue"])),
    "gross_profit": ("income", lambda r: number(r["Gross Profit"])),
    "operating_income": ("income", lambda r: number(r["Operating Income (Loss)"])),
    "operating_cash": ("cashflow", lambda r: number(r["Net Cash from Operating Activities"])),
    "free_cash_flow": (
        "cashflow",
        lambda r: number(r["Net Cash from Operating Activities"]) + number(r["Change in Fixed Assets & Intangibles"]),
    ),
    "dividends": ("cashflow", lambda r: -number(r["Dividends Paid"])),
    "depreciation": ("cashflow", lambda r: number(r["Depreciation & Amortization"])),
}


def between(factors: list[tuple[dt.date, float]], after: dt.date, until: dt.date) -> float:
    """Product of the factors dated in (after, until]."""
    return math.prod(factor for date, factor in factors if after < date <= until)


class Company:
    """One ticker's raw rows and what could be known of them on a day."""

    def __init__(self, ticker, statements, splits, listed_spin_offs, basis):
        self.basis = basis
        self.statements = {name: self._quarters(frame, ticker) for name, frame in statements.items()}
        everything = [row for rows in self.statements.values() for row in rows]
        for name, rows in self.statements.items():
            self.statements[name] = [row for row in rows if not self._is_ahead(row, everything)]
        mine = [(date, factor) for name, date, factor in splits if name == ticker]
        self.price_factors = mine
        self.count_factors = [
            (date, factor) for date, factor in mine if is_fraction(factor) or (ticker, date) in listed_spin_offs
        ]
        self.accepted = self.doubted = None  # share counts: (quarter, count)
        self.judged = []  # (quarter, count, whether it was believed when its quarter was the newest)

    @staticmethod
    def _quarters(frame, ticker):
        rows = frame[frame["Ticker"] == ticker].sort_values("Report Date").to_dict("records")
        return [r for r in rows if not pd.isna(r["Publish Date"]) and r["Publish Date"] >= r["Report Date"]]

    @staticmethod
    def _is_ahead(row, rows):
        """Whether the fiscal quarter cannot have ended yet, by what was published in the 400 days before."""

        def start(r):
            """Month in which the fiscal year begins that the row's quarter and end belong to."""
            end = r["Report Date"].year * 12 + r["Report Date"].month
            return end - 3 * int(r["Fiscal Period"][1]) - 12 * int(r["Fiscal Year"])

        before = [r for r in rows if 1 <= (row["Publish Date"] - r["Publish Date"]).days <= 400]
        starts = [start(r) for r in before]
        agree = len({r["Report Date"] for r in before}) > 1 and max(starts) - min(starts) <= 2
        return agree and min(starts) - start(row) >= 5

    def publications(self):
        """The days on which anything was published, in order."""
        return sorted({row["Publish Date"] for rows in self.statements.values() for row in rows})

    def known(self, statement, day):
        """Quarters of a statement published by the end of the day, newest first."""
        return [row for row in self.statements[statement] if row["Publish Date"] <= day][::-1]

    @staticmethod
    def four_quarters(rows, item):
        """Sum of an item over the four newest quarters, NaN unless they are complete."""
        if len(rows) < 4 or (rows[0]["Report Date"] - rows[3]["Report Date"]).days > 320:
            return math.nan
        return sum(item(row) for row in rows[:4])

    @staticmethod
    def from_a_year_ago(rows):
        """The rows from the newest one 330 to 400 days before the first on, none without it."""
        back = [n for n, row in enumerate(rows) if 330 <= (rows[0]["Report Date"] - row["Report Date"]).days <= 400]
        return rows[back[0] :] if back else []

    @classmethod
    def average(cls, rows, column):
        """Mean of the newest balance and that of a year ago, NaN without either."""
        year_ago = cls.from_a_year_ago(rows)
        return (number(rows[0][column]) + number(year_ago[0][column])) / 2 if year_ago else math.nan

    @classmethod
    def growth(cls, rows, value):
        """(x - x of a year ago) / |x of a year ago|, x = value(rows)."""
        before = value(cls.from_a_year_ago(rows))
        return divide(value(rows) - before, abs(before))

    def share_count(self, day):
        """(publish date, count) of the newest quarter, None where missing or doubted. Call for rising days only."""
        newest = max(rows[0]["Report Date"] for name in FILES if (rows := self.known(name, day)))
        for name in FILES:
            for row in self.known(name, day)[:1]:
                count = number(row["Shares (Basic)"])
                if row["Report Date"] == newest and count > 0:
                    return (row["Publish Date"], count) if self._believes(newest, count) else None
        return None

    def issuance(self, day, shares):
        """ln of the newest count over that of a year ago, both on the counts' basis. Call after share_count."""
        newest = max(rows[0]["Report Date"] for name in FILES if (rows := self.known(name, day)))
        of_newest = [rows for name in FILES if (rows := self.known(name, day)) and rows[0]["Report Date"] == newest]
        candidates = [year_ago[0] for rows in of_newest if (year_ago := self.from_a_year_ago(rows))]
        if not any(number(row["Shares (Basic)"]) > 0 for row in candidates):
            within = [
                row
                for name in FILES
                for row in self.known(name, day)
                if 330 <= (newest - row["Report Date"]).days <= 400
            ]
            candidates = [row for row in within if row["Report Date"] == max(r["Report Date"] for r in within)]
        for row in candidates:
            quarter, count = row["Report Date"], number(row["Shares (Basic)"])
            if count > 0:
                doubted = any(then == quarter and not believed for then, _, believed in self.judged)
                confirmed = any(
                    believed and 0 <= (then - quarter).days <= 120 and other / 1.6 <= count <= other * 1.6
                    for then, other, believed in self.judged
                )
                if shares is None or (doubted and not confirmed):
                    return math.nan
                return math.log(shares[1] / count)
        return math.nan

    def _believes(self, quarter, count):
        self.judged.append((quarter, count, self._judge(quarter, count)))
        return self.judged[-1][2]

    def _judge(self, quarter, count):
        def near(other):
            return other / 1.6 <= count <= other * 1.6

        confirms = self.doubted is not None and near(self.doubted[1]) and quarter > self.doubted[0]
        if self.accepted is None or near(self.accepted[1]) or confirms:
            self.accepted, self.doubted = (quarter, count), None
            return True
        self.doubted = (quarter, count)
        return False

    def states(self):
        """One dict per day of publication: sums, averages and the day each statement's newest quarter was published."""
        for day in self.publications():
            income, balance, cashflow = (self.known(name, day) for name in FILES)
            rows_of = {"income": income, "cashflow": cashflow}
            ttm = {name: self.four_quarters(rows_of[statement], item) for name, (statement, item) in FLOWS.items()}
            equity, assets = self.average(balance, "Total Equity"), self.average(balance, "Total Assets")
            newest = {column: number(balance[0][column]) if balance else math.nan for column in BALANCE}
            shares = self.share_count(day)
            yield {
                "published": day,
                **ttm,
                "ebitda": ttm["operating_income"] + ttm["depreciation"],
                "book": newest["Total Equity"],
                "net_debt": newest["Short Term Debt"]
                + newest["Long Term Debt"]
                - newest["Cash, Cash Equivalents & Short Term Investments"],
                "roa": divide(ttm["net_income"], assets),
                "roe": divide(ttm["net_income"], equity) if equity > 0 else math.nan,
                "operating_margin": divide(ttm["operating_income"], ttm["revenue"]),
                "gross_margin": divide(ttm["gross_profit"], ttm["revenue"]),
                "gross_profitability": divide(ttm["gross_profit"], newest["Total Assets"]),
                "asset_growth": self.growth(
                    balance, lambda rows: number(rows[0]["Total Assets"]) if rows else math.nan
                ),
                "revenue_growth": self.growth(income, lambda rows: self.four_quarters(rows, FLOWS["revenue"][1])),
                "earnings_growth": self.growth(income, lambda rows: self.four_quarters(rows, FLOWS["net_income"][1])),
                "accruals": divide(ttm["net_income"] - ttm["operating_cash"], assets),
                "current_ratio": divide(newest["Total Current Assets"], newest["Total Current Liabilities"]),
                "debt_to_equity": divide(newest["Short Term Debt"] + newest["Long Term Debt"], newest["Total Equity"])
                if newest["Total Equity"] > 0
                else math.nan,
                "net_issuance": self.issuance(day, shares),
                "income_day": income[0]["Publish Date"] if income else None,
                "balance_day": balance[0]["Publish Date"] if balance else None,
                "cashflow_day": cashflow[0]["Publish Date"] if cashflow else None,
                "shares": shares,
            }

    def features(self, bars):
        """One dict of features per (date, close) of the raw bars."""
        states = list(self.states())
        for date, close in bars:
            seen = [state for state in states if state["published"] < date]
            row = dict.fromkeys(FEATURES, math.nan) | {"as_of_date": date, "age": math.nan, "market_value": math.nan}
            yield row | self._row(seen[-1], date, close) if seen else row

    def _row(self, state, date, close):
        def fresh(*names):
            days = [state[f"{name}_day"] for name in names]
            return all(day is not None and (date - day).days <= STALE_AFTER_DAYS for day in days)

        def when(condition, value):
            return value if condition else math.nan

        value = math.nan
        if state["shares"] is not None and (date - state["shares"][0]).days <= STALE_AFTER_DAYS:
            as_traded = close * between(self.price_factors, date, self.basis["yahoo/prices"])
            later, earlier = max(date, self.basis["counts"]), min(date, self.basis["counts"])
            factor = between(self.count_factors, earlier, later)
            count = state["shares"][1]
            value = as_traded * (count / factor if date < self.basis["counts"] else count * factor)
        return {
            "market_value": value,
            "earnings_yield": when(fresh("income"), divide(state["net_income"], value)),
            "fcf_yield": when(fresh("cashflow"), divide(state["free_cash_flow"], value)),
            "book_to_market": when(fresh("balance"), divide(state["book"], value)),
            "sales_yield": when(fresh("income"), divide(state["revenue"], value)),
            "ev_to_ebitda": when(
                fresh("income", "balance", "cashflow") and state["ebitda"] > 0,
                divide(value + state["net_debt"], state["ebitda"]),
            ),
            "dividend_yield": when(fresh("cashflow"), divide(state["dividends"], value)),
            "gross_margin": when(fresh("income"), state["gross_margin"]),
            "gross_profitability": when(fresh("income", "balance"), state["gross_profitability"]),
            "asset_growth": when(fresh("balance"), state["asset_growth"]),
            "revenue_growth": when(fresh("income"), state["revenue_growth"]),
            "earnings_growth": when(fresh("income"), state["earnings_growth"]),
            "accruals": when(fresh("income", "balance", "cashflow"), state["accruals"]),
            "current_ratio": when(fresh("balance"), state["current_ratio"]),
            "debt_to_equity": when(fresh("balance"), state["debt_to_equity"]),
            "net_issuance": when(
                state["shares"] is not None and (date - state["shares"][0]).days <= STALE_AFTER_DAYS,
                state["net_issuance"],
            ),
            "roa": when(fresh("income", "balance"), state["roa"]),
            "roe": when(fresh("income", "balance"), state["roe"]),
            "operating_margin": when(fresh("income"), state["operating_margin"]),
            "age": when(fresh("income"), (date - state["income_day"]).days if state["income_day"] else math.nan),
        }


def divide(a: float, b: float) -> float:
    """a / b, NaN for a zero denominator."""
    return math.nan if b == 0 else a / b


@pytest.fixture(scope="module")
def expected(real_market) -> pd.DataFrame:
    """Features of every raw bar of the chosen tickers, computed here."""

    def days(frame):
        for column in ("Report Date", "Publish Date"):
            frame[column] = [None if pd.isna(value) else value.date() for value in pd.to_datetime(frame[column])]
        return frame

    basis = pd.read_csv(real_market.market / "basis.csv").set_index("dataset")["basis_date"].map(dt.date.fromisoformat)
    counts = {basis[f"simfin/us-{name}-quarterly"] for name in FILES}
    assert len(counts) == 1
    actions = real_market.raw("yahoo/actions.parquet")
    splits = [
        (row["ticker"], dt.date.fromisoformat(row["Date"][:10]), row["Stock Splits"])
        for row in actions.to_dict("records")
        if row["Stock Splits"] not in (0, 1)
    ]
    spin_offs = pd.read_csv(real_market.market / "spin_offs.csv")
    listed = set(zip(spin_offs["ticker"], spin_offs["date"].map(dt.date.fromisoformat), strict=True))
    statements = {name: days(real_market.raw(file)) for name, file in FILES.items()}
    prices = real_market.raw("yahoo/prices.parquet")
    prices["Date"] = pd.to_datetime(prices["Date"]).dt.date

    frames = []
    for ticker in real_market.tickers:
        company = Company(
            ticker, statements, splits, listed, {"yahoo/prices": basis["yahoo/prices"], "counts": counts.copy().pop()}
        )
        bars = prices[prices["ticker"] == ticker].sort_values("Date")
        rows = company.features(zip(bars["Date"], bars["Close"], strict=True))
        frames.append(pd.DataFrame(rows).assign(ticker=ticker))
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def served(real_market) -> pd.DataFrame:
    """What the warehouse serves for the same tickers."""
    chosen = ", ".join(f"'{ticker}'" for ticker in real_market.tickers)
    frame = real_market.query(f"""
        select prices.as_of_date, prices.ticker, features.*, market_values.market_value_usd
        from features.features as features
        inner join intermediate.int_prices as prices using (as_of_date, security_id)
        inner join intermediate.int_market_values as market_values using (as_of_date, security_id)
        where prices.ticker in ({chosen}) and not prices.is_stale
    """)
    frame["as_of_date"] = pd.to_datetime(frame["as_of_date"]).dt.date
    return frame


@pytest.fixture(scope="module")
def paired(expected, served) -> pd.DataFrame:
    """Both beside each other, one row per raw bar."""
    pairs = expected.merge(served, on=["as_of_date", "ticker"], how="outer", suffixes=("", "__served"), indicator=True)
    assert (pairs["_merge"] == "both").all(), pairs["_merge"].value_counts().to_dict()
    return pairs


@pytest.mark.parametrize("feature", FEATURES)
def test_features_equal_the_independent_computation(paired, feature):
    ours = paired[f"{feature}__served"].to_numpy(float)
    theirs = paired[feature].to_numpy(float)
    missing = np.isnan(theirs)
    different = paired[np.isnan(ours) != missing]
    assert different.empty, different[["as_of_date", "ticker", feature, f"{feature}__served"]].head(10).to_string()
    assert (~missing).sum() > FILLED.get(feature, 25_000)
    scale = np.maximum(np.abs(theirs), np.nanmedian(np.abs(theirs)))
    error = np.where(missing, 0, np.abs(ours - theirs) / scale)
    worst = paired.iloc[int(np.argmax(error))]
    assert error.max() <= TOLERANCE, f"{error.max()}: {worst[['as_of_date', 'ticker', feature]].to_dict()}"


def test_valuations_against_the_sector_are_above_the_median_of_its_members(real_market):
    """pandas medians over members of the same date and sector, of those where at least five have the value."""
    names = ", ".join(f"features.{name}" for name in [*VALUATIONS, *VS_SECTOR])
    frame = real_market.query(f"""
        select as_of_date, universe.sector, universe.is_member, {names}
        from features.features as features
        inner join intermediate.int_universe as universe using (as_of_date, security_id)
    """)
    by_sector = [frame["as_of_date"], frame["sector"]]
    for name, against in zip(VALUATIONS, VS_SECTOR, strict=True):
        of_members = frame[name].where(frame["is_member"]).groupby(by_sector)
        want = frame[name] - of_members.transform("median").where(of_members.transform("count") >= 5)
        got = frame[against].astype(float)
        pd.testing.assert_series_equal(got, want, check_names=False, rtol=1e-9, atol=1e-15)
        assert got.notna().sum() > 3_000, name


def test_market_values_and_ages_equal_the_independent_computation(paired):
    for mine, theirs in [("market_value_usd", "market_value"), ("fundamental_age_days", "age")]:
        assert np.allclose(paired[mine].to_numpy(float), paired[theirs].to_numpy(float), rtol=1e-12, equal_nan=True)


def test_each_statement_counts_from_the_day_after_its_own_publication(paired, real_market):
    """Apple's quarter to June 2024 is dated Friday 2024-08-02: that day's close does not see it, Monday's does."""
    published = real_market.raw(FILES["income"])
    row = published[(published["Ticker"] == "AAPL") & (published["Report Date"].astype(str).str[:10] == "2024-06-30")]
    assert str(row["Publish Date"].iloc[0])[:10] == "2024-08-02"
    ages = paired[paired["ticker"] == "AAPL"].set_index("as_of_date")["fundamental_age_days"]
    assert ages[dt.date(2024, 8, 2)] > 80
    assert ages[dt.date(2024, 8, 5)] == 3


# Market values of the second week of September 2024 as anyone could read them in the papers, USD billions.
BELIEVED = {
    "AAPL": 3400, "MSFT": 3170, "NVDA": 2930, "AMZN": 1960, "META": 1330, "LLY": 840, "TSLA": 730, "WMT": 640,
    "XOM": 480, "PG": 410, "JNJ": 400, "COST": 405, "KO": 305, "NFLX": 295, "LRCX": 98, "ORLY": 66, "SMCI": 26,
    "ANET": 110, "DECK": 23.5, "PANW": 111, "FAST": 40, "TSCO": 30,
}  # fmt: skip


def test_market_values_are_those_a_person_would_believe(real_market):
    values = real_market.query("""
        select ticker, market_value_usd / 1e9 as billions
        from intermediate.int_market_values
        inner join intermediate.int_prices using (as_of_date, security_id)
        where as_of_date = date '2024-09-12'
        order by billions desc nulls last
    """).set_index("ticker")["billions"]
    print(values.head(20).round(1).to_string())
    for ticker, billions in BELIEVED.items():
        assert values[ticker] == pytest.approx(billions, rel=0.06), ticker
