{#- Spells of membership in the S&P 500 under the index keeper's tickers. Both ends carry only a date: each is known at
    its end (var date_only_known); end_known_at is NULL while the spell lasts.
    Grain: one row per ticker and start of a spell. Source: sp500 membership. -#}

with

checked as (

    select * from {{ ref('stg_sp500__checked_memberships') }}

)

select
    ---------- keys
    ticker,
    start_date,

    ---------- point in time
    {{ known_at('start_date') }} as known_at,
    {{ known_at('end_date') }} as end_known_at,

    ---------- origin
    dataset,
    file,

    ---------- last day of membership, NULL for present members
    end_date

from checked

where reason is null
