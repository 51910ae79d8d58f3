{#- Holdings of institutions at quarter ends, linked to securities. When they came out is assumed and flagged.
    Grain: one row per security, period_end_date and vendor. Source: the vendors of var holdings_vendors. -#}

with

{{ linked_deliveries('holdings_vendors', 'institutional_holdings', dated_by='period_end_date') }}

select
    ---------- keys
    security_id,
    period_end_date,
    vendor,

    ---------- point in time
    known_at,
    usable_at,
    is_known_at_assumed,

    ---------- positions
    dataset,
    holders,
    shares_held,
    value_usd

from linked

order by security_id, period_end_date, vendor
