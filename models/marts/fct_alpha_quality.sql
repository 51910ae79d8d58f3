{#- Information coefficient of every alpha and signal date, known only when the date's labels have matured.
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
        names::integer as names

    from {{ ref('ml_alpha_quality') }}

)

select * from quality
order by alpha_name, horizon_days, signal_date
