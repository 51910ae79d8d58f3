{#- Splits by which the vendor's adjusted prices before them are divided. The vendor names them; its spin-offs change
    the total return alone and are none.
    Grain: one row per ticker and date. Source: sharadar ACTIONS. -#}

select
    ---------- keys
    ticker,
    action_date as split_date,

    ---------- new shares per old one
    action_value as factor,
    false as is_spin_off

from {{ ref('stg_sharadar__actions') }}

where
    action = 'split'
    and action_value <> 1
