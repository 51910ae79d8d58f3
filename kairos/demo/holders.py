"""sharadar/SF2 and finra/short_interest: insiders and short sellers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from kairos.demo.columns import DAY, flag, random, repeated
from kairos.demo.history import History, Market
from kairos.demo.prices import Bars

DUPLICATED_INSIDER_LINES = 0.019
INSIDERS_FILED_BEFORE_THE_TRADE = 0.02
REVISED_SHORT_POSITIONS = 0.015
FAMILY_NAMES = (
    "ABEL", "BARR", "CASTOR", "DUNNE", "EKMAN", "FALK", "GRANT", "HOLM", "IVES", "JANSEN", "KERR", "LUND", "MARSH",
    "NYE", "ODELL", "PRYOR", "QUILL", "ROTH", "STERN", "TATE", "USHER", "VANCE", "WOLFE", "YORK", "ZELLER",
)  # fmt: skip
GIVEN_NAMES = ("ANNE", "BRUNO", "CLARA", "DAVID", "EDITH", "FRANK", "GRETA", "HUGO", "IRIS", "JOHN", "KAREN", "LEO")
TITLES = ("Chief Executive Officer", "Chief Financial Officer", "Chief Operating Officer", "General Counsel",
          "EVP, Sales", "SVP, Controller")  # fmt: skip
FINRA_MARKETS = {"NYSE": ("A", "NYSE"), "NASDAQ": ("R", "NNM"), "NYSEMKT": ("B", "AMEX")}


def insider_rows(market: Market, histories: list[History]) -> pa.Table:
    """sharadar/SF2: a line per transaction; some twice, some with a trade date after the filing's."""
    parts = []
    for h in histories:
        t, rng = h.insiders, random(market.seed, h.number, "insiders")
        n = t.filed.size
        filed, traded = t.filed.astype("M8[D]"), t.traded.astype("M8[D]")
        misdated = rng.random(n) < INSIDERS_FILED_BEFORE_THE_TRADE
        traded = np.where(misdated, filed + rng.integers(1, 20, n) * DAY, traded)
        sign = np.where(np.isin(t.code, ["S", "F", "G"]), -1.0, 1.0)
        people = names_of_people(market.seed, h.number, int(t.owner.max()) + 1 if n else 0)
        is_officer = t.owner < len(TITLES)
        line = np.zeros(n, dtype=np.int64)  # number of the line within what one person filed on one day
        key = filed.astype(np.int64) * 10_000 + t.owner
        order = np.argsort(key, kind="stable")
        opens = np.append(True, key[order][1:] != key[order][:-1])[:n]
        line[order] = np.arange(n) - np.maximum.accumulate(np.where(opens, np.arange(n), 0)) + 1
        columns = {
            "filingdate": filed,
            "formtype": np.full(n, "4"),
            "ownername": people[t.owner] if n else np.array([], dtype=str),
            "officertitle": np.where(is_officer, np.array(TITLES)[np.minimum(t.owner, len(TITLES) - 1)], ""),
            "isdirector": np.where((t.owner == 0) | ~is_officer, "Y", "N"),
            "isofficer": np.where(is_officer, "Y", "N"),
            "istenpercentowner": np.where(t.owner % 11 == 10, "Y", "N"),
            "transactiondate": traded,
            "securityadcode": np.where(sign > 0, "NA", "ND"),
            "transactioncode": t.code.astype(str),
            "sharesownedbeforetransaction": np.maximum(t.held_after - sign * t.shares, 0.0),
            "transactionshares": sign * t.shares,
            "sharesownedfollowingtransaction": t.held_after.astype(float),
            "transactionpricepershare": t.price.astype(float),
            "transactionvalue": np.round(t.shares * t.price),
            "directorindirect": np.where(rng.random(n) < 0.12, "I", "D"),
            "rownum": line,
        }
        again = np.sort(np.append(np.arange(n), np.flatnonzero(rng.random(n) < DUPLICATED_INSIDER_LINES)))
        parts.append({name: values[again] for name, values in columns.items()})
    lengths = [part["filingdate"].size for part in parts]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    n = sum(lengths)
    texts = {name: pa.array(values.astype(object)) for name, values in joined.items() if values.dtype.kind == "U"}
    texts["officertitle"] = pa.array([title or None for title in joined["officertitle"]], pa.string())
    all_columns = (
        joined
        | texts
        | {
            "ticker": repeated([h.ticker for h in histories], lengths),
            "issuername": repeated([h.name for h in histories], lengths),
            "securitytitle": repeated(["Common Stock"], [n]),
            "natureofownership": pa.nulls(n, pa.string()),
            "dateexercisable": pa.nulls(n, pa.date32()),
            "priceexercisable": pa.nulls(n, pa.float64()),
            "expirationdate": pa.nulls(n, pa.date32()),
        }
    )
    order = (
        "ticker", "filingdate", "formtype", "issuername", "ownername", "officertitle", "isdirector", "isofficer",
        "istenpercentowner", "transactiondate", "securityadcode", "transactioncode", "sharesownedbeforetransaction",
        "transactionshares", "sharesownedfollowingtransaction", "transactionpricepershare", "transactionvalue",
        "securitytitle", "directorindirect", "natureofownership", "dateexercisable", "priceexercisable",
        "expirationdate", "rownum",
    )  # fmt: skip
    return pa.table({name: all_columns[name] for name in order})


