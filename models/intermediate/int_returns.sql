{#- Daily total return of every security beside the market's. The market is SPY; on sessions before SPY's first bar, and
    in a market without SPY on all, it is the members' equal-weighted mean return, flagged is_market_proxy.
    Grain: one row per session and security, the rows of int_prices. Stored by (security_id, as_of_date). -#}

with

prices as (

    select * from {{ ref('int_prices') }}

),

universe as (

    select * from {{ ref('int_universe') }}

),

returned as (

    select
        as_of_date,
        security_id,
        ticker,
        known_at,
        row_in_run,
        is_stale,
        {{ total_return() }} as r

    from prices

),

spy_start as (

    select min(as_of_date) as first_date

    from prices

    where ticker = 'SPY'

),

spy as (

    select
        as_of_date,
        r as m

    from returned

    where
        ticker = 'SPY'
        and not is_stale

),

-- an exact decimal sum: the order in which threads add must not show in the mean
members as (

    select
        returned.as_of_date,
        sum(returned.r::decimal(38, 15))::double / nullif(count(returned.r), 0) as m

    from returned

    inner join universe
        on
            returned.security_id = universe.security_id
            and returned.as_of_date = universe.as_of_date

    cross join spy_start

    where
        universe.is_member
        and returned.as_of_date < coalesce(spy_start.first_date, date '9999-12-31')

    group by returned.as_of_date

),

market as (

    select * from spy

    union all

    select * from members

),

joined as (

    select
        ---------- keys
        returned.as_of_date,
        returned.security_id,

        ---------- point in time
        returned.known_at,

        ---------- place
        returned.row_in_run,

        ---------- daily total returns
        returned.r,
        market.m,
        returned.as_of_date < coalesce(spy_start.first_date, date '9999-12-31') as is_market_proxy

    from returned

    cross join spy_start

    left join market
        on returned.as_of_date = market.as_of_date

)

select * from joined

order by security_id, as_of_date
