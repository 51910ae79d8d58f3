{#- The level l at which sum(least(bound, l * size)) over each group of keys is total: pouring a total into names in
    proportion to their size until a bound stops them, the rest going to the others, in the limit and without iterating.
    Names in order of bound / size fill first; l is (total - bounds before) / (sizes from here on) at the first name that
    it does not fill. NULL when every name is filled before the total is spent. Sums are exact decimals, so that the bits
    depend on the group alone; ties are broken by security_id, and the rest do not matter.

    Arguments: relation with columns security_id and those named; keys, a list of columns; size and bound, columns > 0;
    total, an expression constant within the group. Writes one select to be used as a CTE's body; adds column level.
    Example: {{ "{{ water_level('bounded', ['strategy', 'as_of_date'], 'size_weight', 'bound', '1', 'level') }}" }} -#}
{% macro water_level(relation, keys, size, bound, total, level) -%}
    select
        * exclude (fill_point, level_here),
        max(level_here) filter (where level_here <= fill_point) over (
            partition by {{ keys | join(', ') }}
        ) as {{ level }}

    from (
        select
            *,
            {{ bound }} / {{ size }} as fill_point,
            ({{ total }} - coalesce(sum({{ bound }}::decimal(38, 18)) over (
                partition by {{ keys | join(', ') }}
                order by {{ bound }} / {{ size }}, security_id
                rows between unbounded preceding and 1 preceding
            ), 0)::double) / (sum({{ size }}::decimal(38, 18)) over (
                partition by {{ keys | join(', ') }}
                order by {{ bound }} / {{ size }}, security_id
                rows between current row and unbounded following
            ))::double as level_here
        from {{ relation }}
    )
{%- endmacro %}
