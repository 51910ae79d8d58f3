{#- The first seed's feature matrix under the name its users know: every registered feature and the classifier's score.
    Its columns follow feature_registry, so the contract is left to the registry test and not repeated here.
    Grain: one row per (ticker, date). Source: features, ml_alphas. -#}

{{ config(materialized='view', contract={'enforced': false}) }}

with

features as (

    select * from {{ ref('features') }}

),

alphas as (

    select
        as_of_date,
        security_id,
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

matrix as (

    select
        prices.ticker,
        features.as_of_date as date,
        features.* exclude (as_of_date, security_id, known_at, decided_at),
        alphas.ml_alpha_xgboost_5d_clf as alpha_ml_v2_clf

    from features
    inner join prices
        on
            features.security_id = prices.security_id
            and features.as_of_date = prices.as_of_date
    left join alphas
        on
            features.security_id = alphas.security_id
            and features.as_of_date = alphas.as_of_date

)

select * from matrix
order by date, ticker
