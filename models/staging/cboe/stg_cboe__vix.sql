{#- Close of the VIX index. The index closes a quarter of an hour after the stock market, so a decision at the market's
    close does not see the close of the same date.
    Grain: one row per session. Source: cboe VIX_History. -#}

with

checked as (

    select * from {{ ref('stg_cboe__checked_vix') }}

)

select
    ---------- keys
    session_date,

    ---------- point in time
    closes_at + interval '15 minutes' as known_at,

    ---------- origin
    dataset,
    file,

    ---------- level, percent a year
    vix_close

from checked

where reason is null
