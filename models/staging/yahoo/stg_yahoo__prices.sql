{#- Daily bars that passed every check, known at their session's close.
    Grain: one row per ticker and session. Source: yahoo prices*. -#}

with

checked as (

    select * from {{ ref('stg_yahoo__checked_prices') }}

)

select
    ---------- keys
    ticker,
    session_date,

    ---------- point in time
    known_at,

    ---------- origin: the split basis is a property of the dataset
    dataset,
    file,

    ---------- prices on the dataset's split basis
    open,
    high,
    low,
    close,
    close_total_return,
    volume_shares

from checked

where reason is null
