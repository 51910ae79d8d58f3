{#- The total return of a session over the one before, in a relation that has row_in_run and close_total_return and is
    stored by security_id and as_of_date. NULL on the first row of a run, so windows of returns gate themselves. -#}
{% macro total_return() -%}
    case when row_in_run > 1 then close_total_return / lag(close_total_return) over () - 1 end
{%- endmacro %}
