{#- Which security a row that is keyed by ticker and date belongs to, in the one spelling in which vendors are compared:
    the spells of int_ticker_spells, where the rule stands. A row of date d belongs where linked_from <= d <
    linked_until, and ticker_of is what the row's vendor writes (date: the ticker of the date, vendors of var
    tickers_of_the_date; file: today's).
    Grain: one row per security_id, ticker_of, symbol and linked_from. Source: int_ticker_spells. -#}

select
    ---------- keys
    security_id,
    ticker_of,
    {{ plain_symbol('ticker') }} as symbol,

    ---------- dates of the rows that belong to it
    linked_from,
    linked_to as linked_until,

    ---------- usable from its first day
    usable_from::timestamp as first_usable_at

from {{ ref('int_ticker_spells') }}

order by security_id, ticker_of, symbol, linked_from
