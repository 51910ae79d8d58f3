{#- Returns sectors of seeds/universes.csv that are neither one of var sector_flags nor in this market. A warning and no
    failure: another market's vendor may call them so. -#}

{{ config(severity='warn') }}

select
    universe,
    value as sector,
    'no security of this market is ever in it, or it is spelt in another way' as finding

from {{ ref('universes') }}

where
    kind = 'sector'
    and not list_contains({{ var('sector_flags').values() | list }}, value)
    and value not in (
        select sector from {{ ref('int_sectors') }}
        where sector is not null
    )
