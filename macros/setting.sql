{#- The value of a var, or of KAIROS__<VAR> in the environment, which overrides it for one run; an empty one is not set.
    Unit tests test code and not somebody's configuration: they see the vars alone, or what they override as vars.
    Example: setting('fill') is next_close, or next_open under KAIROS__FILL=next_open. -#}
{% macro setting(name) -%}
    {%- set is_unit_test = model is defined and model.resource_type == 'unit_test' -%}
    {%- set given = '' if is_unit_test else env_var('KAIROS__' ~ name | upper, '') | string | trim -%}
    {{ return(given or var(name) | string) }}
{%- endmacro %}
