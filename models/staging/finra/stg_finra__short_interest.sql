{#- Short positions that passed every check. When they came out is assumed and flagged.
    Grain: one row per ticker and settlement date. Source: finra short_interest. -#}

with

checked as (

    select * from {{ ref('stg_finra__checked_short_interest') }}

)

select
    ---------- keys
    ticker,
    settlement_date,

    ---------- point in time
    known_at,
    true as is_known_at_assumed,
    is_restated_value,

    ---------- origin
    dataset,
    file,

    ---------- positions; the vendor delivers no float
    shares_short,
    null::double as float_shares,
    average_daily_volume_shares,
    days_to_cover

from checked

where reason is null
