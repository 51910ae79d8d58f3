{#- Returns rows of seeds/universes.csv that no security can ever meet because of how they are written: an index that no
    vendor of var index_vendors keeps, a type that int_spells does not give, a sector that is neither one of var
    sector_flags nor a vendor's in this market. A listed ticker may be one that this market does not have. -#}

{%- set types = ['common', 'etf', 'index', 'other'] %}

select
    universe,
    kind,
    value,
    case kind
        when 'index' then 'no vendor of var index_vendors'
        when 'type' then 'no security_type; those there are: {{ types | join(", ") }}'
        else 'no sector of var sector_flags or of this market; written as the vendor writes it?'
    end as finding

from {{ ref('universes') }}

where
    case kind
        when 'index' then not list_contains({{ var('index_vendors') }}, value)
        when 'type' then not list_contains({{ types }}, value)
        when 'sector'
            then not (
                list_contains({{ var('sector_flags').values() | list }}, value)
                or value in (select sector from {{ ref('int_sectors') }})
            )
        else false
    end
