{#- Insider transactions of every vendor as delivered, linked to securities, with what tells two transactions apart:
    equal lines of one file are counted (copy), so that the n-th of one file is the n-th of another.
    Grain: one row per security, dataset, transaction_key and copy. Source: the vendors of var insider_vendors. -#}

with

delivered as (

    {% for vendor in var('insider_vendors') %}
    select
        '{{ vendor }}' as vendor,
        '{{ "date" if vendor in var("tickers_of_the_date") else "file" }}' as ticker_of,
        {{ loop.index }} as vendor_order,
        *

    from {{ ref('stg_' ~ vendor ~ '__insider_transactions') }}
    {{ 'union all by name' if not loop.last }}
    {% endfor %}
),

symbol_spells as (

    select * from {{ ref('int_symbol_spells') }}

),

linked as (

    select
        symbol_spells.security_id,
        greatest(delivered.known_at, symbol_spells.first_usable_at) as usable_at,
        delivered.*,
        -- names come in any order of their parts and with or without dots; prices in cents, shares whole
        concat_ws(
            '|',
            delivered.transaction_date,
            delivered.code,
            delivered.is_derivative,
            array_to_string(
                list_sort(string_split_regex(
                    trim(regexp_replace(upper(delivered.insider), '[^A-Z ]', ' ', 'g')), '\s+'
                )),
                ' '
            ),
            round(delivered.shares)::bigint,
            round(delivered.price_usd * 100)::bigint
        ) as transaction_key

    from delivered

    inner join symbol_spells
        on
            {{ plain_symbol('delivered.ticker') }} = symbol_spells.symbol
            and delivered.ticker_of = symbol_spells.ticker_of
            and delivered.filing_date >= symbol_spells.linked_from
            and delivered.filing_date < symbol_spells.linked_until

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

from linked

order by security_id, dataset, transaction_key, copy
