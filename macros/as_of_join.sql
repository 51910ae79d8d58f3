{#- The one spelling of a point-in-time join: for each left row the newest right row known at the moment of decision.
    The right side must be unique on (keys, known_at); nothing but equality keys and this one inequality may stand in ON
    (DuckDB has returned wrong rows otherwise). Always follow it with the staleness rule.
    Example: from prices {{ "{{ as_of_join('prices', 'events') }}" }} -#}
{% macro as_of_join(left_cte, right_cte, keys=['security_id'], left_at='decided_at', right_at='known_at') -%}
    asof left join {{ right_cte }}
        on {% for key in keys %}{{ left_cte }}.{{ key }} = {{ right_cte }}.{{ key }}
        and {% endfor %}{{ left_cte }}.{{ left_at }} >= {{ right_cte }}.{{ right_at }}
{%- endmacro %}
