{#- The mean of the columns <member>_rank by the weights <ensemble>__<member>, whose absolute values sum to 1; a negative
    weight counts the rank from the other end. NULL where members with less than <ensemble>__needed of the weight have a
    rank. The sum has one order, that of members.
    Example: {{ "{{ weighted_rank('ml_alpha_blend_long', var('blended')) }}" }} -#}
{% macro weighted_rank(ensemble, members) -%}
    case
        when (
            {%- for member in members %}
            {{ '+ ' if not loop.first }}case when {{ member }}_rank is not null then abs({{ ensemble }}__{{ member }}) else 0 end
            {%- endfor %}
        ) >= {{ ensemble }}__needed - 1e-9
            then (
                {%- for member in members %}
                {{ '+ ' if not loop.first }}coalesce(
                    {{ ensemble }}__{{ member }} * {{ member }}_rank + greatest(-{{ ensemble }}__{{ member }}, 0), 0
                )
                {%- endfor %}
            ) / (
                {%- for member in members %}
                {{ '+ ' if not loop.first }}case when {{ member }}_rank is not null then abs({{ ensemble }}__{{ member }}) else 0 end
                {%- endfor %}
            )
    end
{%- endmacro %}
