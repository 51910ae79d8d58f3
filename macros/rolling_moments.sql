{#- Rolling sums, squared and co-deviations over storage order, without cancellation.

    rolling_moments(base, series, windows, pairs=[], sums=[], about_zero=false) writes CTEs from the CTE `base` to
    `<base>_moments`, which has all columns of base and, for every window n in windows:
        sum_<x>_<n>         sum of x over the n rows ending at the row             x in series and in sums
        m2_<x>_<n>          sum of (x - mean x)^2 over the same rows               x in series
        m2_<x>_<y>_<n>      sum of (x - mean x)(y - mean y) over the same rows     [x, y] in pairs
    The window of a + b rows joins the a rows ending at the row with the b rows ending a rows earlier (Chan, Golub and
    LeVeque 1979):
        sum = sum_a + sum_b        m2 = m2_a + m2_b + (b sum_a - a sum_b)^2 / (ab(a + b))        m2 of a pair alike.
    Windows ascend; each is doubled and added up from the longest earlier window that divides it: 21 = 1 2 4 5 10 20 21,
    then 63 = 3 x 21 and 252 = 4 x 63 cost two steps each. The same n rows are always joined in the same way, whatever
    else the table holds. The relation must be stored in (security_id, as_of_date) order; a NULL in the window gives NULL;
    gate by row_in_run. Offsets stay below 2,048.

    about_zero: the means of the series are small against their deviations, as those of daily returns are. Then products
    are added up and the means taken out once at the end, at half the arithmetic: m2 = sum(x y) - sum x sum y / n. What
    cancels is the share of the mean in the mean square, 1e-15 of m2 for returns. A series whose deviation is below a
    millionth of its mean is constant: its m2 is 0. On the way a NULL is NaN, which goes through sums and products as NULL
    does, without a mask that every lag has to copy row by row.
    Example: {{ "{{ rolling_moments('returns', ['r', 'm'], [21, 63], pairs=[['r', 'm']], about_zero=true) }}" }} -#}
{% macro rolling_moments(base, series, windows, pairs=[], sums=[], about_zero=false) -%}
    {#- the steps {n: [a, b]}: the newest a of n = a + b rows, joined by the b rows before them -#}
    {%- set steps = {} -%}
    {%- set ns = namespace(from=base) -%}
    {%- for window in windows -%}
        {%- set ns.unit = 1 -%}
        {%- for earlier in windows if earlier < window and window % earlier == 0 -%}
            {%- set ns.unit = earlier -%}
        {%- endfor -%}
        {%- set ns.at = ns.unit -%}
        {%- for digit in '{0:b}'.format(window // ns.unit)[1:] -%}
            {%- do steps.setdefault(2 * ns.at, [ns.at, ns.at]) -%}
            {%- set ns.at = 2 * ns.at -%}
            {%- if digit == '1' -%}
                {%- do steps.setdefault(ns.at + ns.unit, [ns.at, ns.unit]) -%}
                {%- set ns.at = ns.at + ns.unit -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}

    {%- set moments = [] -%}
    {%- for x in series -%}{%- do moments.append((x, x, x)) -%}{%- endfor -%}
    {%- for x, y in pairs -%}{%- do moments.append((x ~ '_' ~ y, x, y)) -%}{%- endfor -%}

    {%- set products = [] -%}
    {%- if about_zero %}
{{ base }}_products as (

    select
        *,
        {%- for x in series %}
        coalesce({{ x }}, 'nan'::double) as number_{{ x }},
        {%- endfor %}
        {%- for name, x, y in moments %}
        {%- do products.append('product_' ~ name) %}
        number_{{ x }} * number_{{ y }} as product_{{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ base }}

),
        {%- set ns.from = base ~ '_products' -%}
    {%- endif -%}

    {%- for n, (a, b) in steps.items() -%}
        {%- set to = base ~ ('_moments' if loop.last and not about_zero else '_' ~ n) -%}
        {%- set ns.gap = {} -%}
        {%- set ns.columns = [] -%}
        {%- for x in series + sums + products -%}
            {%- set number = 'number_' ~ x if about_zero and x in series else x -%}
            {%- set newer = number if a == 1 else 'sum_' ~ x ~ '_' ~ a -%}
            {%- set older = 'lag(' ~ (number if b == 1 else 'sum_' ~ x ~ '_' ~ b) ~ ', ' ~ a ~ ') over ()' -%}
            {%- do ns.columns.append(newer ~ ' + ' ~ older ~ ' as sum_' ~ x ~ '_' ~ n) -%}
            {%- if a == b -%}
                {%- do ns.gap.update({x: '(' ~ newer ~ ' - ' ~ older ~ ')'}) -%}
            {%- else -%}
                {%- do ns.gap.update({x: '(' ~ (b ~ ' * ' if b > 1) ~ newer ~ ' - ' ~ a ~ ' * ' ~ older ~ ')'}) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- for name, x, y in moments if not about_zero -%}
            {%- set between = ns.gap[x] ~ ' * ' ~ ns.gap[y] ~ ' / ' ~ (2 * a if a == b else a * b * (a + b)) -%}
            {%- set newer = '' if a == 1 else 'm2_' ~ name ~ '_' ~ a ~ ' + ' -%}
            {%- set older = '' if b == 1 else 'lag(m2_' ~ name ~ '_' ~ b ~ ', ' ~ a ~ ') over () + ' -%}
            {%- do ns.columns.append(newer ~ older ~ between ~ ' as m2_' ~ name ~ '_' ~ n) -%}
        {%- endfor %}
{{ to }} as (

    select
        *,
        {{ ns.columns | join(',\n        ') }}
    from {{ ns.from }}

),
        {%- set ns.from = to -%}
    {%- endfor -%}

    {%- if about_zero %}
{{ base }}_centred as (

    select
        *,
        {%- for n in windows %}
        {%- set is_last = loop.last %}
        {%- for name, x, y in moments %}
        sum_product_{{ name }}_{{ n }} - sum_{{ x }}_{{ n }} * sum_{{ y }}_{{ n }} / {{ n }} as m2_{{ name }}_{{ n }}
        {{- ',' if not (is_last and loop.last) }}
        {%- endfor %}
        {%- endfor %}
    from {{ ns.from }}

),

{{ base }}_moments as (

    select
        * replace (
            {%- for n in windows %}
            {%- set is_last = loop.last %}
            {%- for x in series %}
            nullif(sum_{{ x }}_{{ n }}, 'nan'::double) as sum_{{ x }}_{{ n }},
            {%- endfor %}
            {%- for name, x, y in moments %}
            {%- set m2 = 'm2_' ~ name ~ '_' ~ n %}
            {%- if x == y %}
            case
                when {{ m2 }} > 1e-12::double * sum_product_{{ name }}_{{ n }} then {{ m2 }}
                when {{ m2 }} != 'nan'::double then 0
            end
            {%- else %}
            nullif({{ m2 }}, 'nan'::double)
            {%- endif %} as {{ m2 }}{{ ',' if not (is_last and loop.last) }}
            {%- endfor %}
            {%- endfor %}
        )
    from {{ base }}_centred

),
    {%- endif -%}
{%- endmacro %}
