{#- Every fill of every strategy, with its cost. Grain: one row per (fill_date, strategy, security_id).
    Source: pf_trades. -#}

with

trades as (

    select * from {{ ref('pf_trades') }}

),

securities as (

    select
        security_id,
        ticker

    from {{ ref('int_securities') }}

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
        trades.fill_date,
        trades.decided_date,
        trades.strategy,
        trades.security_id,
        coalesce(prices.ticker, securities.ticker) as ticker,
        trades.side,
        trades.shares,
        trades.price_usd,
        trades.value_usd,
        trades.weight_before,
        trades.weight_after,
        trades.commission_usd,
        trades.spread_usd,
        trades.impact_usd,
        trades.reason

    from trades
    left join prices
        on
            trades.security_id = prices.security_id
            and trades.fill_date = prices.as_of_date
    left join securities
        on trades.security_id = securities.security_id

)

select * from joined
order by fill_date, strategy, security_id
