-- Returns rows when a maximum or a minimum of rolling_extremes is not that of exactly the n rows ending at the row.
{%- set windows = [3, 14, 16, 252] %}

with

numbers as (

    select
        i,
        sin(i * i)::double as x

    from range(1, 401) as r (i)

),

{{ rolling_extremes('numbers', windows, highest=['x'], lowest=['x']) }}

compared as (

    select
        *,
        {%- for n in windows %}
        max(x) over (order by i rows between {{ n - 1 }} preceding and current row) as want_max_{{ n }},
        min(x) over (order by i rows between {{ n - 1 }} preceding and current row) as want_min_{{ n }}
        {%- if not loop.last %},{% endif %}
        {%- endfor %}

    from numbers_extremes

)

select * from compared
where
    {%- for n in windows %}
    {{ 'or ' if not loop.first }}max_x_{{ n }} != want_max_{{ n }}
    or min_x_{{ n }} != want_min_{{ n }}
    {%- endfor %}
