{#- A query that returns each of the columns that holds NULL, with the number of such rows; one pass for all columns. -#}
{% macro columns_with_null(model, columns) -%}
select
    column_name,
    null_rows

from (
    select
        {%- for column in columns %}
        count(*) - count({{ column }}) as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}

    from {{ model }}
)

unpivot (null_rows for column_name in ({{ columns | join(', ') }}))

where null_rows > 0
{%- endmacro %}
