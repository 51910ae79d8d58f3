{#- What each strategy holds after the day's fills, at the close; cash is a row with security_id 0 and ticker CASH.
    Grain: one row per (as_of_date, strategy, security_id). Source: pf_holdings. -#}

with

holdings as (

    select
        as_of_date,
        strategy,
        security_id,
        shares,
        price_usd,
        value_usd,
        weight

    from {{ ref('pf_holdings') }}

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
        holdings.as_of_date,
        holdings.strategy,
        holdings.security_id,
        case when holdings.security_id = 0 then 'CASH' else coalesce(prices.ticker, securities.ticker) end as ticker,
        holdings.shares,
        holdings.price_usd,
        holdings.value_usd,
        holdings.weight

    from holdings
    left join prices
        on
            holdings.security_id = prices.security_id
            and holdings.as_of_date = prices.as_of_date
    left join securities
        on holdings.security_id = securities.security_id

)

select * from joined
order by as_of_date, strategy, security_id
