{#- The collector of labels: every member named in var label_names.
    Grain: one row per (as_of_date, security_id) of int_prices that has any label.
    The only columns of the project that look forward (DESIGN rule: nothing but a fold's training window reads them).
    A view over members that have the same rows in the same order (macro same_rows). -#}
{{ config(materialized="view") }}
{%- set names = var('label_names') -%}

select
    ---------- keys
    {{ names[0] }}.as_of_date,
    {{ names[0] }}.security_id,

    ---------- labels
    {%- for name in names %}
    {{ name }}.* exclude (as_of_date, security_id){{ ',' if not loop.last }}
    {%- endfor %}

from {{ ref('lbl_' ~ names[0]) }} as {{ names[0] }}
{%- for name in names[1:] %}
positional join {{ ref('lbl_' ~ name) }} as {{ name }}
{%- endfor %}
where
    {{ same_rows(names) }}
    and coalesce(
        {%- for h in var('label_horizons') %}
        fwd_ret.label_end_date_{{ h }}d{{ ',' if not loop.last }}
        {%- endfor %}
    ) is not null
