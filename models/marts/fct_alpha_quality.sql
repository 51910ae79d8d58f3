{#- Quality of every alpha and signal date at its own horizon, known only when the date's labels have matured.
    Grain: one row per (alpha_name, horizon_days, signal_date). Source: ml_alpha_quality. -#}

with

quality as (

    select
        matured_date,
        signal_date,
        alpha_name,
        horizon_days::integer as horizon_days,
        ic,
        rank_ic,
        names::integer as names,
        hit_rate,
        quantile_spread,
        rank_autocorrelation,
        top_turnover,
        rank_ic_beyond_features,
        rank_ic_beyond_v8

    from {{ ref('ml_alpha_quality') }}
    where every_sessions = 1

)

select * from quality
order by alpha_name, horizon_days, signal_date
