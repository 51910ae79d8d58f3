{#- Returns neighbours in storage that are not in strictly ascending order of the columns: windows over () stream over
    this order, and joins or unsorted copies lose it. Equal keys are returned too, and rows with NULL in one of the columns
    not_null: one node for all, because each costs dbt as much as a small model. -#}
{% test stored_in_order(model, columns, not_null=[]) %}

with

neighbours as (

    select
        {%- for column in columns %}
        {{ column }},
        lag({{ column }}) over () as {{ column }}__before,
        {%- endfor %}
        {%- for column in not_null if column not in columns %}
        {{ column }},
        {%- endfor %}
        row_number() over () as place

    from {{ model }}

)

select *

from neighbours

where
    {{ columns[0] }}__before is not null
    and not (
        {%- for column in columns %}
        {{ 'or ' if not loop.first }}(
            {%- for earlier in columns[:loop.index0] %}{{ earlier }}__before = {{ earlier }} and {% endfor -%}
            {{ column }}__before < {{ column }})
        {%- endfor %}
    )
    {%- for column in not_null %}
    or {{ column }} is null
    {%- endfor %}

{% endtest %}
