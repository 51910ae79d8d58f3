{#- 63-bit key of a security, positive and never 0 (0 is cash): from the vendor's permanent id, or ticker and spell. -#}
{% macro security_key(expression) -%}
    ((md5_number_lower({{ expression }}) >> 1)::bigint | 1)
{%- endmacro %}
