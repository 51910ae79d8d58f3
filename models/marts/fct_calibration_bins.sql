{#- Reliability of the probabilities: what was said and what came, by tenths of a fold's test window so far, before and
    after calibration. Grain: one row per (alpha_name, fold_id, stage, bin). Source: ml_calibration_bins. -#}

with

bins as (

    select
        alpha_name,
        fold_id,
        stage,
        bin::integer as bin,
        names::bigint as names,
        mean_probability,
        share_happened,
        brier,
        log_loss

    from {{ ref('ml_calibration_bins') }}

)

select * from bins
order by alpha_name, fold_id, stage, bin
