{#- The first moment at which a row that carries only a date could be used (var date_only_known). End of day is the last
    microsecond of the date in UTC, later than every close of that date, so that a decision of the same date misses it. -#}
{% macro known_at(date_expression) -%}
    {%- if setting('date_only_known') == 'end_of_day' -%}
    ({{ date_expression }})::timestamp + interval '1 day' - interval '1 microsecond'
    {%- elif setting('date_only_known') == 'start_of_day' -%}
    ({{ date_expression }})::timestamp
    {%- else -%}
    {{ exceptions.raise_compiler_error("var date_only_known must be end_of_day or start_of_day, got '" ~ setting('date_only_known') ~ "'. Correct it in dbt_project.yml or unset KAIROS__DATE_ONLY_KNOWN.") }}
    {%- endif -%}
{%- endmacro %}
