{#- Transactions of insiders, each counted once: what several files deliver is the row that became known first (of equal
    ones, of the vendor named first in var insider_vendors). Only P and S of the share itself are trades in the open market.
    Grain: one row per security, transaction_key and copy. Source: int_insider_deliveries. -#}

with

deliveries as (

    select * from {{ ref('int_insider_deliveries') }}

),

first_delivered as (

    select *

    from deliveries

    qualify row_number() over (
        partition by security_id, transaction_key, copy
        order by known_at, vendor_order, dataset
    ) = 1

)

select
    ---------- keys
    security_id,
    transaction_key,
    copy,

    ---------- point in time
    known_at,
    usable_at,
    filing_date,
    transaction_date,

    ---------- origin
    vendor,
    dataset,
    filing_id,

    ---------- who and what
    insider,
    role,
    code,
    code in ('P', 'S') and not is_derivative as is_open_market,
    is_acquired,
    is_derivative,
    shares,
    price_usd,
    shares * price_usd as value_usd,
    shares_held_after

from first_delivered

order by security_id, known_at, transaction_key, copy
