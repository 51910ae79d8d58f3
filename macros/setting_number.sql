{#- The value of a var that is a number of 0 or more. Anything else stops the run: Jinja's own int makes a 0 of 'nine' and
    of '46d', and a lag of 0 would let the future in.
    Example: setting_number('min_cross_section') is 20, or 30 under KAIROS__MIN_CROSS_SECTION=30. -#}
{% macro setting_number(name, is_whole=true) -%}
    {%- set text = setting(name) -%}
    {%- set value = text | int if is_whole else text | float(none) -%}
    {%- if value is none or not value >= 0 or (is_whole and value | string != text) -%}
        {{ exceptions.raise_compiler_error("var " ~ name ~ " must be a " ~ ("whole " if is_whole else "") ~ "number of 0 or more, got '" ~ text ~ "'. Correct it in dbt_project.yml or unset KAIROS__" ~ name | upper ~ ".") }}
    {%- endif -%}
    {{ return(value) }}
{%- endmacro %}
