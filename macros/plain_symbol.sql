{#- A ticker in the one spelling in which vendors are compared: capitals, share classes after a dash (BRK.B, BRK/B and
    BRK B are BRK-B). Example: plain_symbol("'brk.b'") is 'BRK-B'. -#}
{% macro plain_symbol(expression) -%}
    upper(regexp_replace(trim({{ expression }}), '[./ ]', '-', 'g'))
{%- endmacro %}
