{#- Returns rows of seeds/universes.csv that no security can ever meet because of how they are written: an index that no
    vendor of var index_vendors keeps, a type that int_spells does not give. -#}

{%- set types = ['common', 'etf', 'index', 'other'] %}

select
    universe,
    kind,
    value,
    case kind
        when 'index' then 'no vendor of var index_vendors'
        else 'no security_type; those there are: {{ types | join(", ") }}'
    end as finding

from {{ ref('universes') }}

where
    case kind
        when 'index' then not list_contains({{ var('index_vendors') }}, value)
        when 'type' then not list_contains({{ types }}, value)
        else false
    end
