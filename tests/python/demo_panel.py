"""The simulated market as a panel of (session, company) arrays, worked out with NumPy and pandas from its histories: an
independent short cut past vendor files and warehouse, for tests of the market itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor

from kairos.demo.history import History
from kairos.demo.registry import SECTORS
from kairos.demo.world import World

HORIZONS = {5: 1, 20: 2}  # position in the truth
STATEMENT = (
    "net_income",
    "equity",
    "roa",
    "roe",
    "operating_margin",
    "gross_margin",
    "current_ratio",
    "debt_to_equity",
)

FLOWS = ("net_income", "operating_income", "gross_profit", "revenue")
STOCKS = ("assets", "equity", "assets_current", "liabilities_current", "debt")
LEAKS = ("restated", "same_day", "sector_of_today")


@dataclass(frozen=True)
class DemoPanel:
    """Arrays (T, N); X: features by name, label and truth by horizon, member: who is ranked, worth: USD."""

    X: dict[str, np.ndarray]
    member: np.ndarray
    label: dict[int, np.ndarray]
    truth: dict[int, np.ndarray]
    worth: np.ndarray
    days: np.ndarray
    histories: list[History]

    def letting_in(self, leak: str) -> DemoPanel:
        """The same panel with one kind of future in it, of LEAKS."""
        if leak == "sector_of_today":
            return replace(self, X=self.X | {"sector": sectors(self.days, self.histories, is_of_today=True)})
        told = accounts(self.days, self.histories, **{leak: True})
        return replace(self, X=self.X | with_worth(told, self.worth))


def read(world: World) -> DemoPanel:
    """The panel of a world, as anybody could have known it."""
    T, N = world.T, world.market.size
    days = world.market.days
    histories = [history for chunk in world.chunks for history in world.histories(chunk)]
    tr, close, dollars, worth = np.full((4, T, N), np.nan)
    truth = dict(zip(HORIZONS, np.full((len(HORIZONS), T, N), np.nan), strict=True))
    for history in histories:
        k, at = history.number, history.positions
        growth = (history.close * history.split + history.dividend + history.spin_off_value)[1:] / history.close[:-1]
        tr[at, k] = np.cumprod(np.r_[1.0, growth])
        close[at, k], dollars[at, k] = history.close, history.close * history.volume
        worth[at, k] = history.close * history.shares
        for h, column in HORIZONS.items():
            truth[h][at, k] = history.expected[:, column]
    held = pd.DataFrame(tr).ffill(limit=5)
    r = held.pct_change(fill_method=None)
    market = pd.Series(world.market.spy["close"]).pct_change()
    X = {f"ret_{n}d": held / held.shift(n) - 1 for n in (5, 21, 63, 126, 252)}
    X["mom_12_1"] = held.shift(21) / held.shift(252) - 1
    X |= {f"vol_{n}": r.rolling(n).std() for n in (21, 63)}
    for n in (63, 252):
        co = r.mul(market, axis=0).rolling(n).mean() - r.rolling(n).mean().mul(market.rolling(n).mean(), axis=0)
        X[f"beta_{n}d"] = co.div(market.rolling(n).var(ddof=0), axis=0)
    X["adv_20"] = pd.DataFrame(dollars).rolling(20, min_periods=15).mean()
    X = {name: x.to_numpy() for name, x in X.items()}
    X |= {"sector": sectors(days, histories)} | with_worth(accounts(days, histories), worth)
    member = (X["adv_20"] >= 1e6) & (close >= 1) & np.isfinite(X["ret_252d"]) & (dollars > 0)
    label = {}
    for h in HORIZONS:
        label[h] = np.full((T, N), np.nan)
        label[h][: T - 1 - h] = held.to_numpy()[1 + h :] / tr[1 : T - h] - 1
    return DemoPanel(X, member, label, truth, worth, days, histories)


def accounts(
    days: np.ndarray, histories: list[History], restated: bool = False, same_day: bool = False
) -> dict[str, np.ndarray]:
    """(T, N) of the newest quarter usable at each close, by name: from the session after its filing's date on."""
    T, N = len(days), len(histories)
    known_items = (*STATEMENT, "age")
    S = dict(zip(known_items, np.full((len(known_items), T, N), np.nan), strict=True))
    for history in histories:
        k, quarters = history.number, history.quarters
        told = quarters.restated if restated else quarters.items
        items = {name: pd.Series(told[name]) for name in (*FLOWS, *STOCKS)}
        ttm = {name: items[name].rolling(4).sum() for name in FLOWS}
        average = {name: (items[name] + items[name].shift(4)) / 2 for name in ("assets", "equity")}
        values = {
            "net_income": ttm["net_income"],
            "equity": items["equity"],
            "roa": ttm["net_income"] / average["assets"],
            "roe": ttm["net_income"] / average["equity"],
            "operating_margin": ttm["operating_income"] / ttm["revenue"],
            "gross_margin": ttm["gross_profit"] / ttm["revenue"],
            "current_ratio": items["assets_current"] / items["liabilities_current"],
            "debt_to_equity": items["debt"] / items["equity"],
        }
        values = {name: x.to_numpy() for name, x in values.items()}
        usable = np.searchsorted(days, quarters.filed, side="left" if same_day else "right")
        newest = -1
        for j in np.argsort(usable, kind="stable"):
            if usable[j] < T and j > newest:
                newest = j
                for name, x in values.items():
                    S[name][usable[j] :, k] = x[j]
                S["age"][usable[j] :, k] = (days[usable[j] :] - quarters.filed[j]).astype(int)
    return S


