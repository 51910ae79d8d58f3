{#- Every fitted estimator as a row: what it learned from, what it learned, and its bytes.
    Grain: one row per (alpha_name, fold_id). Collector over var estimator_families; order of the families is free. -#}

with

fits as (

    {% for family in var('estimator_families') -%}
    select * from {{ ref('ml_fits__' ~ family) }}
    {%- if not loop.last %}
    union all by name
    {% endif %}
    {% endfor %}

)

select
    fit_id,
    alpha_name,
    fold_id,
    family,
    task,
    label,
    effective_date,
    feature_names,
    dropped_features,
    params,
    study_id,
    medians,
    scaler_mean,
    scaler_scale,
    calibration,
    n_train_rows,
    n_calibration_rows,
    train_end_date,
    training_data_hash,
    code_version,
    library_versions,
    estimator_format,
    estimator,
    estimator_sha256,
    warning
from fits
order by alpha_name, fold_id
