{#- Rolling maxima and minima over storage order by doubling: two windows of k rows that overlap cover any window between k
    and 2k.

    rolling_extremes(base, windows, highest=[], lowest=[]) writes CTEs from the CTE `base` to `<base>_extremes`, which has all
    columns of base and, for every window n in windows, ascending:
        max_<x>_<n>  for x in highest          min_<x>_<n>  for x in lowest
    The relation must be stored in (security_id, as_of_date) order; gate by row_in_run. Offsets stay below 2,048.
    Example: {{ "{{ rolling_extremes('bars', [14, 252], highest=['high'], lowest=['low']) }}" }} -#}
{% macro rolling_extremes(base, windows, highest=[], lowest=[]) -%}
    {%- set steps = {} -%}
    {%- set ns = namespace(from=base, at=1) -%}
    {%- for window in windows -%}
        {%- for _ in range(11) if 2 * ns.at <= window -%}
            {%- set ns.at = 2 * ns.at -%}
            {%- do steps.update({ns.at: ns.at // 2}) -%}
        {%- endfor -%}
        {%- do steps.update({window: ns.at}) if window not in steps -%}
    {%- endfor -%}
    {%- for n, k in steps.items() -%}
        {%- set to = base ~ ('_extremes' if loop.last else '_' ~ n) %}
{{ to }} as (

    select
        *,
        {%- for kind, word, columns in [('max', 'greatest', highest), ('min', 'least', lowest)] -%}
        {%- for x in columns %}
        {%- set narrow = x if k == 1 else kind ~ '_' ~ x ~ '_' ~ k %}
        {{ word }}({{ narrow }}, lag({{ narrow }}, {{ n - k }}) over ()) as {{ kind }}_{{ x }}_{{ n }},
        {%- endfor -%}
        {%- endfor %}
    from {{ ns.from }}

),
        {%- set ns.from = to -%}
    {%- endfor -%}
{%- endmacro %}
