{#- Daily bars of shares and funds that passed every check, known at their session's close. close_unadjusted is the
    close as traded, delivered beside the adjusted one; NULL where the file has none.
    Grain: one row per ticker and session. Source: sharadar SEP, SFP. -#}

with

checked as (

    select * from {{ ref('stg_sharadar__checked_prices') }}

)

select
    ---------- keys; the ticker is the one by which the vendor's files of today call the security, whatever the date
    ticker,
    session_date,

    ---------- point in time
    known_at,

    ---------- origin: the split basis is a property of the dataset
    dataset,
    file,

    ---------- prices: split-adjusted; adjusted for splits, dividends and spin-offs; as traded
    open,
    high,
    low,
    close,
    close_total_return,
    close_unadjusted,
    volume_shares

from checked

where reason is null
