{#- Transactions of insiders, each counted once: what several files deliver is the row that became known first (of equal
    ones, of the vendor named first in var insider_vendors). Owners who hold together (a fund and its manager) each file the
    same trade, and a form may be filed once more, amended: of trades in the open market that are equal in all but the
    insider and the form, down to the position that is left, the one that became known first is the trade; equal lines of
    one form (where a vendor does not number forms: of one moment) are trades of their own. Only P and S of the share
    itself are trades in the open market.
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

),

placed as (

    select
        *,
        row_number() over (
            partition by security_id, transaction_key, shares_held_after, known_at, filing_id
            order by copy
        ) as place_in_form

    from first_delivered

),

filed_once as (

    select *

    from placed

    qualify
        code not in ('P', 'S')
        or shares_held_after is null
        or row_number() over (
            partition by
                security_id, transaction_date, code, is_derivative, round(shares), round(price_usd * 100),
                shares_held_after, place_in_form
            order by known_at, transaction_key, copy
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

from filed_once

order by security_id, known_at, transaction_key, copy
