{#- Brier score, log loss and expected calibration error of each fold's test window so far, before and after
    calibration. Grain: one row per (alpha_name, fold_id, stage). Source: ml_calibration_bins; ECE is the mean of
    |mean probability - share that happened| over its equal-count bins, weighed by their rows. -#}

with

bins as (

    select
        *,
        names * abs(mean_probability - share_happened) as gap

    from {{ ref('ml_calibration_bins') }}

)

select
    ---------- keys
    alpha_name,
    fold_id,
    stage,

    ---------- quality
    sum(names)::bigint as names,
    sum((names * share_happened)::decimal(38, 12))::double / sum(names) as share_happened,
    sum((names * brier)::decimal(38, 12))::double / sum(names) as brier,
    sum((names * log_loss)::decimal(38, 12))::double / sum(names) as log_loss,
    sum(gap::decimal(38, 12))::double / sum(names) as ece
from bins
group by all
order by alpha_name, fold_id, stage
