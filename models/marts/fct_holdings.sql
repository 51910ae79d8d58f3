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
        holdings.as_of_date,
        holdings.strategy,
        holdings.security_id,
        case when holdings.security_id = 0 then 'CASH' else names.ticker end as ticker,
        holdings.shares,
        holdings.price_usd,
        holdings.value_usd,
        holdings.weight

    from holdings
    left join names
        on
            holdings.security_id = names.security_id
            and holdings.as_of_date >= names.valid_from
            and holdings.as_of_date < names.valid_to

)

select * from joined
order by as_of_date, strategy, security_id
