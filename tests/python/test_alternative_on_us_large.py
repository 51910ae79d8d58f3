"""The alternative features of 34 real shares against a computation from the raw files that shares no code with Kairos.

Every value of every row is compared, and where the definition gives none there must be none. From the warehouse come
the rows themselves, membership, shares out and market value, which have oracles of their own, and for the composite the
nets of all names, which are compared one by one. Skips where the real market is absent.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

INSIDERS = [
    "insider_shares_bought_90d", "insider_value_bought_90d", "insider_net_count_90d", "insider_net_shares_90d",
    "insider_net_value_90d",
]  # fmt: skip
SHORTS = ["short_interest_ratio", "days_to_cover", "short_interest_change"]
HOLDINGS = ["institutional_ownership", "institutional_ownership_change"]
RELATIVE = 1e-9
WINDOW = np.timedelta64(90, "D")
DAY = np.timedelta64(1, "D")
ALMOST = np.timedelta64(1, "us")


def splits(actions: pd.DataFrame) -> dict[str, list[tuple[np.datetime64, float]]]:
    """Ticker -> (date, factor) of the true splits: p/q or q/p with q up to 4."""
    out: dict[str, list] = {}
    for ticker, date, factor in actions[["ticker", "Date", "Stock Splits"]].itertuples(index=False):
        simple = any(abs(max(round(factor * q), 1) / q - factor) <= 1e-4 for q in (1, 2, 3, 4)) or (
            factor > 0 and any(abs(q / max(round(q / factor), 1) - factor) <= 1e-4 for q in (1, 2, 3, 4))
        )
        if factor not in (0, 1) and simple:
            out.setdefault(ticker, []).append((np.datetime64(str(date)[:10]), factor))
    return out


def grown(splits_of: list[tuple[np.datetime64, float]], counted: np.datetime64, today: np.datetime64) -> float:
    """What one share of the day it was counted is on another day."""
    return float(np.prod([factor for date, factor in splits_of if counted < date <= today] or [1.0]))


@pytest.fixture(scope="module")
def rows(real_market) -> pd.DataFrame:
    """Rows of the shares with what the warehouse made of them and what they need to be worked out."""
    frame = real_market.query(
        """select prices.ticker, prices.as_of_date, prices.decided_at, prices.close, prices.close_unadjusted,
            universe.is_member, features.* exclude (as_of_date, security_id, known_at),
            case when not market.is_shares_suspect then market.shares_at_t end as shares, market.market_value_usd
        from intermediate.int_prices as prices
        join intermediate.int_universe as universe using (security_id, as_of_date)
        join intermediate.int_market_values as market using (security_id, as_of_date)
        join features.feat_alternative as features using (security_id, as_of_date)
        order by prices.ticker, prices.as_of_date"""
    )
    frame = frame[frame["ticker"].isin(real_market.tickers)].reset_index(drop=True)
    for column in ("as_of_date", "decided_at"):
        frame[column] = frame[column].astype("datetime64[us]")
    return frame


@pytest.fixture(scope="module")
def expected(rows, real_market) -> pd.DataFrame:
    """The same rows by the definitions, ticker by ticker and day by day."""
    forms = real_market.raw("finnhub/insider_transactions.parquet").drop_duplicates()
    forms = forms[(forms["change"] != 0) & ~((forms["transactionCode"] == "P") & (forms["change"] < 0))]
    forms = forms.assign(
        known_at=pd.to_datetime(forms["filingDate"]).to_numpy("datetime64[us]") + DAY - ALMOST,
        traded=pd.to_datetime(forms["transactionDate"]).to_numpy("datetime64[D]"),
        price=forms["transactionPrice"].where(forms["transactionPrice"] > 0),
    )
    forms = filed_once(forms)
    moments = np.sort(forms["known_at"].unique())
    reports = real_market.raw("short_interest/short_interest.parquet")
    reports = reports[reports["short_interest_date"].notna() & reports["shares_sold_short"].notna()]
    reports = reports.assign(
        settled=pd.to_datetime(reports["short_interest_date"], format="%m/%d/%y").to_numpy("datetime64[D]"),
        known_at=pd.to_datetime(reports["first_snapshot_at"], utc=True).dt.tz_localize(None).to_numpy("datetime64[us]"),
    )
    bars = real_market.raw("yahoo/prices.parquet")
    volumes = bars.assign(Date=pd.to_datetime(bars["Date"])).set_index(["ticker", "Date"])["Volume"].sort_index()
    true_splits = splits(real_market.raw("yahoo/actions.parquet"))
    out = []
    for ticker, own in rows.groupby("ticker", sort=True):
        of_ticker = true_splits.get(ticker, [])
        out.append(
            pd.concat(
                [
                    insiders(own, forms[forms["symbol"] == ticker], moments, of_ticker),
                    shorts(own, reports[reports["symbol"] == ticker], volumes.loc[ticker], of_ticker),
                ],
                axis=1,
            )
        )
    table = pd.concat(out)
    nets = real_market.query(
        f"""select prices.ticker, as_of_date, {", ".join(INSIDERS[2:])}
        from features.feat_alternative
        join intermediate.int_universe as universe using (security_id, as_of_date)
        join intermediate.int_prices as prices using (security_id, as_of_date)
        where universe.is_member and insider_net_count_90d is not null"""
    ).astype({"as_of_date": "datetime64[us]"})
    z = composite(nets.set_index(["ticker", "as_of_date"])).rename("insider_composite_z")
    return table.join(rows[["ticker", "as_of_date"]]).join(z, on=["ticker", "as_of_date"])


def filed_once(forms: pd.DataFrame) -> pd.DataFrame:
    """A trade that is filed again, by another owner or amended, leaves the same position: the first form counts."""
    trade = ["symbol", "traded", "transactionCode", "shares", "cents", "share"]
    forms = forms.assign(shares=forms["change"].abs().round(), cents=(forms["price"] * 100).round())
    forms = forms.sort_values("known_at", kind="stable")
    forms["place"] = forms.groupby([*trade, "name", "filingDate", "id"], dropna=False).cumcount()
    is_again = forms.duplicated([*trade, "place"]) & forms["share"].notna() & forms["transactionCode"].isin(["P", "S"])
    assert is_again.sum() > 0
    return forms[~is_again]


def insiders(own: pd.DataFrame, forms: pd.DataFrame, moments: np.ndarray, of_ticker: list) -> pd.DataFrame:
    """The five insider features before the composite, day by day."""
    known = forms["known_at"].to_numpy()
    traded, prices = forms["traded"].to_numpy(), forms["price"].to_numpy(float)
    changes = np.abs(forms["change"].to_numpy(float))
    signs = forms["transactionCode"].map({"P": 1, "S": -1}).fillna(0).to_numpy()
    table = []
    spoken = own[own["as_of_date"] <= pd.Timestamp(moments[-1]) + pd.Timedelta(days=46)]
    spoken = spoken[spoken["decided_at"] >= pd.Timestamp(moments[0])]
    for row in spoken.itertuples():
        decided, today = row.decided_at.to_datetime64(), row.as_of_date.to_datetime64().astype("datetime64[D]")
        before = moments[moments <= decided]
        speaks = (known <= decided).any() and today - before[-1].astype("datetime64[D]") <= np.timedelta64(45, "D")
        if not speaks:
            table.append([np.nan] * 5)
            continue
        now = (signs != 0) & (known <= decided) & (known > decided - WINDOW)
        sign = signs[now]
        shares = changes[now] * np.array([grown(of_ticker, day, today) for day in traded[now]])
        value = changes[now] * prices[now]
        bought = sign > 0
        table.append(
            [
                shares[bought].sum(),
                value[bought].sum(),
                sign.sum(),
                (sign * shares).sum() / row.shares,
                (sign * value).sum() / row.market_value_usd,
            ]
        )
    return pd.DataFrame(table, columns=INSIDERS, index=spoken.index, dtype=float).reindex(own.index)


def shorts(own: pd.DataFrame, reports: pd.DataFrame, volume: pd.Series, of_ticker: list) -> pd.DataFrame:
    """Short interest day by day: the newest settlement known, in its newest row, and the settlement before it."""
    mean_volume = volume.astype(float).rolling(20).mean()
    reports = reports[reports["known_at"].dt.normalize() - reports["settled"] <= pd.Timedelta(days=45)]
    reports = reports.sort_values(["known_at", "settled"])
    lately = [
        reports.loc[
            (reports["known_at"] <= r.known_at) & (reports["known_at"] >= r.known_at - pd.Timedelta(days=45)),
            "shares_sold_short",
        ].max()
        for r in reports.itertuples()
    ]
    doubtful = (np.array(lately) >= 1e5) & (reports["shares_sold_short"].to_numpy() < np.array(lately) / 20)
    reports = reports[~doubtful]
    moments, states = reports["known_at"].to_numpy(), {}

    def newest_and_before(reports: pd.DataFrame, count: int) -> tuple:
        """The newest settlement in its newest row among the first rows known, and the one before it as known then."""
        if count not in states:
            known = reports.iloc[:count]
            newest = before = None
            if count:
                newest = known[known["settled"] == known["settled"].max()].iloc[-1]
                earlier = known[(known["settled"] < newest["settled"]) & (known["known_at"] <= newest["known_at"])]
                if len(earlier):
                    before = earlier[earlier["settled"] == earlier["settled"].max()].iloc[-1]
            states[count] = newest, before
        return states[count]

    table = []
    spoken = own[own["as_of_date"] <= reports["known_at"].max() + pd.Timedelta(days=46)]
    spoken = spoken[spoken["decided_at"] >= reports["known_at"].min()]
    for row in spoken.itertuples():
        today = row.as_of_date.to_datetime64().astype("datetime64[D]")
        newest, before = newest_and_before(reports, np.searchsorted(moments, row.decided_at.to_datetime64(), "right"))
        if newest is None or (row.as_of_date - newest["known_at"].normalize()).days > 45:
            table.append([np.nan] * 3)
            continue
        short = newest["shares_sold_short"] * grown(of_ticker, np.datetime64(newest["settled"], "D"), today)
        floating = newest["public_float"] * grown(of_ticker, np.datetime64(newest["known_at"], "D"), today)
        change = np.nan
        if before is not None and (newest["settled"] - before["settled"]).days <= 45:
            then = np.datetime64(before["settled"], "D")
            change = short / (before["shares_sold_short"] * grown(of_ticker, then, today)) - 1
        usual = mean_volume.get(row.as_of_date, np.nan) * row.close / row.close_unadjusted
        table.append([short / (floating if floating > 0 else row.shares), short / usual, change])
    return pd.DataFrame(table, columns=SHORTS, index=spoken.index, dtype=float).reindex(own.index)


def composite(nets: pd.DataFrame) -> pd.Series:
    """Mean of the three z over the members of each date; nets is indexed by ticker and as_of_date."""
    by_date = nets.groupby("as_of_date")
    spread = by_date.transform("std")
    z = (nets - by_date.transform("mean")) / spread
    # equal values differ in their last bits after a division
    level = nets.abs().groupby("as_of_date").transform("max")
    return z.where(~(spread <= 1e-14 * level), 0).where(spread.notna()).mean(axis=1, skipna=False)


@pytest.mark.parametrize("feature", [*INSIDERS, "insider_composite_z", *SHORTS])
def test_feature_equals_the_definition_on_real_shares(feature, rows, expected):
    got, want = rows[feature].astype(float), expected[feature]
    wrong = rows.loc[got.isna() != want.isna(), ["ticker", "as_of_date"]]
    assert wrong.empty, f"{len(wrong)} rows have a value in one of the two only, e.g. {wrong.iloc[0].tolist()}"
    off = (got - want).abs() / np.maximum(want.abs(), want.abs().median())
    worst = off.idxmax() if off.notna().any() else 0
    assert not (off > RELATIVE).any(), (
        f"{(off > RELATIVE).sum()} values differ, the most {rows.loc[worst, 'ticker']} "
        f"{rows.loc[worst, 'as_of_date']:%Y-%m-%d}: {got[worst]} instead of {want[worst]}"
    )
    assert want.notna().sum() > 2000


def test_holdings_are_null_without_a_file(rows):
    assert rows[[*HOLDINGS, "institutional_ownership_age_days"]].isna().all().all()


def test_ages_say_what_is_served(rows):
    """Values, held against their definitions above, stand exactly on the days on which they are young enough."""
    age = rows["short_interest_age_days"]
    traded = rows.groupby("ticker").cumcount() >= 19
    assert (rows["days_to_cover"].notna() == (age <= 45))[traded].all()
    assert age.max() > 45
    assert age.min() >= 0
    mentioned = rows["insider_age_days"].notna()
    assert not rows.loc[~mentioned, "insider_net_count_90d"].notna().any()
    assert rows.loc[mentioned, "insider_age_days"].min() >= 0


def test_features_are_what_people_remember(rows):
    """Apple had 89.99 million shares short at the end of November 2020, of a float of 16.99 billion."""
    apple = rows[(rows["ticker"] == "AAPL") & (rows["as_of_date"] == "2020-12-14")].iloc[0]
    assert apple["short_interest_ratio"] == pytest.approx(89.99 / 16_990)
    nvidia = rows[(rows["ticker"] == "NVDA") & rows["as_of_date"].between("2021-07-14", "2021-08-20")]
    assert nvidia["short_interest_ratio"].nunique() == 1, "a split of 4:1 on 20 July moved the ratio"
