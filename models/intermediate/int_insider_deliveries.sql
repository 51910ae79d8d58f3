{#- Insider transactions of every vendor as delivered, linked to securities, with what tells two transactions apart:
    equal lines of one file are counted (copy), so that the n-th of one file is the n-th of another.
    Grain: one row per security, dataset, transaction_key and copy. Source: the vendors of var insider_vendors. -#}

with

{{ linked_deliveries('insider_vendors', 'insider_transactions', dated_by='filing_date') }},

keyed as (

    select
        *,
        -- names come in any order of their parts and with or without dots; prices in cents, shares whole
        concat_ws(
            '|',
            transaction_date,
            code,
            is_derivative,
            array_to_string(
                list_sort(string_split_regex(
                    trim(regexp_replace(upper(insider), '[^A-Z ]', ' ', 'g')), '\s+'
                )),
                ' '
            ),
            round(shares)::bigint,
            round(price_usd * 100)::bigint
        ) as transaction_key

    from linked

)

select
    ---------- keys
    security_id,
    vendor,
    dataset,
    transaction_key,
    row_number() over (
        partition by security_id, dataset, transaction_key
        order by known_at, filing_id, shares_held_after, shares, price_usd, insider, file
    )::integer as copy,

    ---------- point in time
    known_at,
    usable_at,
    filing_date,
    transaction_date,

    ---------- what happened
    vendor_order,
    insider,
    role,
    code,
    is_acquired,
    is_derivative,
    shares,
    price_usd,
    shares_held_after,
    filing_id

from keyed

order by security_id, dataset, transaction_key, copy
