{#- Mean information coefficients of each fold's test window so far.
    Grain: one row per (alpha_name, fold_id) with matured dates. Means are exact decimal sums over dates. -#}

with

served as (

    select distinct
        alpha_name,
        as_of_date,
        fold_id
    from {{ ref('ml_predictions') }}

),

quality as (

    select
        alpha_name,
        signal_date,
        matured_date,
        ic,
        rank_ic

    from {{ ref('ml_alpha_quality__learned') }}
    where every_sessions = 1

),

joined as (

    select
        served.alpha_name,
        served.fold_id,
        quality.matured_date,
        quality.ic,
        quality.rank_ic
    from quality
    inner join served
        on
            quality.alpha_name = served.alpha_name
            and quality.signal_date = served.as_of_date

)

select
    alpha_name,
    fold_id,
    sum(ic::decimal(18, 15))::double / nullif(count(ic), 0) as ic,
    sum(rank_ic::decimal(18, 15))::double / nullif(count(rank_ic), 0) as rank_ic,
    count(*) as dates,
    max(matured_date) as last_matured_date
from joined
group by alpha_name, fold_id
order by alpha_name, fold_id
