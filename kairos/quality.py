"""How the alphas' scores lined up with the returns that followed, date by date, known when the labels are settled.

A date's scores and returns are rows of matrices (dates, names), NaN where a name has none. Sums that are not of
integers run over a date's names in the order of security_id, one after the other: no bit depends on other dates or on
names that are not there.
"""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from kairos import executor
from kairos.machine import workers
from kairos.panel import NEVER, active_specs, rows_of
from kairos.schemas import ALPHA_QUALITY

# The alpha weighted by hand, against which others are held, and the horizons it is judged at: it predicts none.
BENCHMARK, BENCHMARK_HORIZONS = "alpha_v8", (5, 20)
# The feature set beyond which an alpha should know something.
RAW_FEATURES = "kairos_23"
# Horizons that are not an alpha's own, and what is left of it beyond the features, are judged every so many sessions:
# the returns of neighbouring sessions overlap, say little new and cost as much again.
EVERY_SESSIONS = 5
# Top and bottom of a date: a fifth of the names each.
QUANTILES = 5
# Directions of the features with a singular value below this share of the largest are one another's sums (vol_blend).
_SINGULAR_SHARE = 1e-8
_KEYS = "as_of_date::date as day, security_id::bigint as name"
_EPOCH = dt.date(1970, 1, 1)


def learned_alphas(specs) -> list[tuple[str, tuple[int, ...]]]:
    """(alpha, own horizons) of the active rows of alpha_specs and of the benchmark."""
    alphas = [(spec["alpha_name"], (spec["horizon_days"],)) for spec in active_specs(rows_of(specs))]
    return [*alphas, (BENCHMARK, BENCHMARK_HORIZONS)]


def ensemble_alphas(ensembles) -> list[tuple[str, tuple[int, ...]]]:
    """(ensemble, own horizons) of the rows of the seed ensembles."""
    return sorted((row["ensemble_name"], (row["horizon_days"],)) for row in rows_of(ensembles))


def alpha_quality(judged, alphas, labels, sessions, panel, feature_sets, settings: dict[str, Any]) -> pa.Table:
    """Quality of every judged alpha and date: schemas.ALPHA_QUALITY ordered by alpha_name, horizon_days, signal_date.

    judged: of learned_alphas() or ensemble_alphas(). Relations: alphas (as_of_date, security_id, a column per alpha and
    alpha_v8), labels, int_sessions, ml_panel, feature_sets. settings: entry_lag_sessions, min_cross_section and
    label_horizons (own horizons are judged on every session, the others on every fifth).
    A name takes part with a score and a label settled on the date's matured_date, the session on which the labels of
    that date are due; a date with fewer than min_cross_section of them, or not matured yet, has no row. Ranks have
    average ties; a number that is not defined (a side does not vary, no session before) is NULL.
    """
    lag, fewest = int(settings["entry_lag_sessions"]), int(settings["min_cross_section"])
    grid = Grid(alphas, sessions, lag)
    if not len(grid.dates):
        return ALPHA_QUALITY.empty_table()
    thin = np.flatnonzero(grid.session_index % EVERY_SESSIONS == 0)
    scored = grid.matrices(alphas, {name: name for name in {BENCHMARK, *(name for name, _ in judged)}})
    benchmark = scored[BENCHMARK][thin]
    known = sorted(row["feature_name"] for row in rows_of(feature_sets) if row["feature_set"] == RAW_FEATURES)
    features = Features.read(panel, grid, thin, known) if set(known) <= set(panel.columns) else None
    returns = grid.returns(labels, sorted(settings["label_horizons"]))
    kept = {(horizon, is_own): Kept() for horizon in returns for is_own in (True, False)}

    def pieces_of(name: str, own: tuple[int, ...]) -> list[pa.Table]:
        scores, pieces = scored[name], []
        steady = steadiness(scores, fewest)
        left = {
            "rank_ic_beyond_features": features.residuals(scores[thin]) if features else None,
            "rank_ic_beyond_v8": residuals_of_one(scores[thin], benchmark) if name != BENCHMARK else None,
        }
        for horizon, realized in returns.items():
            if horizon not in own:
                columns = coefficients(scores[thin], realized[thin], fewest, kept[horizon, False])
                pieces.append(_piece(grid, thin, name, horizon, EVERY_SESSIONS, columns))
                continue
            columns = coefficients(scores, realized, fewest, kept[horizon, True]) | steady
            for column, residuals in left.items():
                columns[column] = np.full(len(scores), np.nan)
                if residuals is not None:
                    columns[column][thin] = rank_ic(residuals, realized[thin], fewest)
            pieces.append(_piece(grid, np.arange(len(scores)), name, horizon, 1, columns))
        return pieces

    # NumPy lets other threads in while it sorts and sums; a thread's linear algebra stays on that thread.
    with executor.one_thread(), ThreadPoolExecutor(workers()) as threads:
        return pa.concat_tables(chain.from_iterable(threads.map(lambda alpha: pieces_of(*alpha), judged)))


