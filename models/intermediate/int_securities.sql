{#- Securities with type, names as of today, first and last bar, and the delisting as far as it is known.
    A merger or failure that a vendor names settles the return (0, -1). A delisting whose cause nobody delivers returns
    0 when the last price was at least 5 USD and at least 0.8 of its highest close in 63 sessions (a taken-over name),
    else -0.30 (Shumway 1997 for performance delistings); both are flagged as imputed.
    Grain: one row per security. Source: int_spells, int_ticker_spells, int_prices, int_companies. -#}

with

spells as (

    select * from {{ ref('int_spells') }}

),

sessions as (

    select * from {{ ref('int_sessions') }}

),

companies as (

    select * from {{ ref('int_companies') }}

),

prices as (

    select * from {{ ref('int_prices') }}

),

names as (

    select
        security_id,
        ticker,
        valid_from,
        valid_to

    from {{ ref('int_ticker_spells') }}

    where ticker_of = 'date'

),

-- the last 63 rows of names that were delisted; a carried row has no price of its own
last_prices as (

    select
        spells.security_id,
        max(prices.close) as highest_close_63d,
        max_by(prices.close, prices.as_of_date) as last_close,
        max_by(coalesce(prices.close_unadjusted, prices.close), prices.as_of_date) as last_close_unadjusted

    from spells

    inner join prices
        on
            spells.security_id = prices.security_id
            and prices.session_index between spells.last_session_index - 62 and spells.last_session_index

    where spells.delisting_known_index is not null

    group by spells.security_id

),

securities as (

    select
        ---------- keys
        spells.security_id,
        names.ticker,
        spells.spell_number,

        ---------- origin
        spells.vendor,
        spells.ticker as vendor_ticker,
        spells.permanent_id,

        ---------- what it is; names, exchanges and sectors are today's
        spells.name,
        spells.security_type,
        companies.exchange,
        companies.sector,
        companies.industry,
        coalesce(companies.is_snapshot, false) as is_snapshot,

        ---------- when it trades
        first_sessions.session_date as first_price_date,
        last_sessions.session_date as last_price_date,

        ---------- how it ended
        spells.delisting_known_index is not null as is_delisted,
        case when spells.delisting_known_index is not null then last_sessions.session_date end as delisted_date,
        coalesce(spells.delisting_known_at, known_sessions.closes_at) as delisting_known_at,
        known_sessions.session_date as delisting_known_date,
        case
            when spells.delisting_known_index is not null then coalesce(spells.delisting_cause, 'silence')
        end as delisting_cause,
        case
            when spells.delisting_known_index is null then null
            when spells.delisting_return_of_cause is not null then spells.delisting_return_of_cause
            when
                last_prices.last_close_unadjusted >= 5
                and last_prices.last_close >= 0.8 * last_prices.highest_close_63d
                then 0.0::double
            else -0.30::double
        end as delisting_return,
        spells.delisting_known_index is not null
        and spells.delisting_return_of_cause is null as is_delisting_return_imputed

    from spells

    inner join sessions as first_sessions
        on spells.first_session_index = first_sessions.session_index

    inner join sessions as last_sessions
        on spells.last_session_index = last_sessions.session_index

    left join sessions as known_sessions
        on spells.delisting_known_index = known_sessions.session_index

    left join names
        on
            spells.security_id = names.security_id
            and last_sessions.session_date >= names.valid_from
            and last_sessions.session_date < names.valid_to

    left join companies
        on spells.ticker = companies.ticker

    left join last_prices
        on spells.security_id = last_prices.security_id

)

select * from securities

order by security_id
