{#- The value of a var, or of KAIROS__<VAR> in the environment, which overrides it for one run.
    Example: setting('min_cross_section') is 20, or 30 under KAIROS__MIN_CROSS_SECTION=30. -#}
{% macro setting(name) -%}
    {{ return(env_var('KAIROS__' ~ name | upper, var(name) | string)) }}
{%- endmacro %}
