{#- What every alpha and ensemble came to over all matured dates, at its own horizon and at the others (decay).
    Grain: one row per (alpha_name, horizon_days). Source: ml_alpha_summaries. -#}

with

summaries as (

    select * from {{ ref('ml_alpha_summaries') }}

)

select
    alpha_name,
    horizon_days,
    every_sessions = 1 as is_own_horizon,
    dates,
    ic,
    ic_ir,
    ic_t,
    rank_ic,
    rank_ic_low,
    rank_ic_high,
    rank_ic_ir,
    rank_ic_t,
    share_positive,
    hit_rate,
    quantile_spread,
    quantile_spread_low,
    quantile_spread_high,
    rank_autocorrelation,
    top_turnover,
    rank_ic_beyond_features,
    rank_ic_beyond_features_low,
    rank_ic_beyond_features_high,
    rank_ic_beyond_v8,
    rank_ic_beyond_v8_low,
    rank_ic_beyond_v8_high
from summaries
order by alpha_name, horizon_days
