{#- History of sectors: what a security was called from a date on, known at the end of that date.
    Grain: one row per ticker and valid_from. Source: sharadar SECTORS. -#}

with

checked as (

    select * from {{ ref('stg_sharadar__checked_sectors') }}

)

select
    ---------- keys
    ticker,
    valid_from,

    ---------- point in time
    {{ known_at('valid_from') }} as known_at,
    false as is_snapshot,

    ---------- sector
    sector,
    industry

from checked

where reason is null