class Cells:
    """The dates on which any alpha speaks, and the names: where a row of a relation belongs in a matrix of both.

    dates: int32 days, names: security_ids, both ascending; occupied: (row, column) of alphas' own keys, in their order
    (by date and name if they are stored so).
    """

    def __init__(self, alphas):
        """alphas: as_of_date, security_id."""
        keys = alphas.project(_KEYS).fetchnumpy()
        self.dates, row = np.unique(days_of(keys["day"]), return_inverse=True)
        self.names, column = np.unique(np.asarray(keys["name"]), return_inverse=True)
        self.occupied = row, column

    def matrices(self, relation, columns: dict[str, str]) -> dict[str, np.ndarray]:
        """Expressions over the relation by name, each float64 (dates, names); one reading of the relation for all.

        NaN where there is no row or it is NULL; keys that are not among the cells are passed over.
        """
        wanted = [f"({expression})::double as {name}" for name, expression in columns.items()]
        found = relation.project(", ".join([_KEYS, *wanted])).fetchnumpy()
        row, place, known = self.cells(days_of(found["day"]), np.asarray(found["name"]))
        values = {name: np.full((len(self.dates), len(self.names)), np.nan) for name in columns}
        for name, matrix in values.items():
            matrix[row, place] = _filled(found[name])[known]
        return values

    def cells(self, day: np.ndarray, name: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(row, column, known): where each key (rows,) belongs, and which of the keys have a cell."""
        row, column = np.searchsorted(self.dates, day), np.searchsorted(self.names, name)
        row[row == len(self.dates)], column[column == len(self.names)] = 0, 0
        known = (self.dates[row] == day) & (self.names[column] == name)
        return row[known], column[known], known


class Grid(Cells):
    """Cells with the calendar: when the labels of a date are due."""

    def __init__(self, alphas, sessions, lag: int):
        """alphas: as_of_date, security_id; sessions: session_date, session_index; lag: from decision to entry."""
        super().__init__(alphas)
        calendar = sessions.project("session_date::date as day, session_index::bigint as i").order("i").fetchnumpy()
        self._calendar = days_of(calendar["day"])
        self._first_index, self.lag = int(calendar["i"][0]) if len(calendar["i"]) else 0, lag
        self.session_index = np.searchsorted(self._calendar, self.dates) + self._first_index

    def matured(self, horizon: int) -> np.ndarray:
        """Per date (dates,) the session on which its labels are due, int32 days; the last of int32 where none is."""
        position = self.session_index - self._first_index + self.lag + horizon
        calendar = np.append(self._calendar, NEVER)
        return calendar[np.minimum(position, len(self._calendar))]

    def returns(self, labels, horizons: list[int]) -> dict[int, np.ndarray]:
        """Forward returns (dates, names) by horizon, NaN where there is none or it is settled after the date's matured
        date."""
        first, last = (f"date '{_EPOCH + dt.timedelta(days=int(self.dates[i]))}'" for i in (0, -1))
        columns = {f"gain_{h}": f"fwd_ret_{h}d" for h in horizons}
        columns |= {f"end_{h}": f"date_diff('day', date '1970-01-01', label_end_date_{h}d)" for h in horizons}
        found = self.matrices(labels.filter(f"as_of_date between {first} and {last}"), columns)
        return {
            h: np.where(found[f"end_{h}"] <= self.matured(h)[:, None], found[f"gain_{h}"], np.nan) for h in horizons
        }


class Features:
    """The features of some dates of a grid, to see what of a score is left beyond them."""

    def __init__(self, values: np.ndarray, rows: np.ndarray):
        """values: (rows, features) with NaN; rows: (dates, names), the row of each name, -1 where it has none."""
        self.values, self.rows = values, rows
        self._bases: dict[tuple[int, bytes], np.ndarray] = {}

    @classmethod
    def read(cls, panel, grid: Grid, dates: np.ndarray, names: list[str]) -> Features:
        """Of the relation ml_panel on these positions of the grid's dates."""
        thinned = panel.filter(f"session_index % {EVERY_SESSIONS} = 0")
        found = thinned.project(", ".join([_KEYS, *(f"{n}::double as {n}" for n in names)])).fetchnumpy()
        row, column, known = grid.cells(days_of(found["day"]), np.asarray(found["name"]))
        rows = np.full((len(grid.dates), len(grid.names)), -1)
        rows[row, column] = np.flatnonzero(known)
        return cls(np.column_stack([_filled(found[name]) for name in names]), rows[dates])

    def residuals(self, scores: np.ndarray) -> np.ndarray:
        """What is left of each date's scores (dates, names) after a regression on the date's features and a constant.

        A NULL feature counts as the mean over the names with a score. NaN where a name has no score.
        """
        left = np.full(scores.shape, np.nan)
        for d in range(len(scores)):
            has = ~np.isnan(scores[d]) & (self.rows[d] >= 0)
            if has.sum() > 1:
                key = (d, has.tobytes())  # most alphas score the same names: one decomposition serves them all
                if key not in self._bases:
                    self._bases[key] = _basis(self.values[self.rows[d, has]])
                left[d, has] = _residual(scores[d, has], self._bases[key])
        return left


def residuals_of_one(scores: np.ndarray, benchmark: np.ndarray) -> np.ndarray:
    """What is left of each date's scores (dates, names) after a regression on the benchmark and a constant.

    NaN where either is missing.
    """
    left = np.full(scores.shape, np.nan)
    for d in range(len(scores)):
        has = ~(np.isnan(scores[d]) | np.isnan(benchmark[d]))
        if has.sum() > 1:
            left[d, has] = _residual(scores[d, has], _basis(benchmark[d, has, None]))
    return left


class Kept:
    """The ranks of the last matrix ranked: most alphas score the same names, and their returns rank alike."""

    def __init__(self):
        self._last = np.empty((0, 0)), np.empty((0, 0))  # one assignment for both: threads share a Kept

    def ranks(self, realized: np.ndarray, both: np.ndarray) -> np.ndarray:
        """centred_ranks() of realized (dates, names), of which `both` says where it is not NaN. One matrix per Kept."""
        last, ranks = self._last
        if not np.array_equal(last, both):
            ranks = centred_ranks(realized)
            self._last = both, ranks
        return ranks


def coefficients(
    scores: np.ndarray, realized: np.ndarray, fewest: int, kept: Kept | None = None
) -> dict[str, np.ndarray]:
    """Per date of two matrices (dates, names) with NaN: names, ic, rank_ic, hit_rate, quantile_spread, each (dates,).

    hit_rate: of the names that are at neither median, the share on the same side of both; a name whose value is the
    median's is at it, however many more names have that value on one side. quantile_spread: mean realized of the best
    fifth by score minus that of the worst. A date with fewer than `fewest` names has 0 names.
    kept: of the calls with these `realized`; without one nothing is kept.
    """
    both = ~(np.isnan(scores) | np.isnan(realized))
    both &= (both.sum(axis=1) >= fewest)[:, None]
    names = both.sum(axis=1)
    x, y = np.where(both, scores, np.nan), np.where(both, realized, np.nan)
    x_ranks, y_ranks = centred_ranks(x), (kept or Kept()).ranks(y, both)
    sides = _sides(x_ranks, names) * _sides(y_ranks, names)
    best, worst = best_fifth(x_ranks, names), best_fifth(-x_ranks, names)
    return {
        "names": names,
        "ic": _pearson(x, y),
        "rank_ic": _rank_correlation(x_ranks, y_ranks),
        "hit_rate": _ratio((sides > 0).sum(axis=1), (sides != 0).sum(axis=1)),
        "quantile_spread": _means(y, best) - _means(y, worst),
    }


def rank_ic(scores: np.ndarray, realized: np.ndarray, fewest: int) -> np.ndarray:
    """Spearman's correlation per date (dates,) of two matrices (dates, names); NaN with fewer than `fewest` names."""
    missing = np.isnan(scores) | np.isnan(realized)
    ranks = [centred_ranks(np.where(missing, np.nan, side)) for side in (scores, realized)]
    return np.where((~missing).sum(axis=1) >= fewest, _rank_correlation(*ranks), np.nan)


def steadiness(scores: np.ndarray, fewest: int) -> dict[str, np.ndarray]:
    """Per date of the scores (dates, names) against the one before: rank_autocorrelation and top_turnover, (dates,).

    The former is Pearson's, of the ranks among all names of their date, over the names that both dates have; the latter
    the share of the best fifth that was not in it. NaN on the first date and where either has fewer than `fewest`
    names.
    """
    ranks, has = centred_ranks(scores), ~np.isnan(scores)
    names = has.sum(axis=1)
    best = best_fifth(ranks, names)
    common = has[1:] & has[:-1]
    n = common.sum(axis=1)
    a, b = np.where(common, ranks[1:], 0), np.where(common, ranks[:-1], 0)
    # integers below 2**53: exact, whatever the order of the names
    covariance = n * (a * b).sum(axis=1) - a.sum(axis=1) * b.sum(axis=1)
    squares = [(n * (side * side).sum(axis=1) - side.sum(axis=1) ** 2).astype(float) for side in (a, b)]
    stayed = (best[1:] & best[:-1]).sum(axis=1)
    enough = (names[1:] >= fewest) & (names[:-1] >= fewest)
    found = {
        "rank_autocorrelation": _ratio(covariance, np.sqrt(squares[0]) * np.sqrt(squares[1])),
        "top_turnover": 1 - _ratio(stayed, best[1:].sum(axis=1)),
    }
    return {name: np.append(np.nan, np.where(enough, values, np.nan)) for name, values in found.items()}


def centred_ranks(values: np.ndarray) -> np.ndarray:
    """Twice the average rank of each value in its row (dates, names) minus the count plus 1; int64, 0 for NaN."""
    rows, width = values.shape
    order = np.argsort(values, axis=1)  # NaN come last; the order of ties does not matter
    order += (np.arange(rows) * width)[:, None]
    ordered = values.ravel()[order]
    is_tied = ordered[:, 1:] == ordered[:, :-1]
    first = last = np.broadcast_to(np.arange(1, width + 1), values.shape)
    if is_tied.any():
        starts, ends = np.ones(values.shape, dtype=bool), np.ones(values.shape, dtype=bool)
        starts[:, 1:], ends[:, :-1] = ~is_tied, ~is_tied
        first = np.maximum.accumulate(np.where(starts, first, 0), axis=1)
        last = np.minimum.accumulate(np.where(ends, last, width)[:, ::-1], axis=1)[:, ::-1]
    ranks = np.empty(rows * width, dtype=np.int64)
    ranks[order] = first + last
    ranks = ranks.reshape(values.shape)
    present = ~np.isnan(values)
    ranks -= (present.sum(axis=1) + 1)[:, None]
    ranks *= present
    return ranks


def best_fifth(ranks: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Which of the centred ranks (dates, names) are the highest names // 5 of their date, names that are equal at the
    edge in together or out together. names: (dates,), those that have a rank."""
    return ranks > (names - 2 * (names // QUANTILES) - 1)[:, None]


def _sides(ranks: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Of centred ranks (dates, names): 1 above the date's median, -1 below it, 0 at it and where there is no rank.

    names: (dates,), those that have a rank. The sign alone is wrong for equal values that hold the median and more of
    one side: then more than half of the names are on that side, and its nearest to the middle are those values.
    """
    sides = np.sign(ranks)
    for side in (-1, 1):
        crowded = np.flatnonzero(2 * (sides == side).sum(axis=1) > names)
        if len(crowded):
            own = np.where(sides[crowded] == side, side * ranks[crowded], np.iinfo(np.int64).max)
            sides[crowded] *= own != own.min(axis=1, keepdims=True)
    return sides


def _rank_correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Per date, of centred ranks of the same names: sums of integers, exact."""
    squares = [(side * side).sum(axis=1).astype(float) for side in (x, y)]
    return _ratio((x * y).sum(axis=1), np.sqrt(squares[0]) * np.sqrt(squares[1]))


def _pearson(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Per date of two matrices that are NaN in the same cells; NaN where a side does not vary."""
    deviations = []
    for side in (x, y):
        varies = np.nan_to_num(side, nan=-np.inf).max(axis=1) > np.nan_to_num(side, nan=np.inf).min(axis=1)
        deviations.append(np.where(varies[:, None], side - _means(side, ~np.isnan(side))[:, None], np.nan))
    a, b = deviations
    squares = _sums(a * a), _sums(b * b)
    return _ratio(_sums(a * b), np.sqrt(squares[0]) * np.sqrt(squares[1]))


def _sums(values: np.ndarray) -> np.ndarray:
    """Per date, of the values that are not NaN, one after the other in the order of the names (numpy's own sum groups
    them by their position, which moves with every name that is there or not)."""
    has = ~np.isnan(values)
    return np.bincount(np.nonzero(has)[0], weights=values[has], minlength=len(values))


def _means(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    return _ratio(_sums(np.where(chosen, values, np.nan)), chosen.sum(axis=1))


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, NaN where below is 0 or NaN."""
    return np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)


def _basis(columns: np.ndarray) -> np.ndarray:
    """Orthonormal (rows, rank): the span of the columns (rows, k) less their means; NaN counts as the mean."""
    present = ~np.isnan(columns)
    counts = np.maximum(present.sum(axis=0), 1)
    centred = np.where(present, columns - np.where(present, columns, 0).sum(axis=0) / counts, 0)
    length = np.sqrt((centred * centred).sum(axis=0))
    centred = centred[:, length > 0] / length[length > 0]
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    return left[:, singular > _SINGULAR_SHARE * singular.max(initial=0)]


def _residual(score: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """What of a score (rows,) is left outside a basis and a constant; NaN when it is nothing but rounding."""
    centred = score - score.mean()
    left = centred - basis @ (basis.T @ centred)
    return left if left @ left > 1e-18 * (centred @ centred) else np.full(len(score), np.nan)


def _filled(values: Any) -> np.ndarray:
    """A column of DuckDB's, NULLs as NaN."""
    return np.ma.filled(values, np.nan)


def days_of(dates: Any) -> np.ndarray:
    """Dates as DuckDB gives them to NumPy, as int32 days since 1970-01-01."""
    return np.asarray(dates).astype("datetime64[D]").astype(np.int32)


def _piece(
    grid: Grid, dates: np.ndarray, name: str, horizon: int, every: int, columns: dict[str, np.ndarray]
) -> pa.Table:
    """Rows of ALPHA_QUALITY of one alpha and horizon, of the dates with enough names."""
    matured = grid.matured(horizon)[dates]
    kept = (columns["names"] > 0) & (matured < NEVER)
    rows = int(kept.sum())
    constants = {"alpha_name": [name] * rows, "horizon_days": [horizon] * rows, "every_sessions": [every] * rows}
    arrays = {"matured_date": matured[kept], "signal_date": grid.dates[dates][kept]}
    arrays |= {column: values[kept] for column, values in columns.items()}
    return pa.table(
        [_array(constants.get(field.name, arrays.get(field.name)), field, rows) for field in ALPHA_QUALITY],
        schema=ALPHA_QUALITY,
    )


def _array(values: Any, field: pa.Field, rows: int) -> pa.Array:
    if values is None:
        return pa.nulls(rows, field.type)
    if pa.types.is_date(field.type):
        return pa.array(np.asarray(values, dtype=np.int32)).cast(field.type)
    return pa.array(values, type=field.type, from_pandas=True)
