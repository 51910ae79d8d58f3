{#- Every fill of every strategy, with its cost. Grain: one row per (fill_date, strategy, security_id).
    Source: pf_trades. -#}

with

trades as (

    select * from {{ ref('pf_trades') }}

),

-- the name on the date, also where the security has no row: halted, or dead and not yet paid out
names as (

    select
        security_id,
        ticker,
        valid_from,
        valid_to

    from {{ ref('int_ticker_spells') }}

    where ticker_of = 'date'

),

joined as (

    select
        trades.fill_date,
        trades.decided_date,
        trades.strategy,
        trades.security_id,
        names.ticker,
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
    left join names
        on
            trades.security_id = names.security_id
            and trades.fill_date >= names.valid_from
            and trades.fill_date < names.valid_to

)

select * from joined
order by fill_date, strategy, security_id
