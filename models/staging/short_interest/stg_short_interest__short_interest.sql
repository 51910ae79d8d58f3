{#- Short positions that passed every check, known since their first snapshot.
    Grain: one row per ticker, settlement date and known_at; a later row of a settlement date is a version.
    Source: short_interest short_interest. -#}

with

checked as (

    select * from {{ ref('stg_short_interest__checked_short_interest') }}

)

select
    ---------- keys
    ticker,
    settlement_date,

    ---------- point in time
    known_at,
    false as is_known_at_assumed,
    false as is_restated_value,

    ---------- origin
    dataset,
    file,

    ---------- positions; the vendor delivers no volume
    shares_short,
    float_shares,
    null::double as average_daily_volume_shares,
    null::double as days_to_cover

from checked

where reason is null
