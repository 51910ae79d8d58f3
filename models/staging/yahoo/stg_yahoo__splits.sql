{#- Splits and spin-offs of the vendor, told apart by their factor: a split's when it or its inverse is p/q with q up to
    4; every other is a spin-off's, which the vendor's prices before it are divided by as well.
    Grain: one row per ticker and date. Source: yahoo actions. -#}

{%- set ratios = [] %}
{%- for q in [1, 2, 3, 4] %}
{%- do ratios.append("abs(split_factor - greatest(round(split_factor * " ~ q ~ "), 1) / " ~ q ~ ")") %}
{%- do ratios.append("abs(split_factor - " ~ q ~ " / greatest(round(" ~ q ~ " / split_factor), 1))") %}
{%- endfor %}

select
    ---------- keys
    ticker,
    action_date as split_date,

    ---------- new shares per old one, as delivered
    split_factor as factor,
    not least({{ ratios | join(", ") }}) <= 1e-4 as is_spin_off

from {{ ref('stg_yahoo__actions') }}

where split_factor not in (0, 1)
