{#- What each backtest holds after the session's fills, at its close; cash is security_id 0. Values add up to the
    equity.
    Grain: one row per (as_of_date, strategy, security_id). -#}

with

walks as (

    select
        as_of_date,
        strategy,
        equity_usd,
        cash_usd,
        holdings

    from {{ ref('pf_backtest_walks') }}

),

names as (

    select
        as_of_date,
        strategy,
        unnest(holdings) as holding

    from walks

),

cash as (

    select
        as_of_date,
        strategy,
        0::bigint as security_id,
        cash_usd as shares,
        1::double as price_usd,
        cash_usd as value_usd,
        cash_usd / equity_usd as weight,
        null::double as gain_usd

    from walks

),

unioned as (

    select
        names.as_of_date,
        names.strategy,
        names.holding.security_id,
        names.holding.shares,
        names.holding.price_usd,
        names.holding.value_usd,
        names.holding.weight,
        names.holding.gain_usd

    from names

    union all

    select * from cash

)

select * from unioned
