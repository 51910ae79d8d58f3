{#- The value of a var, or of KAIROS__<VAR> in the environment, which overrides it for one run; an empty one is not set.
    Example: setting('fill') is next_close, or next_open under KAIROS__FILL=next_open. -#}
{% macro setting(name) -%}
    {{ return(env_var('KAIROS__' ~ name | upper, '') | string | trim or var(name) | string) }}
{%- endmacro %}
