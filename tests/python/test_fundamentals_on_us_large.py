"""The fundamental features of 33 real shares against a computation from the raw files that shares no code with Kairos.

Plain Python over plain rows: what had been published by the day before, the newest quarter by period end, four quarters
added up, the share count on the basis of the day. Each statement counts from the day after its own publish date.
"""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pandas as pd
import pytest

FEATURES = ["earnings_yield", "fcf_yield", "book_to_market", "roa", "roe", "operating_margin"]
FILES = {
    "income": "simfin/us-income-quarterly.parquet",
    "balance": "simfin/us-balance-quarterly.parquet",
    "cashflow": "simfin/us-cashflow-quarterly.parquet",
}
STALE_AFTER_DAYS = 400
TOLERANCE = 1e-12


def is_fraction(factor: float) -> bool:
    """Whether a split factor is p/q with q up to 4, either way up: a true split."""
    return any(abs(x * q - round(x * q)) <= 1e-4 * x * q for x in (factor, 1 / factor) for q in (1, 2, 3, 4))


def number(value) -> float:
    """A float, NaN where the file has nothing."""
    return math.nan if pd.isna(value) else float(value)


def between(factors: list[tuple[dt.date, float]], after: dt.date, until: dt.date) -> float:
    """Product of the factors dated in (after, until]."""
    return math.prod(factor for date, factor in factors if after < date <= until)


class Company:
    """One ticker's raw rows and what could be known of them on a day."""

    def __init__(self, ticker, statements, splits, listed_spin_offs, basis):
        self.basis = basis
        self.statements = {name: self._quarters(frame, ticker) for name, frame in statements.items()}
        mine = [(date, factor) for name, date, factor in splits if name == ticker]
        self.price_factors = mine
        self.count_factors = [
            (date, factor) for date, factor in mine if is_fraction(factor) or (ticker, date) in listed_spin_offs
        ]
        self.accepted = self.doubted = None  # share counts: (quarter, count)

    @staticmethod
    def _quarters(frame, ticker):
        rows = frame[frame["Ticker"] == ticker].sort_values("Report Date").to_dict("records")
        return [r for r in rows if not pd.isna(r["Publish Date"]) and r["Publish Date"] >= r["Report Date"]]

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
    def average(rows, column):
        """Mean of the newest balance and the one 330 to 400 days before it, NaN without either."""
        if not rows:
            return math.nan
        year_ago = [r for r in rows if 330 <= (rows[0]["Report Date"] - r["Report Date"]).days <= 400]
        return (number(rows[0][column]) + number(year_ago[0][column])) / 2 if year_ago else math.nan

    def share_count(self, day):
        """(publish date, count) of the newest quarter, None where missing or doubted. Call for rising days only."""
        newest = max(rows[0]["Report Date"] for name in FILES if (rows := self.known(name, day)))
        for name in FILES:
            for row in self.known(name, day)[:1]:
                count = number(row["Shares (Basic)"])
                if row["Report Date"] == newest and count > 0:
                    return (row["Publish Date"], count) if self._believes(newest, count) else None
        return None

    def _believes(self, quarter, count):
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
            net_income = self.four_quarters(income, lambda r: number(r["Net Income"]))
            equity = self.average(balance, "Total Equity")
            yield {
                "published": day,
                "net_income": net_income,
                "free_cash_flow": self.four_quarters(
                    cashflow,
                    lambda r: (
                        number(r["Net Cash from Operating Activities"])
                        + number(r["Change in Fixed Assets & Intangibles"])
                    ),
                ),
                "book": number(balance[0]["Total Equity"]) if balance else math.nan,
                "roa": divide(net_income, self.average(balance, "Total Assets")),
                "roe": divide(net_income, equity) if equity > 0 else math.nan,
                "operating_margin": divide(
                    self.four_quarters(income, lambda r: number(r["Operating Income (Loss)"])),
                    self.four_quarters(income, lambda r: number(r["Revenue"])),
                ),
                "income_day": income[0]["Publish Date"] if income else None,
                "balance_day": balance[0]["Publish Date"] if balance else None,
                "cashflow_day": cashflow[0]["Publish Date"] if cashflow else None,
                "shares": self.share_count(day),
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
        from features.feat_fundamental as features
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
    assert (~missing).sum() > 25_000
    scale = np.maximum(np.abs(theirs), np.nanmedian(np.abs(theirs)))
    error = np.where(missing, 0, np.abs(ours - theirs) / scale)
    worst = paired.iloc[int(np.argmax(error))]
    assert error.max() <= TOLERANCE, f"{error.max()}: {worst[['as_of_date', 'ticker', feature]].to_dict()}"


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
