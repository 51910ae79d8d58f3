{#- 1 where the forward return beats the median of the members' forward returns of the same date, else 0.
    Grain: one row per (as_of_date, security_id), all rows of int_prices; NULL for non-members, for members without a
    forward return and on dates with fewer than min_cross_section members that count. A tie with the median is 0.
    The median counts the returns settled on schedule: one that is settled later (a halt, a delisting found out) would
    change the labels of all other names after they were learned from.
    quantile_cont and count do not depend on the order of rows, so the bits do not either. The join by date loses the
    order of storage, hence the sort at the end. -#}
{%- set lag = setting_number('entry_lag_sessions') -%}
{%- set horizons = var('label_horizons') -%}

with

-- when the labels of a date are due
schedule as (

    select
        {%- for h in horizons %}
        lead(session_date, {{ lag + h }}) over (order by session_date) as due_{{ h }},
        {%- endfor %}
        session_date

    from {{ ref('int_sessions') }}

),

fwd_ret as (

    select
        fwd_ret.as_of_date,
        fwd_ret.security_id,
        {%- for h in horizons %}
        case when universe.is_member then fwd_ret.fwd_ret_{{ h }}d end as fwd_ret_{{ h }}d,
        fwd_ret.label_end_date_{{ h }}d
        {%- if not loop.last %},{% endif %}
        {%- endfor %}

    from {{ ref('lbl_fwd_ret') }} as fwd_ret
    positional join {{ ref('int_universe') }} as universe
    where {{ same_rows(['fwd_ret', 'universe']) }}

),

on_schedule as (

    select
        {%- for h in horizons %}
        case when fwd_ret.label_end_date_{{ h }}d <= schedule.due_{{ h }} then fwd_ret_{{ h }}d end as fwd_ret_{{ h }}d,
        {%- endfor %}
        fwd_ret.as_of_date

    from fwd_ret
    inner join schedule on fwd_ret.as_of_date = schedule.session_date

),

medians as (

    select
        as_of_date,
        {%- for h in horizons %}
        case
            when count(fwd_ret_{{ h }}d) >= {{ setting_number('min_cross_section') }}
                then quantile_cont(fwd_ret_{{ h }}d, 0.5)
        end as median_{{ h }}d
        {%- if not loop.last %},{% endif %}
        {%- endfor %}

    from on_schedule
    group by as_of_date

),

outperform as (

    select
        ---------- keys
        fwd_ret.as_of_date,
        fwd_ret.security_id,

        ---------- labels
        {%- for h in horizons %}
        (fwd_ret.fwd_ret_{{ h }}d > medians.median_{{ h }}d)::tinyint as outperform_{{ h }}d
        {%- if not loop.last %},{% endif %}
        {%- endfor %}

    from fwd_ret
    inner join medians on fwd_ret.as_of_date = medians.as_of_date

)

select * from outperform
order by security_id, as_of_date
