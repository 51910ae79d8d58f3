{#- What the engine needs of a name on a date: returns, prices to fill at and to show, whether it traded, and what its
    costs depend on. price_usd is as traded where known, else split-adjusted.
    Grain: one row per (as_of_date, security_id). -#}

with

prices as (

    select
        as_of_date,
        security_id,
        close_total_return,
        open,
        close,
        coalesce(close_unadjusted, close) as price_usd,
        not is_stale and volume_shares > 0 as is_tradable,
        adv_20

    from {{ ref('int_prices') }}

),

volatilities as (

    select
        as_of_date,
        security_id,
        vol_21

    from {{ ref('feat_volatility') }}

)

select
    prices.*,
    volatilities.vol_21
from prices
left join volatilities
    on
        prices.as_of_date = volatilities.as_of_date
        and prices.security_id = volatilities.security_id
