"""Ensembles of alphas: weighted means of their percentile ranks among the members of a date.

Ranking eight columns per date is the slowest step that SQL has (a sort each); here it is one sort of a matrix. A score
depends on the date's own names and nothing else, and sums have one order, that of the members.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from kairos.quality import BENCHMARK, Cells, centred_ranks, days_of

# Weights are shares: sums that should reach needed_share may miss it by rounding.
_ROUNDING = 1e-9
# Decimals of a mean of ranks. Sums of the same ranks and weights in another order differ by 1e-17 or so, and names that
# are equal would be ranked, and held, by it; means that do differ do so by far more than 1e-12.
_DECIMALS = 12


def combine(alphas, weights, settings: dict[str, Any]) -> pa.Table:
    """Active alphas, ensembles, blends and alpha_v8 as columns, rows as they stand in alphas.

    Relations: alphas (a stored table of as_of_date, security_id, a column per active alpha and alpha_v8), weights
    (as_of_date, ensemble_name, member, weight, needed_share: in force on the date; absolute weights sum to 1).
    settings: active_alphas, ensembles, blends (ensembles of ensembles) and blended (their members), all names.
    An ensemble's score is the mean of its members' percentile ranks by those weights; a negative one counts the rank
    from the other end. NULL for a name of which members with less than needed_share of the weight have a score, so for
    all names where they are not active, and on dates without weights.
    """
    grid = Cells(alphas)
    active, blended = list(settings["active_alphas"]), list(settings["blended"])
    scores = grid.matrices(alphas, {name: name for name in [*active, BENCHMARK]})
    in_force = _weights(grid, weights) if len(grid.dates) else {}
    nothing: tuple[dict[str, np.ndarray], np.ndarray] = {}, np.full(len(grid.dates), np.nan)
    ranks = {name: percentile_ranks(matrix) for name, matrix in scores.items()}
    for name in settings["ensembles"]:
        scores[name] = weighted_rank(ranks, [*active, BENCHMARK], *in_force.get(name, nothing))
    ranks = {name: percentile_ranks(scores[name]) for name in blended}
    for name in settings["blends"]:
        scores[name] = weighted_rank(ranks, blended, *in_force.get(name, nothing))
    row, column = grid.occupied
    names = [*active, *settings["ensembles"], *settings["blends"], BENCHMARK]
    columns = {
        "as_of_date": pa.array(grid.dates[row]).cast(pa.date32()),
        "security_id": pa.array(grid.names[column]),
    }
    columns |= {name: pa.array(scores[name][row, column], from_pandas=True) for name in names}
    return pa.table(columns, schema=schema(names))


def schema(names: list[str]) -> pa.Schema:
    """Of combine() for these columns."""
    keys = [pa.field("as_of_date", pa.date32()), pa.field("security_id", pa.int64())]
    return pa.schema([*keys, *(pa.field(name, pa.float64()) for name in names)])


def percentile_ranks(values: np.ndarray) -> np.ndarray:
    """(average rank - 1) / (n - 1) in each row (dates, names), ties at their mean, NaN left out; 0.5 where n = 1."""
    present = ~np.isnan(values)
    n = present.sum(axis=1)[:, None]
    shares = (centred_ranks(values) + n - 1) / np.maximum(2 * (n - 1), 1)
    return np.where(present, np.where(n == 1, 0.5, shares), np.nan)


def weighted_rank(
    ranks: dict[str, np.ndarray], members: list[str], weights: dict[str, np.ndarray], needed: np.ndarray
) -> np.ndarray:
    """The mean of the members' ranks (dates, names) by their weights (dates,), as combine() says, equal where it is.

    needed: (dates,), the least sum of absolute weights that speak, NaN on dates without weights.
    """
    total = spoken = np.zeros(next(iter(ranks.values())).shape)
    for member in members:
        if member in weights:
            weight, has = weights[member][:, None], ~np.isnan(ranks[member])
            total = total + np.where(has, weight * ranks[member] + np.maximum(-weight, 0), 0)
            spoken = spoken + np.where(has, np.abs(weight), 0)
    enough = spoken >= needed[:, None] - _ROUNDING
    means = np.divide(total, spoken, out=np.full(total.shape, np.nan), where=enough & (spoken > 0))
    return np.round(means, _DECIMALS, out=means)


def _weights(grid: Cells, weights) -> dict[str, tuple[dict[str, np.ndarray], np.ndarray]]:
    """By ensemble: its members' weights (dates,), 0 where they have none, and needed_share (dates,), NaN without."""
    columns = "as_of_date::date as day, ensemble_name, member, weight::double as weight, needed_share::double as needed"
    found = weights.project(columns).fetchnumpy()
    days = days_of(found["day"])
    row = np.minimum(np.searchsorted(grid.dates, days), len(grid.dates) - 1)
    known = grid.dates[row] == days
    by_ensemble: dict[str, tuple[dict[str, np.ndarray], np.ndarray]] = {}
    for ensemble in np.unique(found["ensemble_name"]):
        members, needed = by_ensemble[ensemble] = {}, np.full(len(grid.dates), np.nan)
        own = known & (found["ensemble_name"] == ensemble)
        needed[row[own]] = found["needed"][own]
        for member in np.unique(found["member"][own]):
            chosen = own & (found["member"] == member)
            members[member] = np.zeros(len(grid.dates))
            members[member][row[chosen]] = found["weight"][chosen]
    return by_ensemble
