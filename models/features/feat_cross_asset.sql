{#- A security against the market and its sector, and the state of the market of the day.
    Grain: one row per (as_of_date, security_id), all rows of int_prices in their order.
    Source: Levy (1967), Journal of Finance 22(4); Moskowitz and Grinblatt (1999), Journal of Finance 54(4); Whaley
    (2000), Journal of Portfolio Management 26(3).
    The market is m of int_returns: SPY, or the members' mean where there is none. The sector's return of a date is the
    plain mean over those who were its members the session before, an exact decimal sum. The VIX is that of the session
    before (int_market_series): it closes after the decision. Terciles of SPY's volatility are those of its values up to
    the date. What is worked out by date comes back to storage order with a sort. -#}

{#- the product of growth over 21 sessions in order -#}
{%- set growth_21d -%}
{%- for n in range(21) -%} {{ ' * ' if not loop.first }}lag(growth, {{ n }}) over in_order {%- endfor -%}
{%- endset %}

with

returns as (

    select
        as_of_date,
        security_id,
        known_at,
        row_in_run,
        r,
        m

    from {{ ref('int_returns') }}

    where {{ rows_to_compute(lookback=59) }}

),

universe as (

    select
        as_of_date,
        security_id,
        is_member,
        sector

    from {{ ref('int_universe') }}

    where {{ rows_to_compute(lookback=59) }}

),

prices as (

    select
        as_of_date,
        security_id,
        case when row_in_run > 21 then close_total_return / lag(close_total_return, 21) over () end as growth_21d

    from {{ ref('int_prices') }}

    where {{ rows_to_compute(lookback=59) }}

),

{{ rolling_moments('returns', ['r', 'm'], [3, 15, 60], pairs=[['r', 'm']], about_zero=true) }}

correlations as (

    select
        as_of_date,
        security_id,
        known_at,
        m2_r_m_60 / nullif(sqrt(m2_r_60 * m2_m_60), 0) as spy_corr_60d

    from returns_moments

),

sessions as (

    select * from {{ ref('int_sessions') }}

),

-- the market of each session
market as (

    select
        returns.as_of_date,
        sessions.session_index,
        1 + any_value(returns.m) as growth

    from returns

    inner join sessions
        on returns.as_of_date = sessions.session_date

    group by returns.as_of_date, sessions.session_index

),

market_growth as (

    select
        as_of_date,
        case
            when session_index - lag(session_index, 20) over in_order = 20
                then {{ growth_21d }}
        end as growth_21d

    from market

    window in_order as (order by session_index)

),

vix as (

    select
        as_of_date,
        known_at,
        value as vix_level,
        case
            when session_index - lag(session_index, 5) over in_order = 5
                then value / nullif(lag(value, 5) over in_order, 0) - 1
        end as vix_change_5d

    from {{ ref('int_market_series') }}

    where series = 'VIX'

    window in_order as (order by session_index)

),

spy as (

    select
        as_of_date,
        security_id

    from {{ ref('int_prices') }}

    where
        ticker = 'SPY'
        and not is_stale

),

regimes as (

    select
        spy.as_of_date,
        trends.trend_strength_200d > 0 as is_uptrend,
        volatilities.vol_21,
        count(volatilities.vol_21) over so_far as vol_values,
        quantile_cont(volatilities.vol_21, [1 / 3, 2 / 3]) over so_far as vol_limits

    from spy

    inner join {{ ref('feat_momentum') }} as trends
        on
            spy.security_id = trends.security_id
            and spy.as_of_date = trends.as_of_date

    inner join {{ ref('feat_volatility') }} as volatilities
        on
            spy.security_id = volatilities.security_id
            and spy.as_of_date = volatilities.as_of_date

    window so_far as (
        order by spy.as_of_date
        rows between unbounded preceding and current row
    )

),

days as (

    select
        market_growth.as_of_date,
        market_growth.growth_21d,
        vix.known_at,
        vix.vix_level,
        vix.vix_change_5d,
        regimes.is_uptrend::tinyint as market_trend_up,
        case
            when regimes.vol_values < 252 or regimes.vol_21 is null then null
            when regimes.vol_21 <= regimes.vol_limits[1] then 1
            when regimes.vol_21 <= regimes.vol_limits[2] then 2
            else 3
        end::tinyint as market_vol_tercile

    from market_growth

    left join vix
        on market_growth.as_of_date = vix.as_of_date

    left join regimes
        on market_growth.as_of_date = regimes.as_of_date

),

-- the return of each sector: of the names that were its members the session before
before as (

    select
        returns.as_of_date,
        returns.r,
        case when returns.row_in_run > 1 and lag(universe.is_member) over () then lag(universe.sector) over () end
            as sector

    from returns
    positional join universe

    where {{ same_rows(['returns', 'universe']) }}

),

sector_returns as (

    select
        before.as_of_date,
        before.sector,
        sessions.session_index,
        1 + sum(before.r::decimal(38, 15))::double / count(before.r) as growth

    from before

    inner join sessions
        on before.as_of_date = sessions.session_date

    where before.sector is not null

    group by before.as_of_date, before.sector, sessions.session_index

),

sector_growth as (

    select
        as_of_date,
        sector,
        case
            when session_index - lag(session_index, 20) over in_order = 20
                then {{ growth_21d }}
        end as growth_21d

    from sector_returns

    window in_order as (
        partition by sector
        order by session_index
    )

),

placed as (

    select
        correlations.as_of_date,
        correlations.security_id,
        correlations.known_at,
        correlations.spy_corr_60d,
        prices.growth_21d,
        universe.sector

    from correlations
    positional join prices
    positional join universe

    where {{ same_rows(['correlations', 'prices', 'universe']) }}

)

select
    ---------- keys
    placed.as_of_date,
    placed.security_id,

    ---------- point in time
    greatest(placed.known_at, days.known_at) as known_at,

    ---------- against the market and the sector
    placed.spy_corr_60d,
    placed.growth_21d / nullif(days.growth_21d, 0) - 1 as spy_rel_strength_21d,
    placed.growth_21d / nullif(sector_growth.growth_21d, 0) - 1 as sector_rel_strength_21d,

    ---------- the market
    days.vix_level,
    days.vix_change_5d,
    days.market_trend_up,
    days.market_vol_tercile

from placed

left join days
    on placed.as_of_date = days.as_of_date

left join sector_growth
    on
        placed.as_of_date = sector_growth.as_of_date
        and placed.sector = sector_growth.sector

order by placed.security_id, placed.as_of_date
