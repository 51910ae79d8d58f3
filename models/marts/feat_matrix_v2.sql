{#- The first seed's feature matrix under the name its users know: every registered feature and the classifier's score.
    Its columns follow feature_registry, so the contract is left to the registry test and not repeated here. Rows come in
    the order of int_feature_rows, in which the features stand, but for batches of a few rows that builds have added:
    sorting them costs as much as writing them.
    Grain: one row per (ticker, date). Source: features, ml_alphas. -#}

{{ config(materialized='view', contract={'enforced': false}) }}

with

features as (

    select * from {{ ref('features') }}

),

rows_in_order as (

    select
        security_id,
        as_of_date,
        rowid as place

    from {{ ref('int_feature_rows') }}

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

named as (

    select
        rows_in_order.security_id,
        rows_in_order.as_of_date,
        prices.ticker,
        alphas.ml_alpha_xgboost_5d_clf

    from rows_in_order
    inner join prices
        on
            rows_in_order.security_id = prices.security_id
            and rows_in_order.as_of_date = prices.as_of_date
    left join alphas
        on
            rows_in_order.security_id = alphas.security_id
            and rows_in_order.as_of_date = alphas.as_of_date
    order by rows_in_order.place

),

matrix as (

    select
        named.ticker,
        features.as_of_date as date,
        features.* exclude (as_of_date, security_id, known_at, decided_at),
        named.ml_alpha_xgboost_5d_clf as alpha_ml_v2_clf

    from features
    positional join named

    -- both are the rows of int_feature_rows, or one of the two has an error for it
    where {{ same_rows(['features', 'named'], first_may_end=true) }}

)

select * from matrix
