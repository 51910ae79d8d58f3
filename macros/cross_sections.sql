{#- Transforms of columns over the cross-section of a date, NULLs left out. base holds the date's universe and nothing else:
    a row that is not of it would count. Sums are exact decimals, so no bit depends on the order of rows or on another date.
    by: the columns of the cross-section, default as_of_date.

    standardised(base, columns, by, low, high) writes CTEs from the CTE `base` to `<base>_standardised`: the columns by,
    security_id and, for every x in columns,
        <x>_winsorised   x brought to the quantiles low and high of its cross-section (linear between values, as
                         quantile_cont); low and high are columns of base that are the same in the whole cross-section.
                         Without them x itself
        <x>_z            (x - mean) / sample standard deviation of <x>_winsorised; 0 where that is 0, NULL for one value
    Values are brought to [0, 1] by the ends of the cross-section before they are summed: no unit costs precision.

    percentile_ranks(base, columns, by) writes `<base>_ranked`: all columns of base and <x>_rank = (average rank - 1) / (n - 1)
    of the n values, 0.5 where n = 1. A sort per column: more than one or two are ranked in Python (kairos/ensembles.py).

    neutralised(base, columns, group, by) writes `<base>_neutralised`: all columns of base, of which each x has lost the mean
    of its group; groups with fewer than 5 values are left alone. x is bounded (a z, a rank): its mean is exact to 1e-15.

    Example: {{ "{{ standardised('members', ['net_count', 'net_value']) }}" }} -#}
{% macro standardised(base, columns, by=['as_of_date'], low=none, high=none) -%}
{%- if low is not none %}
{{ base }}_ordered as (

    select
        {{ by | join(', ') }},
        any_value({{ low }}) as low,
        any_value({{ high }}) as high,
        {%- for x in columns %}
        list_sort(list({{ x }}) filter (where {{ x }} is not null)) as {{ x }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ base }}
    group by {{ by | join(', ') }}

),

{% endif -%}
{{ base }}_limits as (

    select
        {{ by | join(', ') }},
        {%- for x in columns %}
        {%- for end, share in [('low', low), ('high', high)] %}
        {%- if low is none %}
        {{ {'low': 'min', 'high': 'max'}[end] }}({{ x }}) as {{ x }}__{{ end }},
        {%- else %}
        {#- quantile_cont by hand: it takes constant positions only, and these are columns #}
        {%- set position = end ~ ' * (len(' ~ x ~ ') - 1)' %}
        {%- set below = x ~ '[floor(' ~ position ~ ')::integer + 1]' %}
        {%- set above = x ~ '[ceil(' ~ position ~ ')::integer + 1]' %}
        {{ below }} + ({{ above }} - {{ below }}) * ({{ position }} - floor({{ position }})) as {{ x }}__{{ end }},
        {%- endif %}
        {%- endfor %}
        {%- endfor %}
    from {{ base }}{{ '_ordered' if low is not none }}
    {{ 'group by ' ~ by | join(', ') if low is none }}

),

{{ base }}_units as (

    select
        {%- for key in by %}
        {{ base }}.{{ key }},
        {%- endfor %}
        {{ base }}.security_id,
        {%- for x in columns %}
        {%- if low is none %}
        {{ base }}.{{ x }} as {{ x }}_winsorised,
        {%- else %}
        case
            when {{ base }}.{{ x }} is not null
                then least(greatest({{ base }}.{{ x }}, limits.{{ x }}__low), limits.{{ x }}__high)
        end as {{ x }}_winsorised,
        {%- endif %}
        case
            when limits.{{ x }}__high > limits.{{ x }}__low
                then ({{ x }}_winsorised - limits.{{ x }}__low) / (limits.{{ x }}__high - limits.{{ x }}__low)
            when {{ x }}_winsorised is not null then 0
        end as {{ x }}__unit{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ base }}
    inner join {{ base }}_limits as limits
        on
            {%- for key in by %}
            {{ 'and ' if not loop.first }}{{ base }}.{{ key }} = limits.{{ key }}
            {%- endfor %}

),

{{ base }}_sums as (

    select
        {{ by | join(', ') }},
        {%- for x in columns %}
        count({{ x }}__unit) as {{ x }}__names,
        sum({{ x }}__unit::decimal(18, 15))::double as {{ x }}__sum,
        sum(({{ x }}__unit * {{ x }}__unit)::decimal(18, 15))::double as {{ x }}__square_sum{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ base }}_units
    group by {{ by | join(', ') }}

),

{{ base }}_moments as (

    select
        {{ by | join(', ') }},
        {%- for x in columns %}
        {{ x }}__sum / {{ x }}__names as {{ x }}__mean,
        sqrt(
            greatest({{ x }}__square_sum - {{ x }}__sum * ({{ x }}__sum / {{ x }}__names), 0)
            / nullif({{ x }}__names - 1, 0)
        ) as {{ x }}__deviation{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ base }}_sums

),

{{ base }}_standardised as (

    select
        {%- for key in by %}
        units.{{ key }},
        {%- endfor %}
        units.security_id,
        {%- for x in columns %}
        units.{{ x }}_winsorised,
        case
            when moments.{{ x }}__deviation > 0
                then (units.{{ x }}__unit - moments.{{ x }}__mean) / moments.{{ x }}__deviation
            when moments.{{ x }}__deviation = 0 and units.{{ x }}__unit is not null then 0
        end as {{ x }}_z{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ base }}_units as units
    inner join {{ base }}_moments as moments
        on
            {%- for key in by %}
            {{ 'and ' if not loop.first }}units.{{ key }} = moments.{{ key }}
            {%- endfor %}

),
{%- endmacro %}

{% macro percentile_ranks(base, columns, by=['as_of_date']) -%}
{{ base }}_ranked as (

    select
        *,
        {%- for x in columns %}
        -- ties share the mean of their ranks: the first is one more than the names below, the last counts the peers too
        case
            when {{ x }} is null then null
            when count({{ x }}) over all_by_{{ x }} = 1 then 0.5
            else (rank() over by_{{ x }} + count(*) over by_{{ x }} - 2) / (2 * (count({{ x }}) over all_by_{{ x }} - 1))
        end as {{ x }}_rank{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ base }}

    window
        {%- for x in columns %}
        by_{{ x }} as (
            partition by {{ by | join(', ') }}
            order by {{ x }} asc nulls last
        ),
        all_by_{{ x }} as (
            partition by {{ by | join(', ') }}
            order by {{ x }} asc nulls last
            rows between unbounded preceding and unbounded following
        ){{ ',' if not loop.last }}
        {%- endfor %}

),
{%- endmacro %}

{% macro neutralised(base, columns, group, by=['as_of_date']) -%}
{{ base }}_groups as (

    select
        {{ by | join(', ') }},
        {{ group }},
        {%- for x in columns %}
        case
            when count({{ x }}) >= 5 then sum({{ x }}::decimal(38, 15))::double / count({{ x }}) else 0
        end as {{ x }}__mean{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ base }}
    group by {{ by | join(', ') }}, {{ group }}

),

{{ base }}_neutralised as (

    select
        {{ base }}.* replace (
            {%- for x in columns %}
            {{ base }}.{{ x }} - groups.{{ x }}__mean as {{ x }}{{ ',' if not loop.last }}
            {%- endfor %}
        )
    from {{ base }}
    inner join {{ base }}_groups as groups
        on
            {%- for key in by %}
            {{ base }}.{{ key }} = groups.{{ key }} and
            {%- endfor %}
            ({{ base }}.{{ group }} is not distinct from groups.{{ group }})

),
{%- endmacro %}
