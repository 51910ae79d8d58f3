{#- Every set of parameters ever tried inside a training window, as the tuner recorded it (kairos/tuning.py).
    Grain: one row per (study_id, trial_number). Source: the state's ml_trials, with what this build's fits have added. -#}
-- depends_on: {{ ref('ml_fits') }}
{{ config(pre_hook="{{ show_state('ml_trials') }}") }}

select
    study_id,
    trial_number,
    alpha_name,
    fold_id,
    test_start_date,
    family,
    params,
    inner_rank_ics,
    mean_rank_ic,
    status,
    training_data_hash
from {{ source('state', 'ml_trials') }}
order by alpha_name, fold_id, study_id, trial_number
