{#- Returns neighbours in storage that are not in strictly ascending order of the columns: windows over () stream over
    this order, and joins or unsorted copies lose it. Equal keys are returned too. -#}
{% test stored_in_order(model, columns) %}

with

neighbours as (

    select
        {%- for column in columns %}
        {{ column }},
        lag({{ column }}) over () as {{ column }}__before{{ ',' if not loop.last }}
        {%- endfor %}

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

{% endtest %}
