{#- Splits as they showed in the archives.
    Grain: one row per ticker and date. Source: pystock prices. -#}

select
    ---------- keys
    ticker,
    session_date as split_date,

    ---------- new shares per old one
    factor,
    false as is_spin_off

from {{ ref('stg_pystock__price_factors') }}

where is_split
