{#- Corporate actions that passed every check, known at the end of their date.
    Grain: one row per ticker, date, action, counterpart and value. Source: sharadar ACTIONS. -#}

with

checked as (

    select * from {{ ref('stg_sharadar__checked_actions') }}

)

select
    ---------- keys
    ticker,
    action_date,
    action,
    contra_ticker,

    ---------- point in time
    {{ known_at('action_date') }} as known_at,

    ---------- origin
    dataset,
    file,

    ---------- new shares per old one, shares per share, USD per share or USD, as the action has it
    action_value

from checked

where reason is null
