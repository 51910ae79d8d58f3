{#- The first seed's table of predictions under the names its users know. Grain: one row per (ticker, date), out of
    sample. Source: fct_alphas' own source, ml_alphas. -#}

with

alphas as (

    select
        as_of_date,
        security_id,
        ml_alpha_xgboost_5d_reg,
        ml_alpha_xgboost_5d_clf

    from {{ ref('ml_alphas') }}

),

prices as (

    select
        as_of_date,
        security_id,
        ticker

    from {{ ref('int_prices') }}

),

renamed as (

    select
        prices.ticker,
        alphas.as_of_date as date,
        alphas.ml_alpha_xgboost_5d_reg as alpha_ml_v2_reg,
        alphas.ml_alpha_xgboost_5d_clf as alpha_ml_v2_clf

    from alphas
    inner join prices
        on
            alphas.security_id = prices.security_id
            and alphas.as_of_date = prices.as_of_date
    where
        alphas.ml_alpha_xgboost_5d_reg is not null
        or alphas.ml_alpha_xgboost_5d_clf is not null

)

select * from renamed
order by date, ticker
