{#- Returns each of the columns with a value below at_least, above at_most, infinite or NaN, with counts and extremes; one
    pass for all columns. NULL passes; leave a bound out for none. exclusive: the bounds themselves are refused too. -#}
{% test within_range(model, columns, at_least=none, at_most=none, exclusive=false) %}

with

counts as (

    select
        {%- for column in columns %}
        count(*) filter (
            where not isfinite({{ column }}::double)
            {%- if at_least is not none %}
            or {{ column }} {{ '<=' if exclusive else '<' }} {{ at_least }}
            {%- endif %}
            {%- if at_most is not none %}
            or {{ column }} {{ '>=' if exclusive else '>' }} {{ at_most }}
            {%- endif %}
        ) as {{ column }},
        min({{ column }})::double as {{ column }}__smallest,
        max({{ column }})::double as {{ column }}__largest{{ ',' if not loop.last }}
        {%- endfor %}

    from {{ model }}

),

by_column as (
{% for column in columns %}
    select
        '{{ column }}' as column_name,
        {{ column }} as bad_rows,
        {{ column }}__smallest as smallest,
        {{ column }}__largest as largest

    from counts
    {{ 'union all' if not loop.last }}
{% endfor %}
)

select *

from by_column

where bad_rows > 0

{% endtest %}
