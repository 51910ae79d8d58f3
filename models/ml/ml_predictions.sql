{#- What each active alpha said of each member on each date, by the fit in force that day.
    Grain: one row per (alpha_name, as_of_date, security_id). A contract over the Python model ml_scores, which stores it. -#}

select
    as_of_date,
    security_id,
    alpha_name,
    horizon_days,
    score,
    score_rank,
    scored_names,
    prob_up,
    raw_prob_up,
    prob_flat,
    prob_down,
    q10,
    q50,
    q90,
    fit_id,
    fold_id,
    is_out_of_sample
from {{ ref('ml_scores') }}
