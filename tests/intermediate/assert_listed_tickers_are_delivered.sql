{#- Returns tickers that var member_universe lists in seeds/universes.csv and that no price file of this market has. A
    warning and no failure: a list may be made for several markets. -#}

{{ config(severity='warn') }}

select
    universe,
    value as ticker,
    'no price file has it, or it is spelt in another way' as finding

from {{ ref('universes') }}

where
    kind = 'list'
    and universe = '{{ setting("member_universe") }}'
    and {{ plain_symbol('value') }} not in (select {{ plain_symbol('ticker') }} from {{ ref('int_spells') }})