def names_of_people(seed: int, number: int, n: int) -> np.ndarray:
    """Invented names of a company's insiders, all different."""
    picks = random(seed, number, "owners").permutation(len(FAMILY_NAMES) * len(GIVEN_NAMES))
    names = []
    for k in range(n):
        round_, pick = divmod(k, picks.size)
        family, given = divmod(int(picks[pick]), len(GIVEN_NAMES))
        names.append(f"{FAMILY_NAMES[family]} {GIVEN_NAMES[given]}" + " " + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[round_ % 26])
    return np.array(names, dtype=object).astype(str)


def short_rows(market: Market, histories: list[History], bars: list[Bars]) -> pa.Table:
    """finra/short_interest: a row per settlement date under the symbol of that date; some revised by a second row."""
    days = market.days.astype("datetime64[D]")
    parts, symbols = [], []
    for h, b in zip(histories, bars, strict=True):
        n, rng = h.short_dates.size, random(market.seed, h.number, "short")
        bar = np.maximum(np.searchsorted(h.positions, h.short_dates, "right") - 1, 0)
        total = np.append(0.0, np.cumsum(h.volume))
        first = np.maximum(bar - 9, 0)
        adv = np.round((total[bar + 1] - total[first]) / (bar + 1 - first)) if n else np.zeros(0)
        current = np.round(h.short_shares).astype(float)
        before = np.append(0.0, current)[:n]
        has_split = np.append(False, b.splits[bar][1:] != b.splits[bar][:-1])[:n]
        revised = np.flatnonzero(rng.random(n) < REVISED_SHORT_POSITIONS)
        which = np.sort(np.append(np.arange(n), revised))
        is_revision = np.append(False, which[1:] == which[:-1])[: which.size]
        better = np.round(current * np.exp(rng.normal(0, 0.1, n)))
        names = np.array([symbol for _, symbol in h.symbols], dtype=object)
        named = np.searchsorted([position for position, _ in h.symbols], h.short_dates, "right") - 1
        group, market_class = FINRA_MARKETS.get(h.exchange, ("R", "NNM"))
        parts.append(
            {
                "date": days[h.short_dates][which] if n else np.array([], "M8[D]"),
                "current": np.where(is_revision, better[which], current[which]),
                "before": before[which],
                "adv": adv[which],
                "split": has_split[which],
                "revised": is_revision,
                "group": np.full(which.size, group, dtype=object),
                "class": np.full(which.size, market_class, dtype=object),
                "name": np.full(which.size, h.name, dtype=object),
            }
        )
        symbols.append(names[np.maximum(named, 0)][which])
    x = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    change = x["current"] - x["before"]
    percent = np.round(np.where(x["before"] > 0, 100 * change / np.where(x["before"] > 0, x["before"], 1), 100.0), 2)
    cover = np.where(x["adv"] > 0, x["current"] / np.where(x["adv"] > 0, x["adv"], 1), 999.99)
    stamp = x["date"].astype("M8[M]").astype(int)
    day = (x["date"] - x["date"].astype("M8[M]")).astype(int) + 1
    whole = {
        name: pa.array(np.round(values).astype(np.int64)) for name, values in x.items() if values.dtype.kind == "f"
    }
    return pa.table(
        {
            "accountingYearMonthNumber": (1970 + stamp // 12) * 10_000 + (stamp % 12 + 1) * 100 + day,
            "symbolCode": pa.array(np.concatenate(symbols), pa.string()),
            "issueName": pa.array(x["name"], pa.string()),
            "issuerServicesGroupExchangeCode": pa.array(x["group"], pa.string()),
            "marketClassCode": pa.array(x["class"], pa.string()),
            "currentShortPositionQuantity": whole["current"],
            "previousShortPositionQuantity": whole["before"],
            "stockSplitFlag": flag(x["split"], "S"),
            "averageDailyVolumeQuantity": whole["adv"],
            "daysToCoverQuantity": np.minimum(np.round(np.maximum(cover, 1.0), 2), 999.99),
            "revisionFlag": flag(x["revised"], "R"),
            "changePercent": percent,
            "changePreviousNumber": pa.array(np.round(change).astype(np.int64)),
            "settlementDate": x["date"],
        }
    )