def with_worth(told: dict[str, np.ndarray], worth: np.ndarray) -> dict[str, np.ndarray]:
    """Accounts with the two that stand against the market value in their place."""
    yields = {"earnings_yield": told["net_income"] / worth, "book_to_market": told["equity"] / worth}
    return yields | {name: x for name, x in told.items() if name not in ("net_income", "equity")}


def sectors(days: np.ndarray, histories: list[History], is_of_today: bool = False) -> np.ndarray:
    """(T, N) the sector known at each close, as its place in the alphabet."""
    out = np.full((len(days), len(histories)), np.nan)
    for history in histories:
        known = [(0, *history.snapshot)] if is_of_today else history.sectors
        for position, name, _ in known:
            out[position + (position > history.positions[0]) :, history.number] = sorted(SECTORS).index(name)
    return out


def ranks(values: np.ndarray, member: np.ndarray) -> np.ndarray:
    """Percentile ranks per session among members."""
    return pd.DataFrame(np.where(member, values, np.nan)).rank(axis=1, pct=True).to_numpy()


def rank_ics(score: np.ndarray, panel: DemoPanel, horizon: int) -> np.ndarray:
    """(T,) Spearman correlations per session with 20 names or more."""
    both = panel.member & np.isfinite(score) & np.isfinite(panel.label[horizon])
    n = np.maximum(both.sum(axis=1, keepdims=True), 1)
    a, b = (ranks(x, both) - (n + 1) / (2 * n) for x in (score, panel.label[horizon]))
    with np.errstate(invalid="ignore", divide="ignore"):
        ic = np.nansum(a * b, axis=1) / np.sqrt(np.nansum(a * a, axis=1) * np.nansum(b * b, axis=1))
    return np.where(both.sum(axis=1) >= 20, ic, np.nan)


def learn(panel: DemoPanel, horizon: int, first_test: int, step: int = 252) -> np.ndarray:
    """(T, N) out-of-sample scores of the reference learner, refitted every `step` sessions on every fifth session."""
    A = np.stack(list(panel.X.values()), axis=2)
    target = ranks(panel.label[horizon], panel.member)
    score = np.full(panel.member.shape, np.nan)
    for test in range(first_test, len(score), step):
        past = np.zeros(len(score), dtype=bool)
        past[: test - 1 - horizon : 5] = True
        rows = past[:, None] & panel.member & np.isfinite(target)
        model = HistGradientBoostingRegressor(random_state=0).fit(A[rows], target[rows])
        here = panel.member.copy()
        here[:test] = here[test + step :] = False
        score[here] = model.predict(A[here])
    return score
