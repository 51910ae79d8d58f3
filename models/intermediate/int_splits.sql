{#- Splits and spin-offs that scale prices: units of files, not information. Prices before a split are divided by its
    factor on every basis after it, so the lookahead proof keeps those after its cut. A spin-off leaves share counts
    alone unless the market's spin_offs.csv names a vendor that scaled them.
    Of several vendors one speaks for a ticker, so that no split counts twice: the one that serves its prices, where it
    delivers a file of actions, else the first in var split_vendors that knows a split of it.
    Grain: one row per ticker and date. Source: the vendors of var split_vendors, market spin_offs. -#}

with

delivered as (

    {% for vendor in var('split_vendors') -%}
    select
        '{{ vendor }}' as vendor,
        {{ loop.index }} as vendor_order,
        ticker,
        split_date,
        factor,
        is_spin_off

    from {{ ref('stg_' ~ vendor ~ '__splits') }}
    {{- ' union all ' if not loop.last }}
    {%- endfor %}

),

spells as (

    select * from {{ ref('int_spells') }}

),

served as (

    select distinct
        ticker,
        vendor

    from spells

),

action_files as (

    select distinct vendor

    from {{ source('market', 'files') }}

    where table_name = 'actions'

),

spoken as (

    select
        delivered.*,
        coalesce(
            action_files.vendor,
            first_value(delivered.vendor) over (partition by delivered.ticker order by delivered.vendor_order)
        ) as speaking_vendor

    from delivered

    left join served
        on delivered.ticker = served.ticker

    left join action_files
        on served.vendor = action_files.vendor

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
    spoken.ticker,
    spoken.split_date,

    ---------- origin
    spoken.vendor,

    ---------- new shares per old one, as delivered
    spoken.factor,

    ---------- what it scales
    spoken.is_spin_off,
    coalesce(scaled_counts.counts_scaled_by, []::varchar[]) as counts_scaled_by

from spoken

left join scaled_counts
    on
        spoken.ticker = scaled_counts.ticker
        and spoken.split_date = scaled_counts.split_date

where spoken.vendor = spoken.speaking_vendor

order by spoken.ticker, spoken.split_date
