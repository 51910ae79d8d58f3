"""What trading and holding costs.

Per trade, on its value: a commission, half of the spread by the name's average daily dollar volume (ADV), and impact
`coefficient * daily sigma * sqrt(value / ADV)` (the square-root law). Per session, a 252nd of the year's rate: borrow
on what is held short, financing on cash that is borrowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kairos.errors import SpecError

SESSIONS_PER_YEAR = 252
BPS = 1e-4


@dataclass(frozen=True)
class Costs:
    """Rates as plain fractions of value; spread_from_adv ascending, its first entry 0."""

    commission: float
    spread_from_adv: np.ndarray
    half_spread: np.ndarray
    impact: float
    borrow_per_year: float
    financing_per_year: float

    @classmethod
    def of_seed(cls, rows: Sequence[dict[str, Any]], financing_bps: float) -> Costs:
        """Costs from the rows of the seed (cost, min_adv_usd, value) and the var financing_bps.

        Raises:
            SpecError: a cost is missing or twice there, a half spread has no bucket from 0, or a value is negative.
        """
        given: dict[str, dict[float, float]] = {}
        for row in rows:
            buckets = given.setdefault(row["cost"], {})
            if row["min_adv_usd"] in buckets or row["value"] < 0 or row["min_adv_usd"] < 0:
                raise SpecError(
                    f"seeds/costs.csv, cost {row['cost']!r} from ADV {row['min_adv_usd']}: one row per bucket, values"
                    f" and bounds not below 0; got value {row['value']}."
                )
            buckets[row["min_adv_usd"]] = row["value"]
        for cost in ("commission", "half_spread", "impact", "borrow"):
            if 0 not in given.get(cost, {}):
                raise SpecError(f"seeds/costs.csv: no row of cost {cost!r} with min_adv_usd 0; add one.")
            if cost != "half_spread" and len(given[cost]) > 1:
                raise SpecError(f"seeds/costs.csv: cost {cost!r} does not depend on ADV; keep its row from 0 only.")
        spread = sorted(given["half_spread"].items())
        return cls(
            commission=given["commission"][0] * BPS,
            spread_from_adv=np.array([bound for bound, _ in spread]),
            half_spread=np.array([value for _, value in spread]) * BPS,
            impact=given["impact"][0],
            borrow_per_year=given["borrow"][0] * BPS,
            financing_per_year=financing_bps * BPS,
        )

    @classmethod
    def none(cls) -> Costs:
        """No cost at all."""
        return cls(0.0, np.zeros(1), np.zeros(1), 0.0, 0.0, 0.0)

    def of_trades(self, value: np.ndarray, adv: np.ndarray, vol: np.ndarray) -> tuple[np.ndarray, ...]:
        """Commission, spread and impact of trades in USD, each of the trades' shape.

        Args:
            value: USD traded per name, not negative.
            adv: average daily dollar volume, USD; NaN or 0 pays the widest spread and no impact.
            vol: annual volatility, a fraction; NaN pays no impact.
        """
        adv = np.where(np.isnan(adv), 0.0, adv)
        bucket = np.searchsorted(self.spread_from_adv, adv, side="right") - 1
        participation = np.divide(value, adv, out=np.zeros_like(value), where=adv > 0)
        daily_sigma = np.where(np.isnan(vol), 0.0, vol) / SESSIONS_PER_YEAR**0.5
        return (
            self.commission * value,
            self.half_spread[bucket] * value,
            self.impact * daily_sigma * np.sqrt(participation) * value,
        )
