{#- Holdings of institutions per quarter that passed every check. When they came out is assumed and flagged.
    Grain: one row per ticker and quarter's end. Source: sharadar SF3A. -#}

with

checked as (

    select * from {{ ref('stg_sharadar__checked_institutional_holdings') }}

)

select
    ---------- keys
    ticker,
    period_end_date,

    ---------- point in time
    known_at,
    true as is_known_at_assumed,

    ---------- origin
    dataset,
    file,

    ---------- positions in the share itself, without options, debt and funds
    holders,
    shares_held,
    value_usd

from checked

where reason is null
