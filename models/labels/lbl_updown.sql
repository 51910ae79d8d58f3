{#- Direction of the forward return: 2 above +theta, 0 below -theta, else 1; theta = 1% at 5 sessions, growing with the
    square root of the horizon.
    Grain: one row per (as_of_date, security_id), all rows of int_prices; NULL without a forward return. -#}
{%- set horizons = var('label_horizons') -%}

with

fwd_ret as (

    select * from {{ ref('lbl_fwd_ret') }}

),

updown as (

    select
        ---------- keys
        as_of_date,
        security_id,

        ---------- labels
        {%- for h in horizons %}
        case
            when fwd_ret_{{ h }}d > 0.01 * sqrt({{ h }} / 5) then 2
            when fwd_ret_{{ h }}d < -0.01 * sqrt({{ h }} / 5) then 0
            when fwd_ret_{{ h }}d is not null then 1
        end::tinyint as updown_{{ h }}d
        {%- if not loop.last %},{% endif %}
        {%- endfor %}

    from fwd_ret

)

select * from updown
