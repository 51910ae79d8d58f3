{#- Spells: a ticker's bars from one long silence to the next. A gap of 60 sessions or more starts a new spell; in a
    market that keeps delisted names the 20th silent session declares the security dead, so that what trades afterwards
    is a new one. Counted forward in time: nothing about a spell depends on the spells after it.
    Grain: one row per security. Source: int_bars, seed security_types, simfin names. -#}

{%- set gap_sessions = 60 %}
{%- set delisted_after_sessions = 20 %}

with

bars as (

    select * from {{ ref('int_bars') }}

),

market_facts as (

    select coalesce(bool_or(lower(value) = 'true'), false) as keeps_delisted

    from {{ source('market', 'market') }}

    where key = 'keeps_delisted'

),

companies as (

    select * from {{ ref('stg_simfin__companies') }}

),

security_types as (

    select * from {{ ref('security_types') }}

),

neighbours as (

    select
        ticker,
        session_index,
        coalesce(lag(ticker) over () = ticker, false) as is_continued,
        session_index - lag(session_index) over () - 1 as silent_sessions

    from bars

),

starts as (

    select
        neighbours.ticker,
        neighbours.session_index as first_session_index

    from neighbours

    cross join market_facts

    where
        not neighbours.is_continued
        or neighbours.silent_sessions
        >= case when market_facts.keeps_delisted then {{ delisted_after_sessions }} else {{ gap_sessions }} end

),

numbered as (

    select
        ticker,
        first_session_index,
        row_number() over by_ticker as spell_number,
        lead(first_session_index) over by_ticker as next_first_session_index

    from starts

    window
        by_ticker as (
            partition by ticker
            order by first_session_index
        )

),

bounded as (

    select
        numbered.ticker,
        numbered.spell_number,
        numbered.first_session_index,
        max(bars.session_index) as last_session_index

    from numbered

    inner join bars
        on
            numbered.ticker = bars.ticker
            and numbered.first_session_index <= bars.session_index
            and bars.session_index < coalesce(numbered.next_first_session_index, 2147483647)

    group by numbered.ticker, numbered.spell_number, numbered.first_session_index

),

typed as (

    select
        bounded.*,
        {{ security_key("concat_ws('|', bounded.ticker, bounded.spell_number)") }} as security_id,
        companies.company_name as name,
        case
            when starts_with(bounded.ticker, '^') then 'index'
            when security_types.security_type is not null then security_types.security_type
            when regexp_matches(companies.company_name, '\b(ETF|ETN)\b', 'i') then 'etf'
            else 'common'
        end as security_type

    from bounded

    left join companies
        on bounded.ticker = companies.ticker

    left join security_types
        on bounded.ticker = security_types.ticker

),

-- the market ends at the newest session with a bar of a common share: what runs on after it is not used
ended as (

    select
        *,
        max(last_session_index) filter (where security_type = 'common') over () as market_end_index

    from typed

)

select
    ---------- keys
    ended.security_id,
    ended.ticker,
    ended.spell_number::integer as spell_number,

    ---------- what it is
    ended.name,
    ended.security_type,

    ---------- first and last bar within the market
    ended.first_session_index,
    least(ended.last_session_index, ended.market_end_index) as last_session_index,
    ended.market_end_index,

    ---------- the session whose close makes the delisting known; NULL while none is
    case
        when
            market_facts.keeps_delisted
            and ended.last_session_index + {{ delisted_after_sessions }} <= ended.market_end_index
            then ended.last_session_index + {{ delisted_after_sessions }}
    end as delisting_known_index

from ended

cross join market_facts

where ended.first_session_index <= ended.market_end_index

order by ended.ticker, ended.spell_number
