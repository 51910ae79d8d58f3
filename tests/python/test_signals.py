"""fct_signals by hand: class, direction, confidence and quantiles of every task."""

from __future__ import annotations

import datetime as dt

import duckdb
import pandas as pd
import pytest
import sql_model

DAY = dt.date(2024, 1, 2)
# alpha, security, score, prob_up, prob_flat, prob_down, q10, q50, q90 -> class, direction, confidence
ROWS = {
    ("two", 1): ((0.7, 0.7, None, None, None, None, None), (1, "long", 0.7)),
    ("two", 2): ((0.5, 0.5, None, None, None, None, None), (0, "flat", 0.5)),
    ("two", 3): ((0.2, 0.2, None, None, None, None, None), (0, "short", 0.8)),
    ("three", 1): ((0.3, 0.5, 0.3, 0.2, None, None, None), (2, "long", 0.5)),
    ("three", 2): ((-0.3, 0.1, 0.5, 0.4, None, None, None), (1, "flat", 0.5)),
    ("three", 3): ((-0.4, 0.2, 0.2, 0.6, None, None, None), (0, "short", 0.6)),
    ("three", 4): ((0.2, 0.4, 0.4, 0.2, None, None, None), (1, "flat", 0.4)),
    ("middle", 1): ((0.01, None, None, None, -0.05, 0.01, 0.06), (None, "long", None)),
    ("pair", 1): ((0.02, None, None, None, None, None, None), (None, "long", None)),
    ("pair", 2): ((0.01, None, None, None, None, None, None), (None, "long", None)),
    ("value", 1): ((-0.02, None, None, None, None, None, None), (None, "short", None)),
}
COLUMNS = ["score", "prob_up", "prob_flat", "prob_down", "q10", "q50", "q90"]


def test_signals_say_what_their_scores_mean():
    frame = pd.DataFrame([values for values, _ in ROWS.values()], columns=COLUMNS, dtype=float)
    frame["alpha_name"], frame["security_id"] = zip(*ROWS, strict=True)
    frame = frame.assign(as_of_date=DAY, horizon_days=5, fit_id="f", is_out_of_sample=True)
    scores = frame.groupby("alpha_name")["score"]
    frame["score_rank"] = scores.rank(method="first", ascending=False).astype(int)
    frame["scored_names"] = scores.transform("size")
    frame = pd.concat([frame, frame.assign(alpha_name="learned from", is_out_of_sample=False)])  # none of the signals
    connection = duckdb.connect()
    nulls = ", ".join(f"case when isnan({c}) then null else {c} end as {c}" for c in COLUMNS)
    connection.execute(f"create table ml_predictions as select * replace ({nulls}) from frame")
    connection.execute(f"create table int_prices as select date '{DAY}' as as_of_date, n as security_id, 'T' as ticker"
                       " from range(1, 5) as r (n)")  # fmt: skip
    sql_model.run(connection, "marts/fct_signals")
    got = connection.sql("from fct_signals").to_arrow_table().to_pylist()
    assert len(got) == len(ROWS)
    for row in got:
        values, said = ROWS[row["alpha_name"], row["security_id"]]
        assert (row["prediction_class"], row["direction"], row["confidence"]) == said
        assert (row["q10"], row["q50"], row["q90"]) == values[4:]
    for alpha, best_first in {"two": [1, 2, 3], "three": [1, 4, 2, 3]}.items():
        ranked = sorted((row["score_rank"], row["security_id"]) for row in got if row["alpha_name"] == alpha)
        assert ranked == list(enumerate(best_first, start=1))
    strengths = {(row["alpha_name"], row["security_id"]): row["strength"] for row in got}
    assert [strengths["two", name] for name in (1, 2, 3)] == [1, 0, 1]
    assert [strengths["three", name] for name in (1, 4, 2, 3)] == pytest.approx([1, 1 / 3, 1 / 3, 1])
    assert strengths["pair", 1] == strengths["pair", 2] == 1
    assert strengths["value", 1] == 0  # alone on its date, it is neither high nor low
