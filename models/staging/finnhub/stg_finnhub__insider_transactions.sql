{#- Insider transactions of the vendor that passed every check. A form carries the date of its filing and is known
    at that date's end (var date_only_known).
    Grain: one row per transaction as delivered. Source: finnhub insider_transactions. -#}

with

checked as (

    select * from {{ ref('stg_finnhub__checked_insider_transactions') }}

)

select
    ---------- keys
    ticker,
    insider,
    transaction_date,
    filing_date,

    ---------- point in time
    {{ known_at('filing_date') }} as known_at,

    ---------- origin
    dataset,
    file,
    filing_id,

    ---------- what happened
    role,
    code,
    is_acquired,
    is_derivative,
    shares,
    price_usd,
    shares_held_after

from checked

where reason is null
