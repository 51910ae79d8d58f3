{#- Conditions that a number among some columns is none of any market, though it is finite: what is made of it would no
    longer fit the exact decimals of sums, or the 32 bits in which estimators hold a feature. NULL and 0 are in scale.
    Examples: is_too_large(['revenue', 'equity']), is_too_small(['revenue', 'equity']) -#}
{% macro is_too_large(columns, limit='1e18') -%}
    coalesce(greatest(
        {%- for column in columns %}
        abs({{ column }}::double){{ ',' if not loop.last }}
        {%- endfor %}
    ) > {{ limit }}, false)
{%- endmacro %}
{% macro is_too_small(columns, limit='1e-9') -%}
    coalesce(least(
        {%- for column in columns %}
        abs(nullif({{ column }}::double, 0)){{ ',' if not loop.last }}
        {%- endfor %}
    ) < {{ limit }}, false)
{%- endmacro %}
