{#- Which security a row that is keyed by ticker and date belongs to: the spell live on its date, else the next one that
    begins within 400 days. That a spell has ended shows only when the next begins: until then, and for ever in its own
    history, it keeps what comes after its last bar (nothing of it trades that could use it), and the next spell has the
    row too, usable from its first day. So a warehouse without the future links the same. A row of date d belongs where
    linked_from <= d < linked_until.
    Grain: one row per security. Source: int_securities. -#}

with

spells as (

    select
        security_id,
        ticker,
        first_price_date,
        lag(last_price_date) over by_ticker as earlier_last_price_date,
        lead(first_price_date) over by_ticker as next_first_price_date

    from {{ ref('int_securities') }}

    window by_ticker as (partition by ticker order by spell_number)

)

select
    ---------- keys
    security_id,
    {{ plain_symbol('ticker') }} as symbol,

    ---------- dates of the rows that belong to it; the stale rows of an earlier spell (5 sessions) end within 14 days
    greatest(first_price_date - 400, coalesce(earlier_last_price_date + 15, date '0001-01-01')) as linked_from,
    coalesce(next_first_price_date, date 'infinity') as linked_until,

    ---------- usable from its first day
    first_price_date::timestamp as first_usable_at

from spells

order by security_id
