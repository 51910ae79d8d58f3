-- Returns rows when a sum, a squared deviation or a co-deviation of rolling_moments is not that of exactly the n rows
-- ending at the row. The windows are built in every way there is: from 1, from an earlier window, and from 1 past one
-- that does not divide. y has a NULL on row 150, which every window that holds it must inherit; x has none.
{%- set windows = [5, 21, 63, 252] %}

with

numbers as (

    select
        i,
        sin(i * i)::double as x,
        case when i != 150 then cos(i * 1.7)::double + 100 end as y,
        sqrt(i)::double as z

    from range(1, 501) as r (i)

),

{{ rolling_moments('numbers', ['x', 'y'], windows, pairs=[['x', 'y']], sums=['z']) }}

compared as (

    select
        i,
        {%- for n in windows %}
        sum_x_{{ n }} as got_{{ n }}_sum,
        sum_z_{{ n }} as got_{{ n }}_sum_alone,
        m2_x_{{ n }} as got_{{ n }}_xx,
        m2_y_{{ n }} as got_{{ n }}_yy,
        m2_x_y_{{ n }} as got_{{ n }}_xy,
        case when i >= {{ n }} then sum(x) over w_{{ n }} end as want_{{ n }}_sum,
        case when i >= {{ n }} then sum(z) over w_{{ n }} end as want_{{ n }}_sum_alone,
        case when i >= {{ n }} then var_pop(x) over w_{{ n }} * {{ n }} end as want_{{ n }}_xx,
        case when count(y) over w_{{ n }} = {{ n }} then var_pop(y) over w_{{ n }} * {{ n }} end as want_{{ n }}_yy,
        case when count(y) over w_{{ n }} = {{ n }} then covar_pop(x, y) over w_{{ n }} * {{ n }} end as want_{{ n }}_xy
        {%- if not loop.last %},{% endif %}
        {%- endfor %}

    from numbers_moments
    window
        {%- for n in windows %}
        w_{{ n }} as (order by i rows between {{ n - 1 }} preceding and current row)
        {%- if not loop.last %},{% endif %}
        {%- endfor %}

)

select * from compared
where
    {% for n in windows %}
    {% for what in ['sum', 'sum_alone', 'xx', 'yy', 'xy'] %}
    ((got_{{ n }}_{{ what }} is null) is distinct from (want_{{ n }}_{{ what }} is null)) or
    abs(got_{{ n }}_{{ what }} - want_{{ n }}_{{ what }}) > 1e-9 or
    {% endfor %}
    {% endfor %}
    (select count(got_252_xy) from compared) != 500 - 401
