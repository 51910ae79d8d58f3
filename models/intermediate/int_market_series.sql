{#- Series of the market as a whole, each on the session whose decision can use it: SPY's total return level on its own
    session; the VIX on the session after, because it closes a quarter of an hour after the decision of its own.
    Grain: one row per session and series. Source: int_prices, cboe VIX. -#}

with

prices as (

    select * from {{ ref('int_prices') }}

),

sessions as (

    select * from {{ ref('int_sessions') }}

),

vix as (

    select * from {{ ref('stg_cboe__vix') }}

),

market_end as (

    select max(as_of_date) as last_date

    from prices

),

series as (

    select
        as_of_date,
        session_index,
        'SPY' as series,
        close_total_return as value,
        known_at,
        as_of_date as observed_date

    from prices

    where
        ticker = 'SPY'
        and not is_stale

    union all

    select
        sessions.session_date as as_of_date,
        sessions.session_index,
        'VIX' as series,
        vix.vix_close as value,
        vix.known_at,
        vix.session_date as observed_date

    from vix

    inner join sessions
        on vix.session_date = sessions.previous_session_date

    inner join market_end
        on sessions.session_date <= market_end.last_date

)

select * from series

order by series, as_of_date
