{#- The vendor's own market value of each day, in USD. It is held against ours (monitoring.vendor_cross_checks) and
    never served: what it was on its day cannot be told from the file.
    Grain: one row per ticker and date. Source: sharadar DAILY. -#}

with

checked as (

    select * from {{ ref('stg_sharadar__checked_daily') }}

)

select
    ---------- keys
    ticker,
    as_of_date,

    ---------- point in time
    {{ known_at('as_of_date') }} as known_at,

    ---------- the file has millions, to one decimal
    marketcap * 1e6 as market_value_usd

from checked

where reason is null
