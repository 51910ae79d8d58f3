{#- The value of a var that is a day of the committed calendar. Anything else stops the run: before the calendar begins
    nothing could be counted from it, and every table of folds would be empty without a word.
    Example: setting_date('folds_start_date') is 2013-01-01. -#}
{% macro setting_date(name) -%}
    {%- set text = setting(name) -%}
    {%- set parts = text.split('-') -%}
    {%- set is_plain = text | length == 10 and parts | map('length') | list == [4, 2, 2] and parts | join('') | int(-1) >= 0 -%}
    {%- set last_days = {2: 29 if parts[0] | int % 4 == 0 else 28, 4: 30, 6: 30, 9: 30, 11: 30} -%}
    {%- if not (
        is_plain and '1990-01-01' <= text <= '2035-12-31'
        and 1 <= parts[1] | int <= 12 and 1 <= parts[2] | int <= last_days.get(parts[1] | int, 31)
    ) -%}
        {{ exceptions.raise_compiler_error("var " ~ name ~ " must be a date from 1990-01-01 to 2035-12-31, the days of seeds/sessions.csv, as YYYY-MM-DD, got '" ~ text ~ "'. Correct it in dbt_project.yml or unset KAIROS__" ~ name | upper ~ ".") }}
    {%- endif -%}
    {{ return(text) }}
{%- endmacro %}
