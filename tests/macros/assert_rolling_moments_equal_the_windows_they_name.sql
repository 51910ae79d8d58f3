-- Returns rows when a sum, a squared deviation or a co-deviation of rolling_moments is not that of exactly the n rows
-- ending at the row, joined without cancellation or added up as products of series about zero. The windows are built in
-- every way there is: from 1, from an earlier window, and from 1 past one that does not divide. y and u have a NULL on
-- row 150, which every window that holds it must inherit; x has none. c stands still for the first 300 rows.
{%- set windows = [5, 21, 63, 252] %}
{%- set calls = {'numbers': ['x', 'y'], 'small_numbers': ['c', 'u']} %}

with

numbers as (

    select
        i,
        sin(i * i)::double as x,
        case when i != 150 then cos(i * 1.7)::double + 100 end as y,
        sqrt(i)::double as z

    from range(1, 501) as r (i)

),

small_numbers as (

    select
        i,
        case when i > 300 then x / 50 else 0.0123456789::double end as c,
        (y - 100) / 50 + 0.001 as u,
        z

    from numbers

),

{{ rolling_moments('numbers', calls.numbers, windows, pairs=[calls.numbers], sums=['z']) }}

{{ rolling_moments('small_numbers', calls.small_numbers, windows, pairs=[calls.small_numbers], sums=['z'],
    about_zero=true) }}

{%- for base, (x, y) in calls.items() %}

compared_{{ base }} as (

    select
        i,
        {%- for n in windows %}
        sum_{{ x }}_{{ n }} as got_{{ n }}_sum,
        sum_z_{{ n }} as got_{{ n }}_sum_alone,
        m2_{{ x }}_{{ n }} as got_{{ n }}_xx,
        m2_{{ y }}_{{ n }} as got_{{ n }}_yy,
        m2_{{ x }}_{{ y }}_{{ n }} as got_{{ n }}_xy,
        case when i >= {{ n }} then sum({{ x }}) over w_{{ n }} end as want_{{ n }}_sum,
        case when i >= {{ n }} then sum(z) over w_{{ n }} end as want_{{ n }}_sum_alone,
        case
            when i >= {{ n }} and min({{ x }}) over w_{{ n }} = max({{ x }}) over w_{{ n }} then 0
            when i >= {{ n }} then var_pop({{ x }}) over w_{{ n }} * {{ n }}
        end as want_{{ n }}_xx,
        case
            when count({{ y }}) over w_{{ n }} = {{ n }} then var_pop({{ y }}) over w_{{ n }} * {{ n }}
        end as want_{{ n }}_yy,
        case
            when count({{ y }}) over w_{{ n }} = {{ n }} then covar_pop({{ x }}, {{ y }}) over w_{{ n }} * {{ n }}
        end as want_{{ n }}_xy
        {%- if not loop.last %},{% endif %}
        {%- endfor %}

    from {{ base }}_moments
    window
        {%- for n in windows %}
        w_{{ n }} as (order by i rows between {{ n - 1 }} preceding and current row)
        {%- if not loop.last %},{% endif %}
        {%- endfor %}

),
{%- endfor %}

compared as (

    {%- for base in calls %}
    select * from compared_{{ base }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}

)

select * from compared
where
    {% for n in windows %}
    {% for what in ['sum', 'sum_alone', 'xx', 'yy', 'xy'] %}
    ((got_{{ n }}_{{ what }} is null) is distinct from (want_{{ n }}_{{ what }} is null)) or
    abs(got_{{ n }}_{{ what }} - want_{{ n }}_{{ what }}) > 1e-9 or
    {% endfor %}
    (want_{{ n }}_xx = 0 and got_{{ n }}_xx != 0) or
    {% endfor %}
    (select count(got_252_xy) from compared) != 2 * (500 - 401)
