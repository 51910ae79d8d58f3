{#- Splits and spin-offs: units of files, not information. Prices before a split are divided by its factor on every
    basis after it, so the lookahead proof keeps those after its cut.
    A factor is a split's when it or its inverse is p/q with q up to 4; every other is a spin-off's, which scales prices
    and leaves share counts alone unless the market's spin_offs.csv names a vendor that scaled them.
    Grain: one row per ticker and date. Source: yahoo actions, market spin_offs. -#}

{%- set ratios = [] %}
{%- for q in [1, 2, 3, 4] %}
{%- do ratios.append("abs(split_factor - greatest(round(split_factor * " ~ q ~ "), 1) / " ~ q ~ ")") %}
{%- do ratios.append("abs(split_factor - " ~ q ~ " / greatest(round(" ~ q ~ " / split_factor), 1))") %}
{%- endfor %}

with

actions as (

    select
        ticker,
        action_date as split_date,
        split_factor as factor,
        least({{ ratios | join(", ") }}) <= 1e-4 as is_simple_ratio

    from {{ ref('stg_yahoo__actions') }}

    where split_factor not in (0, 1)

),

scaled_counts as (

    select
        ticker,
        date as split_date,
        list_sort(list(dataset)) as counts_scaled_by

    from {{ source('market', 'spin_offs') }}

    group by ticker, date

)

select
    ---------- keys
    actions.ticker,
    actions.split_date,

    ---------- new shares per old one, as delivered
    actions.factor,

    ---------- what it scales
    not actions.is_simple_ratio as is_spin_off,
    coalesce(scaled_counts.counts_scaled_by, []::varchar[]) as counts_scaled_by

from actions

left join scaled_counts
    on
        actions.ticker = scaled_counts.ticker
        and actions.split_date = scaled_counts.split_date

order by actions.ticker, actions.split_date
