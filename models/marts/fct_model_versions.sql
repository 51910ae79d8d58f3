{#- Every version of every active alpha, with its status, what it did and whether the gate lets it be promoted.
    Grain: one row per (alpha_name, version). Source: ml_model_versions. -#}

select
    alpha_name,
    version,
    fit_id,
    fold_id,
    status,
    effective_date,
    served_from_date,
    is_chosen_by_hand,
    train_end_date,
    n_train_rows,
    ic,
    rank_ic,
    matured_dates,
    gate_result,
    age_days,
    is_stale,
    is_retrain_due,
    training_data_hash,
    code_version,
    library_versions
from {{ ref('ml_model_versions') }}
order by alpha_name, version
