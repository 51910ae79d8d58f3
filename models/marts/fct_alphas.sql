{#- The alphas side by side, one column each, out of sample only (alpha_v8 learns nothing and is always so).
    Grain: one row per (as_of_date, security_id). Source: ml_alphas. -#}

with

alphas as (

    select * from {{ ref('ml_alphas') }}

),

prices as (

    select
        as_of_date,
        security_id,
        ticker

    from {{ ref('int_prices') }}

),

joined as (

    select
        alphas.as_of_date,
        alphas.security_id,
        prices.ticker,
        {%- for alpha in var('active_alphas') %}
        alphas.{{ alpha }},
        {%- endfor %}
        {%- for ensemble in var('ensembles') + var('blends') %}
        alphas.{{ ensemble }},
        {%- endfor %}
        alphas.alpha_v8

    from alphas
    inner join prices
        on
            alphas.security_id = prices.security_id
            and alphas.as_of_date = prices.as_of_date

)

select * from joined
order by as_of_date, security_id
