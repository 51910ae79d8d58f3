"""Arrow schemas of everything a dbt Python model returns: names, types and order are what the SQL after it needs."""

from __future__ import annotations

import pyarrow as pa

# One row per (alpha_name, fold_id): a fitted estimator.
FITS = pa.schema(
    [
        ("fit_id", pa.string()),
        ("alpha_name", pa.string()),
        ("fold_id", pa.string()),
        ("family", pa.string()),
        ("task", pa.string()),
        ("label", pa.string()),
        ("effective_date", pa.date32()),
        ("feature_names", pa.list_(pa.string())),
        ("dropped_features", pa.list_(pa.string())),
        ("params", pa.string()),
        ("study_id", pa.string()),
        ("medians", pa.list_(pa.float64())),
        ("scaler_mean", pa.list_(pa.float64())),
        ("scaler_scale", pa.list_(pa.float64())),
        ("calibration", pa.string()),
        ("n_train_rows", pa.int64()),
        ("n_calibration_rows", pa.int64()),
        ("train_end_date", pa.date32()),
        ("training_data_hash", pa.string()),
        ("code_version", pa.string()),
        ("library_versions", pa.string()),
        ("estimator_format", pa.string()),
        ("estimator", pa.binary()),
        ("estimator_sha256", pa.string()),
        ("warning", pa.string()),
    ]
)

_NAME = pa.dictionary(pa.int32(), pa.string())

# One row per (alpha_name, as_of_date, security_id): what the alpha said of a member on a date.
SCORES = pa.schema(
    [
        ("as_of_date", pa.date32()),
        ("security_id", pa.int64()),
        ("alpha_name", _NAME),
        ("horizon_days", pa.int32()),
        ("score", pa.float64()),
        ("score_rank", pa.int32()),
        ("scored_names", pa.int32()),
        ("prob_up", pa.float64()),
        ("raw_prob_up", pa.float64()),
        ("prob_flat", pa.float64()),
        ("prob_down", pa.float64()),
        ("q10", pa.float64()),
        ("q50", pa.float64()),
        ("q90", pa.float64()),
        ("fit_id", _NAME),
        ("fold_id", _NAME),
        ("is_out_of_sample", pa.bool_()),
    ]
)

# One row per (alpha_name, horizon_days, signal_date): how a date's scores lined up with the returns that followed.
ALPHA_QUALITY = pa.schema(
    [
        ("matured_date", pa.date32()),
        ("signal_date", pa.date32()),
        ("alpha_name", pa.string()),
        ("horizon_days", pa.int32()),
        ("every_sessions", pa.int32()),
        ("ic", pa.float64()),
        ("rank_ic", pa.float64()),
        ("names", pa.int32()),
        ("hit_rate", pa.float64()),
        ("quantile_spread", pa.float64()),
        ("rank_autocorrelation", pa.float64()),
        ("top_turnover", pa.float64()),
        ("rank_ic_beyond_features", pa.float64()),
        ("rank_ic_beyond_v8", pa.float64()),
    ]
)

_INTERVALS = ("rank_ic", "quantile_spread", "rank_ic_beyond_features", "rank_ic_beyond_v8")

# One row per (alpha_name, horizon_days): what the quality of its matured dates comes to.
ALPHA_SUMMARIES = pa.schema(
    [
        ("alpha_name", pa.string()),
        ("horizon_days", pa.int32()),
        ("every_sessions", pa.int32()),
        ("dates", pa.int64()),
        ("ic", pa.float64()),
        ("ic_ir", pa.float64()),
        ("ic_t", pa.float64()),
        ("rank_ic_ir", pa.float64()),
        ("rank_ic_t", pa.float64()),
        ("share_positive", pa.float64()),
        *((name + end, pa.float64()) for name in _INTERVALS for end in ("", "_low", "_high")),
        ("hit_rate", pa.float64()),
        ("rank_autocorrelation", pa.float64()),
        ("top_turnover", pa.float64()),
    ]
)

# One row per (alpha_name, fold_id): its test window so far, and the signal traded alone.
FOLD_QUALITY = pa.schema(
    [
        ("alpha_name", pa.string()),
        ("fold_id", pa.string()),
        ("ic", pa.float64()),
        ("rank_ic", pa.float64()),
        ("rank_ic_low", pa.float64()),
        ("rank_ic_high", pa.float64()),
        ("dates", pa.int64()),
        ("last_matured_date", pa.date32()),
        ("hit_rate", pa.float64()),
        ("quantile_spread", pa.float64()),
        ("top_turnover", pa.float64()),
        ("sessions", pa.int64()),
        ("signal_end_equity", pa.float64()),
        ("signal_cagr", pa.float64()),
        ("signal_sharpe", pa.float64()),
        ("signal_gross_sharpe", pa.float64()),
        ("signal_max_drawdown", pa.float64()),
        ("signal_calmar", pa.float64()),
        ("signal_trades_per_month", pa.float64()),
        ("signal_turnover", pa.float64()),
        ("signal_net_bps", pa.float64()),
    ]
)

# One row per (study_id, trial_number): parameters tried inside a fold's training window.
TUNING_TRIALS = pa.schema(
    [
        ("study_id", pa.string()),
        ("trial_number", pa.int32()),
        ("alpha_name", pa.string()),
        ("fold_id", pa.string()),
        ("test_start_date", pa.date32()),
        ("family", pa.string()),
        ("params", pa.string()),
        ("inner_rank_ics", pa.list_(pa.float64())),
        ("mean_rank_ic", pa.float64()),
        ("status", pa.string()),
        ("training_data_hash", pa.string()),
    ]
)

# One row per event_number: what happened to a fit (kairos.registry).
REGISTRY_EVENTS = pa.schema(
    [
        ("event_number", pa.int64()),
        ("alpha_name", pa.string()),
        ("event", pa.string()),
        ("fit_id", pa.string()),
        ("fold_id", pa.string()),
        ("version", pa.int32()),
        ("effective_date", pa.date32()),
        ("who", pa.string()),
        ("why", pa.string()),
        ("gate_result", pa.string()),
        ("first_seen_at", pa.timestamp("us")),
    ]
)

# One row per (proved_at, attack, cut_date, model_name, column_name): what a proof compared and found.
PROOFS = pa.schema(
    [
        ("proved_at", pa.timestamp("us")),
        ("code_version", pa.string()),
        ("attack", pa.string()),
        ("cut_date", pa.date32()),
        ("model_name", pa.string()),
        ("column_name", pa.string()),
        ("rows_compared", pa.int64()),
        ("rows_different", pa.int64()),
        ("first_difference", pa.string()),
    ]
)

# One row per (alpha_name, fold_id, feature_name): what the feature does to the fold's scores.
IMPORTANCES = pa.schema(
    [
        ("alpha_name", pa.string()),
        ("fold_id", pa.string()),
        ("feature_name", pa.string()),
        ("effective_date", pa.date32()),
        ("mean_abs_shap", pa.float64()),
        ("shap_share", pa.float64()),
        ("shap_direction", pa.float64()),
        ("shap_rows", pa.int64()),
        ("permutation_rank_ic", pa.float64()),
        ("permutation_drop", pa.float64()),
        ("permuted_rows", pa.int64()),
        ("marginal_rank_ic", pa.float64()),
        ("marginal_dates", pa.int64()),
    ]
)
