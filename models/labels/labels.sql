{#- The collector of labels: every member named in var label_names.
    Grain: one row per (as_of_date, security_id) of int_prices that has any label.
    The only columns of the project that look forward: nothing but a fold's training window may read them.
    A view over members that have the same rows in the same order (macro same_rows). -#}
{{ config(materialized="view") }}
{%- set names = var('label_names') %}

select
    ---------- keys
    fwd_ret.as_of_date,
    fwd_ret.security_id,

    ---------- labels
    {%- for name in names %}
    {{ name }}.* exclude (as_of_date, security_id)
    {%- if not loop.last %},{% endif %}
    {%- endfor %}

from
    {{ ref('lbl_fwd_ret') }} as fwd_ret
{%- for name in names if name != 'fwd_ret' %}
positional join {{ ref('lbl_' ~ name) }} as {{ name }}
{%- endfor %}
where
    {{ same_rows(names) }}
    and coalesce(
        {%- for h in var('label_horizons') %}
        fwd_ret.label_end_date_{{ h }}d
        {%- if not loop.last %},{% endif %}
        {%- endfor %},
        triple_barrier.label_end_date_event_10d
    ) is not null
