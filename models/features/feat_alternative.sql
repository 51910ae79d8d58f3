{#- Insiders, short interest and institutional holdings, as far as they were known at the close of as_of_date.
    Grain: one row per (as_of_date, security_id), all rows of int_prices in their order. Source: Lakonishok and Lee
    (2001), Review of Financial Studies 14(1); Boehmer, Jones and Zhang (2008), Journal of Finance 63(2); Gompers
    and Metrick (2001), Quarterly Journal of Economics 116(1). Three as-of joins on tables of steps, each followed
    by its staleness rule. Counts of shares and volume are brought to the day's own splits. Where no file covers a
    name its insider features are NULL, and 0 only where a file that goes on has nothing of it. Sums over a date are
    exact decimals of values brought to [0, 1] by the date's limits, so that no bit depends on their order. -#}

{%- set short_interest_days = setting_number('short_interest_staleness_days') %}
{%- set holdings_days = setting_number('holdings_staleness_days') %}
{%- set nets = ['insider_net_count_90d', 'insider_net_shares_90d', 'insider_net_value_90d'] %}

with

prices as (

    select
        as_of_date,
        security_id,
        known_at,
        decided_at,
        row_in_run,
        volume_shares,
        coalesce(close / close_unadjusted, 1) as volume_multiplier

    from {{ ref('int_prices') }}

    where {{ rows_to_compute(lookback=19) }}

),

{{ rolling_levels('prices', ['volume_shares'], 20) }}

insiders as (

    select * from {{ ref('int_insider_steps') }}

),

shorts as (

    select * from {{ ref('int_short_interest_steps') }}

),

holdings as (

    select * from {{ ref('int_institutional_holdings_steps') }}

),

{{ as_of_rows('insiders', at='effective_at') }}

{{ as_of_rows('shorts', at='effective_at') }}

{{ as_of_rows('holdings', at='effective_at') }}

all_volumes as (

    select
        as_of_date,
        security_id,
        known_at,
        decided_at,
        case when row_in_run >= 20 then {{ rolling_sum('volume_shares', 20) }} / 20 * volume_multiplier end
            as sma_20_volume

    from prices_16

),

volumes as (

    select * from all_volumes

    where {{ rows_to_compute() }}

),

universe as (

    select
        as_of_date,
        security_id,
        is_member

    from {{ ref('int_universe') }}

    where {{ rows_to_compute() }}

),

fundamentals as (

    select * from {{ ref('int_fundamentals_as_of') }}

),

served as (

    select
        volumes.as_of_date,
        volumes.security_id,
        volumes.decided_at,
        volumes.sma_20_volume,
        universe.is_member,
        greatest(
            volumes.known_at,
            insiders_by_row.known_at,
            shorts_by_row.known_at,
            holdings_by_row.known_at,
            fundamentals.known_at
        ) as known_at,
        case when not fundamentals.is_shares_suspect then fundamentals.shares_at_t end as shares,
        fundamentals.market_value_usd,

        ---------- insiders, while a file covers the name
        case when insiders_by_row.is_covered then insiders_by_row.net_count end as net_count,
        case when insiders_by_row.is_covered then insiders_by_row.shares_bought_unsplit end
        * insiders_by_row.share_multiplier as shares_bought,
        case when insiders_by_row.is_covered then insiders_by_row.shares_net_unsplit end
        * insiders_by_row.share_multiplier as shares_net,
        case when insiders_by_row.is_covered then insiders_by_row.value_bought_usd end as value_bought_usd,
        case when insiders_by_row.is_covered then insiders_by_row.value_net_usd end as value_net_usd,

        ---------- how old each is, fresh or not
        volumes.as_of_date - insiders_by_row.known_at::date as insider_age_days,
        volumes.as_of_date - shorts_by_row.known_at::date as short_interest_age_days,
        volumes.as_of_date - holdings_by_row.known_at::date as institutional_ownership_age_days,

        ---------- short positions, while they are fresh
        shorts_by_row.settlement_date - shorts_by_row.previous_settlement_date as settlement_days,
        case
            when short_interest_age_days <= {{ short_interest_days }}
                then shorts_by_row.shares_short_unsplit * shorts_by_row.share_multiplier
        end as shares_short,
        shorts_by_row.previous_shares_short_unsplit * shorts_by_row.share_multiplier as previous_shares_short,
        shorts_by_row.float_shares_unsplit * shorts_by_row.share_multiplier as float_shares,

        ---------- holdings, while they are fresh
        holdings_by_row.period_end_date - holdings_by_row.previous_period_end_date as quarter_days,
        case
            when institutional_ownership_age_days <= {{ holdings_days }}
                then holdings_by_row.shares_held_unsplit * holdings_by_row.share_multiplier
        end as shares_held,
        holdings_by_row.previous_shares_held_unsplit * holdings_by_row.share_multiplier as previous_shares_held

    from volumes
    positional join universe
    positional join fundamentals
    positional join insiders_by_row
    positional join shorts_by_row
    positional join holdings_by_row

    where
        {{ same_rows(['volumes', 'universe', 'fundamentals']) }}
        and {{ as_of_rows_hold('insiders_by_row', 'volumes', at='effective_at') }}
        and {{ as_of_rows_hold('shorts_by_row', 'volumes', at='effective_at') }}
        and {{ as_of_rows_hold('holdings_by_row', 'volumes', at='effective_at') }}

),

ratios as (

    select
        as_of_date,
        security_id,
        known_at,
        is_member,

        ---------- insiders
        shares_bought as insider_shares_bought_90d,
        value_bought_usd as insider_value_bought_90d,
        net_count::double as insider_net_count_90d,
        shares_net / nullif(shares, 0) as insider_net_shares_90d,
        value_net_usd / nullif(market_value_usd, 0) as insider_net_value_90d,

        ---------- short positions
        shares_short / nullif(coalesce(float_shares, shares), 0) as short_interest_ratio,
        shares_short / nullif(sma_20_volume, 0) as days_to_cover,
        case
            when settlement_days <= {{ short_interest_days }}
                then shares_short / nullif(previous_shares_short, 0) - 1
        end as short_interest_change,

        ---------- holdings
        shares_held / nullif(shares, 0) as institutional_ownership,
        case when quarter_days <= 100 then (shares_held - previous_shares_held) / nullif(shares, 0) end
            as institutional_ownership_change,

        ---------- ages
        insider_age_days,
        short_interest_age_days,
        institutional_ownership_age_days

    from served

),

members as (

    select
        as_of_date,
        security_id,
        {{ nets | join(',\n        ') }}

    from ratios

    where is_member

),

{{ standardised('members', nets) }}

composites as (

    select
        as_of_date,
        security_id,
        (insider_net_count_90d_z + insider_net_shares_90d_z + insider_net_value_90d_z) / 3 as insider_composite_z

    from members_standardised

)

select
    ---------- keys
    ratios.as_of_date,
    ratios.security_id,

    ---------- point in time
    ratios.known_at,

    ---------- features
    ratios.insider_shares_bought_90d,
    ratios.insider_value_bought_90d,
    ratios.insider_net_count_90d,
    ratios.insider_net_shares_90d,
    ratios.insider_net_value_90d,
    composites.insider_composite_z,
    ratios.short_interest_ratio,
    ratios.days_to_cover,
    ratios.short_interest_change,
    ratios.institutional_ownership,
    ratios.institutional_ownership_change,
    ratios.insider_age_days,
    ratios.short_interest_age_days,
    ratios.institutional_ownership_age_days

from ratios

left join composites
    on
        ratios.as_of_date = composites.as_of_date
        and ratios.security_id = composites.security_id

order by ratios.security_id, ratios.as_of_date
