{#- Returns each of the columns that holds NULL, with the number of such rows; one pass for all columns. -#}
{% test not_null_columns(model, columns) %}

with

counts as (

    select
        {%- for column in columns %}
        count(*) - count({{ column }}) as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}

    from {{ model }}

),

by_column as (
{% for column in columns %}
    select
        '{{ column }}' as column_name,
        {{ column }} as null_rows

    from counts
    {{ 'union all' if not loop.last }}
{% endfor %}
)

select *

from by_column

where null_rows > 0

{% endtest %}
