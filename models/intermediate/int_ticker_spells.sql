{#- Which security a ticker means on a date, in two readings of a ticker (ticker_of):
      date  the ticker under which the security traded on the date: files written at the time (short interest, filings'
            own symbols) are keyed so. A change of ticker ends one spell and begins the next, a symbol taken over by
            another company leads to that company from its first day on.
      file  the ticker by which today's files of the price vendor call it, whatever the date: files written today are
            keyed so. A dead company whose symbol was taken over has another name in them.
    A row dated d and keyed by a ticker belongs to the security for which linked_from <= d < linked_to: to the spell
    that is live on d, else to the next one that begins within 400 days, which can use it from usable_from on. That a
    spell has ended shows only when the next begins: until then, and for ever in its own history, it keeps what is dated
    after its last bar, and the next spell has those rows too. So a warehouse without the future links the same.
    Changes of tickers are units of files, as splits are.
    Grain: one row per security_id, ticker_of and valid_from. Source: int_spells, stg_<vendor>__ticker_changes. -#}

{%- set lead_days = 400 %}

with

spells as (

    select * from {{ ref('int_spells') }}

),

sessions as (

    select * from {{ ref('int_sessions') }}

),

changes as (

    {% for vendor in var('event_vendors') -%}
    select
        '{{ vendor }}' as vendor,
        ticker,
        change_date,
        former_ticker

    from {{ ref('stg_' ~ vendor ~ '__ticker_changes') }}
    {{- ' union all ' if not loop.last }}
    {%- endfor %}

),

securities as (

    select
        spells.security_id,
        spells.vendor,
        spells.ticker,
        first_sessions.session_date as first_price_date,
        last_sessions.session_date as last_price_date

    from spells

    inner join sessions as first_sessions
        on spells.first_session_index = first_sessions.session_index

    inner join sessions as last_sessions
        on spells.last_session_index = last_sessions.session_index

),

former_names as (

    select
        vendor,
        ticker,
        former_ticker as name,
        coalesce(lag(change_date) over (partition by vendor, ticker order by change_date), date '0001-01-01')
            as named_from,
        change_date as named_until

    from changes

),

last_names as (

    select
        vendor,
        ticker,
        ticker as name,
        max(change_date) as named_from,
        date '9999-12-31' as named_until

    from changes

    group by vendor, ticker

),

names as (

    select * from former_names

    union all

    select * from last_names

),

named as (

    select
        'date' as ticker_of,
        securities.security_id,
        securities.first_price_date,
        securities.last_price_date,
        coalesce(names.name, securities.ticker) as ticker,
        greatest(securities.first_price_date, coalesce(names.named_from, securities.first_price_date)) as valid_from,
        coalesce(names.named_until, date '9999-12-31') as valid_to

    from securities

    left join names
        on
            securities.vendor = names.vendor
            and securities.ticker = names.ticker

    where coalesce(names.named_until > securities.first_price_date, true)

    union all

    select
        'file' as ticker_of,
        security_id,
        first_price_date,
        last_price_date,
        ticker,
        first_price_date as valid_from,
        date '9999-12-31' as valid_to

    from securities

),

in_turn as (

    select
        *,
        lag(least(last_price_date + 15, valid_to)) over by_ticker as free_from,
        lead(valid_from) over by_ticker as taken_over_on

    from named

    window
        by_ticker as (
            partition by ticker_of, ticker
            order by valid_from, security_id
        )

)

select
    ---------- keys
    security_id,
    ticker_of,
    ticker,
    valid_from,

    ---------- from valid_from up to the day before valid_to the security has this name
    valid_to,

    ---------- rows keyed by the name and dated from linked_from up to the day before linked_to are the security's
    case
        when valid_from > first_price_date then valid_from
        else
            least(
                first_price_date,
                greatest(first_price_date - {{ lead_days }}, coalesce(free_from, date '0001-01-01'))
            )
    end as linked_from,
    least(valid_to, coalesce(taken_over_on, date '9999-12-31')) as linked_to,

    ---------- the security's first day: no row can be used before
    first_price_date as usable_from

from in_turn

order by security_id, ticker_of, valid_from
