-- Returns rows when rolling_sum(n) is not the sum of exactly the n rows ending at the row: whole numbers, so that both
-- sums are exact, and a NULL on row 150, which every window that holds it must inherit.
{%- set sizes = [1, 2, 5, 20, 63, 127, 128] %}

with

numbers as (

    select
        i,
        case when i != 150 then (i * i % 97)::double end as x

    from range(1, 401) as r (i)

),

{{ rolling_levels('numbers', ['x'], 128) }}

sums as (

    select
        i,
        {%- for n in sizes %}
        {{ rolling_sum('x', n) }} as got_{{ n }},
        case
            when count(x) over (order by i rows between {{ n - 1 }} preceding and current row) = {{ n }}
                then sum(x) over (order by i rows between {{ n - 1 }} preceding and current row)
        end as want_{{ n }}
        {%- if not loop.last %},{% endif %}
        {%- endfor %}

    from numbers_128

)

select * from sums
where
    {% for n in sizes %}
    (got_{{ n }} is distinct from want_{{ n }}) or
    {% endfor %}
    (select count(got_128) from sums) != 400 - 127 - 128
