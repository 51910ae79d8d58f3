{#- Sums of a run's rows so far that fade with age, over storage order: EMA and Wilder averages without recursion.

    decayed_sums(base, series) writes CTEs from the CTE `base` to `<base>_decayed`, which has all columns of base and, for
    every x of the mapping series with decay g:  x_decayed(t) = x(t) + g x(t-1) + g^2 x(t-2) + ...  over the rows of t's run.
    It doubles: S2(t) = S1(t) + g S1(t-1), S4(t) = S2(t) + g^2 S2(t-2), ... and stops where what is left weighs less than
    1e-16: after 512 terms for Wilder's 13/14. The same rows are always added in the same way, whatever else the table
    holds. base carries row_in_run and no NULL in x, and is stored in (security_id, as_of_date) order.
    An EMA of n is the sum with decay 1 - 2/(n+1) of terms x 2/(n+1), the run's first row in full: ema_term(x, n).
    Wilder's average of n starts as the mean of the first n terms: terms times wilder_weight(n, first). Those of the seed
    weigh what has faded to 1/n each when the average begins.
    Example: {{ "{{ decayed_sums('terms', {'ema_12': 11 / 13, 'gain': 13 / 14}) }}" }} -#}
{% macro decayed_sums(base, series) -%}
    {%- set state = {} -%}
    {%- for x, g in series.items() -%}{%- do state.update({x: {'column': x, 'g': g}}) -%}{%- endfor -%}
    {%- set ns = namespace(from=base, k=1, columns=[], left=1) -%}
    {%- for _ in range(11) if ns.left -%}
        {%- set ns.columns = [] -%}
        {%- set ns.left = 0 -%}
        {%- for x, s in state.items() if s.g -%}
            {%- set g = s.g -%}
            {%- do s.update({'g': g * g if g * g >= 1e-16 else none}) -%}
            {%- set ns.left = ns.left + (1 if s.g else 0) -%}
            {%- set to = x ~ ('__' ~ 2 * ns.k if s.g else '_decayed') -%}
            {%- do ns.columns.append(
                s.column ~ ' + lag(' ~ s.column ~ ', ' ~ ns.k ~ ', 0.0) over () * case when row_in_run > ' ~ ns.k
                ~ ' then ' ~ '%.17e' % g ~ ' else 0 end as ' ~ to
            ) -%}
            {%- do s.update({'column': to}) -%}
        {%- endfor -%}
        {%- set to = base ~ ('_' ~ 2 * ns.k if ns.left else '_decayed') %}
{{ to }} as (

    select
        *,
        {{ ns.columns | join(',\n        ') }}
    from {{ ns.from }}

),
        {%- set ns.from = to -%}
        {%- set ns.k = 2 * ns.k -%}
    {%- endfor -%}
{%- endmacro %}

{% macro ema_term(x, n) -%}
    {{ x }} * case when row_in_run = 1 then 1 else {{ '%.17e' % (2 / (n + 1)) }} end
{%- endmacro %}

{% macro wilder_weight(n, first) -%}
    case
        when row_in_run >= {{ first + n - 1 }} then {{ '%.17e' % (1 / n) }}
        when row_in_run >= {{ first }}
            then {{ '%.17e' % (1 / n) }} * pow({{ '%.17e' % (n / (n - 1)) }}, {{ first + n - 1 }} - row_in_run)
        else 0
    end
{%- endmacro %}
