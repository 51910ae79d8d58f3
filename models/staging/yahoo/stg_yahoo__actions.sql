{#- Dividends and splits that passed every check. A row is known at the end of its ex-date.
    Grain: one row per ticker and ex-date. Source: yahoo actions*. -#}

with

checked as (

    select * from {{ ref('stg_yahoo__checked_actions') }}

)

select
    ---------- keys
    ticker,
    action_date,

    ---------- point in time
    {{ known_at('action_date') }} as known_at,

    ---------- origin
    dataset,
    file,

    ---------- what happened; 0 for nothing
    dividend_usd,
    split_factor

from checked

where reason is null
