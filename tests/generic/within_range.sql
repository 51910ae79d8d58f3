{#- Returns each of the columns with a value below at_least, above at_most, infinite or NaN, with its extremes. NULL passes;
    leave a bound out for none. exclusive: the bounds themselves are refused too. The extremes alone say it (NaN sorts above
    every number): counting bad rows too costs six times as much on a wide table. -#}
{% test within_range(model, columns, at_least=none, at_most=none, exclusive=false) %}

with

extremes as (

    select
        {%- for column in columns %}
        min({{ column }})::double as {{ column }}__smallest,
        max({{ column }})::double as {{ column }}__largest{{ ',' if not loop.last }}
        {%- endfor %}

    from {{ model }}

),

by_column as (
{% for column in columns %}
    select
        '{{ column }}' as column_name,
        {{ column }}__smallest as smallest,
        {{ column }}__largest as largest

    from extremes
    {{ 'union all' if not loop.last }}
{% endfor %}
)

select *

from by_column

where
    not isfinite(smallest)
    or not isfinite(largest)
    {%- if at_least is not none %}
    or smallest {{ '<=' if exclusive else '<' }} {{ at_least }}
    {%- endif %}
    {%- if at_most is not none %}
    or largest {{ '>=' if exclusive else '>' }} {{ at_most }}
    {%- endif %}

{% endtest %}
