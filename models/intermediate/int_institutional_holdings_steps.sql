{#- The newest holdings of institutions known, from each moment on at which that changes, beside those of the
    quarter that was the newest before it. Of several vendors that know a quarter the first in var holdings_vendors
    speaks. Counts have every split undone; share_multiplier brings them to the moment.
    Grain: one row per (security_id, effective_at): a quarter comes, or a split changes the unit. Source:
    int_institutional_holdings, int_split_factors. -#}

with

holdings as (

    select
        security_id,
        period_end_date,
        known_at,
        shares_held

    from {{ ref('int_institutional_holdings') }}

    qualify row_number() over (
        partition by security_id, period_end_date
        order by list_position({{ var('holdings_vendors') }}, vendor)
    ) = 1

),

split_factors as (

    select * from {{ ref('int_split_factors') }}

),

unsplit as (

    select
        holdings.security_id,
        holdings.period_end_date,
        holdings.known_at,
        holdings.shares_held / coalesce(split_factors.split_factor, 1) as shares_held_unsplit

    from holdings

    {{ as_of_join('holdings', 'split_factors', left_at='period_end_date', right_at='split_date') }}

),

-- every quarter is known so many days after its end: in order of quarters is in order of time
compared as (

    select
        *,
        lag(period_end_date) over by_quarter as previous_period_end_date,
        lag(shares_held_unsplit) over by_quarter as previous_shares_held_unsplit

    from unsplit

    window by_quarter as (partition by security_id order by period_end_date)

),

{{ states_between_splits('compared') }}

select
    ---------- keys
    security_id,
    effective_at,

    ---------- point in time
    known_at,

    ---------- what it describes
    period_end_date,
    previous_period_end_date,

    ---------- positions, every split undone
    shares_held_unsplit,
    previous_shares_held_unsplit,

    ---------- unit of the moment
    share_multiplier

from in_units

order by security_id, effective_at
