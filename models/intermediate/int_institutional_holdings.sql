{#- Holdings of institutions at quarter ends, linked to securities. When they came out is assumed and flagged.
    Grain: one row per security, period_end_date and vendor. Source: the vendors of var holdings_vendors. -#}

with

delivered as (

    {% for vendor in var('holdings_vendors') %}
    select
        '{{ vendor }}' as vendor,
        '{{ "date" if vendor in var("tickers_of_the_date") else "file" }}' as ticker_of,
        *

    from {{ ref('stg_' ~ vendor ~ '__institutional_holdings') }}
    {{ 'union all by name' if not loop.last }}
    {% endfor %}
),

symbol_spells as (

    select * from {{ ref('int_symbol_spells') }}

)

select
    ---------- keys
    symbol_spells.security_id,
    delivered.period_end_date,
    delivered.vendor,

    ---------- point in time
    delivered.known_at,
    greatest(delivered.known_at, symbol_spells.first_usable_at) as usable_at,
    delivered.is_known_at_assumed,

    ---------- positions
    delivered.dataset,
    delivered.holders,
    delivered.shares_held,
    delivered.value_usd

from delivered

inner join symbol_spells
    on
        {{ plain_symbol('delivered.ticker') }} = symbol_spells.symbol
        and delivered.ticker_of = symbol_spells.ticker_of
        and delivered.period_end_date >= symbol_spells.linked_from
        and delivered.period_end_date < symbol_spells.linked_until

order by symbol_spells.security_id, delivered.period_end_date, delivered.vendor
