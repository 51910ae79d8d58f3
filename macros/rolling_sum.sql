{#- Rolling sums over storage order by doubling: S2 = S1 + lag(S1, 1), S4 = S2 + lag(S2, 2), ... n in binary
    says which levels add up to a window of n, each shifted back by what is already covered. The same n numbers are
    always added in the same way, whatever else the table holds (docs/decisions/0002).

    rolling_levels(base, series, up_to) writes CTEs base_2, base_4, ... up to the largest power of two <= up_to; each
    adds columns <series>__<k>. rolling_sum(series, n) is the window of n rows ending at the row, to be used in a select
    from the last level. The relation must be stored in (security_id, as_of_date) order; gate the value by row_in_run.
    NULL in the window gives NULL. Offsets stay below 2,048. -#}
{% macro rolling_levels(base, series, up_to) -%}
    {%- set ns = namespace(k=1, from=base) -%}
    {%- for _ in range(11) if 2 * ns.k <= up_to %}
{{ base }}_{{ 2 * ns.k }} as (

    select
        *,
        {%- for s in series %}
        {{ s }}{{ '__' ~ ns.k if ns.k > 1 }} + lag({{ s }}{{ '__' ~ ns.k if ns.k > 1 }}, {{ ns.k }}) over ()
            as {{ s }}__{{ 2 * ns.k }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ns.from }}

),
    {%- set ns.from = base ~ '_' ~ (2 * ns.k) -%}
    {%- set ns.k = 2 * ns.k -%}
    {% endfor %}
{%- endmacro %}

{% macro rolling_sum(series, n) -%}
    {%- set ns = namespace(left=n, offset=0, terms=[]) -%}
    {%- for power in range(10, -1, -1) -%}
        {%- set k = 2 ** power -%}
        {%- if ns.left >= k -%}
            {%- set column = series ~ ('__' ~ k if k > 1 else '') -%}
            {%- do ns.terms.append(column if ns.offset == 0 else 'lag(' ~ column ~ ', ' ~ ns.offset ~ ') over ()') -%}
            {%- set ns.left = ns.left - k -%}
            {%- set ns.offset = ns.offset + k -%}
        {%- endif -%}
    {%- endfor -%}
    ({{ ns.terms | join(' + ') }})
{%- endmacro %}
