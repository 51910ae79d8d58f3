{#- Spells: a ticker's bars up to what ends them, each a security. What ends a spell, counted forward in time so that
    nothing about it depends on the spells after it:
      - a delisting by the vendor's event, where the vendor delivers events; its silence means nothing then;
      - else, in a market that keeps delisted names, 20 sessions without a bar while the market went on: the 20th declares
        the security dead. A session on which no common share has a bar is a hole in the delivery and counts for nobody;
      - 60 sessions without a bar, where the ticker is all there is to know a security by, whatever the market did. A
        vendor's permanent id outlasts any silence;
      - a close of at least 20 times that of the bar before, where there is no permanent id, unless the vendor's splits
        leave less than 20 times of it: those that the file of one of the two bars is adjusted for (up to its basis
        date) and the other is not. The bar before is the last one accepted, however many sessions ago, as long as no
        silence has ended the spell (60 without a bar). What remains is another security under the symbol (old shares
        cancelled, new ones issued), or a reverse split that no file tells of; windows must not reach across it. A fall
        of that size can be true and ends nothing.
    What trades after an end is a new security. A ticker that several price vendors deliver is served by one, so that no
    name counts twice and no series changes its basis midway: by the vendor whose bars begin first, of those that begin
    together the first in var price_vendors.
    Grain: one row per security. Source: int_bars, int_companies, int_delistings, the splits of var split_vendors, market
    basis, seed security_types. -#}

{%- set gap_sessions = 60 %}
{%- set delisted_after_sessions = 20 %}
{%- set another_security_factor = 20 %}

with

bars as (

    select * from {{ ref('int_bars') }}

    where reason is null

),

sessions as (

    select * from {{ ref('int_sessions') }}

),

market_facts as (

    select coalesce(bool_or(lower(value) = 'true'), false) as keeps_delisted

    from {{ source('market', 'market') }}

    where key = 'keeps_delisted'

),

event_vendors as (

    select distinct vendor

    from {{ source('market', 'files') }}

    where table_name = 'actions' and vendor in ('{{ var("event_vendors") | join("', '") }}')

),

delistings as (

    select * from {{ ref('int_delistings') }}

),

companies as (

    select * from {{ ref('int_companies') }}

),

security_types as (

    select * from {{ ref('security_types') }}

),

splits as (

    {% for vendor in var('split_vendors') -%}
    select
        '{{ vendor }}' as vendor,
        ticker,
        split_date,
        factor

    from {{ ref('stg_' ~ vendor ~ '__splits') }}
    {{- ' union all ' if not loop.last }}
    {%- endfor %}

),

basis as (

    select * from {{ source('market', 'basis') }}

),

neighbours as (

    select
        vendor,
        ticker,
        session_index,
        session_date,
        dataset,
        lag(session_index) over () as session_index_before,
        lag(session_date) over () as session_date_before,
        lag(dataset) over () as dataset_before,
        coalesce(lag(ticker) over () = ticker and lag(vendor) over () = vendor, false) as is_continued,
        close / lag(close) over () as close_ratio

    from bars

),

-- closes that rise to the 20fold, and the date to whose splits each of the two is written: the basis date of its file
-- (without one, all splits), for a later bar its own date
rises as (

    select
        neighbours.vendor,
        neighbours.ticker,
        neighbours.session_index,
        neighbours.close_ratio,
        greatest(
            neighbours.session_date_before, coalesce(basis_before.basis_date, date '9999-12-31')
        ) as basis_date_before,
        greatest(neighbours.session_date, coalesce(basis.basis_date, date '9999-12-31')) as basis_date

    from neighbours

    left join basis as basis_before
        on neighbours.dataset_before = basis_before.dataset

    left join basis
        on neighbours.dataset = basis.dataset

    where
        neighbours.is_continued
        and neighbours.close_ratio >= {{ another_security_factor }}

),

-- no split in between: the product of no factor, NULL
explained as (

    select
        rises.vendor,
        rises.ticker,
        rises.session_index,
        any_value(rises.close_ratio) as close_ratio,
        list_product(
            list(
                case when rises.basis_date_before < rises.basis_date then splits.factor else 1 / splits.factor end
                order by splits.split_date
            ) filter (where splits.factor is not null)
        ) as ratio_of_units

    from rises

    left join splits
        on
            rises.vendor = splits.vendor
            and rises.ticker = splits.ticker
            and splits.split_date > least(rises.basis_date_before, rises.basis_date)
            and splits.split_date <= greatest(rises.basis_date_before, rises.basis_date)

    group by rises.vendor, rises.ticker, rises.session_index

),

others as (

    select
        vendor,
        ticker,
        session_index

    from explained

    where close_ratio * coalesce(ratio_of_units, 1) >= {{ another_security_factor }}

),

-- a vendor's first bar of a ticker, by which the ticker's vendor is chosen
served as (

    select
        neighbours.ticker,
        neighbours.vendor,
        neighbours.session_index,
        event_vendors.vendor is not null as has_events,
        event_vendors.vendor is null and market_facts.keeps_delisted as dies_of_silence,
        case when companies.permanent_id_vendor = neighbours.vendor then companies.permanent_id end as permanent_id,
        companies.company_name as name,
        case
            when companies.security_type is not null then companies.security_type
            when starts_with(neighbours.ticker, '^') then 'index'
            when security_types.security_type is not null then security_types.security_type
            when regexp_matches(companies.company_name, '\b(ETF|ETN)\b', 'i') then 'etf'
            else 'common'
        end as security_type

    from neighbours

    cross join market_facts

    left join event_vendors
        on neighbours.vendor = event_vendors.vendor

    left join companies
        on neighbours.ticker = companies.ticker

    left join security_types
        on neighbours.ticker = security_types.ticker

    where not neighbours.is_continued

    qualify
        row_number() over (
            partition by neighbours.ticker
            order by neighbours.session_index, list_position({{ var('price_vendors') }}, neighbours.vendor)
        ) = 1

),

traded as (

    select distinct bars.session_index

    from bars

    inner join served
        on
            bars.ticker = served.ticker
            and bars.vendor = served.vendor

    where served.security_type = 'common'

),

-- on how many sessions up to each the market has traded
market_days as (

    select
        sessions.session_index,
        count(traded.session_index) over (
            order by sessions.session_index
        ) as market_sessions

    from sessions

    left join traded
        on sessions.session_index = traded.session_index

),

-- without a bar for long enough to mean something
silences as (

    select
        neighbours.ticker,
        neighbours.vendor,
        neighbours.session_index,
        neighbours.session_index_before,
        served.permanent_id,
        served.dies_of_silence

    from neighbours

    inner join served
        on
            neighbours.ticker = served.ticker
            and neighbours.vendor = served.vendor

    where
        neighbours.is_continued
        and neighbours.session_index - neighbours.session_index_before > {{ delisted_after_sessions }}

),

-- the first bar after each event
resumed as (

    select
        bars.ticker,
        bars.vendor,
        min(bars.session_index) as session_index

    from delistings

    inner join bars
        on
            delistings.ticker = bars.ticker
            and delistings.vendor = bars.vendor
            and delistings.ended_on < bars.session_date

    group by bars.ticker, bars.vendor, delistings.known_session_index

),

starts as (

    select
        ticker,
        vendor,
        session_index as first_session_index

    from served

    union

    select
        silences.ticker,
        silences.vendor,
        silences.session_index as first_session_index

    from silences

    left join market_days as before
        on silences.session_index_before = before.session_index

    left join market_days as last_silent
        on silences.session_index - 1 = last_silent.session_index

    where
        (
            silences.dies_of_silence
            and last_silent.market_sessions - before.market_sessions >= {{ delisted_after_sessions }}
        )
        or (
            silences.permanent_id is null
            and silences.session_index - silences.session_index_before > {{ gap_sessions }}
        )

    union

    select
        others.ticker,
        others.vendor,
        others.session_index as first_session_index

    from others

    inner join served
        on
            others.ticker = served.ticker
            and others.vendor = served.vendor

    where served.permanent_id is null

    union

    select
        resumed.ticker,
        resumed.vendor,
        resumed.session_index as first_session_index

    from resumed

    inner join served
        on
            resumed.ticker = served.ticker
            and resumed.vendor = served.vendor

),

numbered as (

    select
        ticker,
        vendor,
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
        numbered.vendor,
        numbered.spell_number,
        numbered.first_session_index,
        numbered.next_first_session_index,
        max(bars.session_index) as last_session_index

    from numbered

    inner join bars
        on
            numbered.ticker = bars.ticker
            and numbered.vendor = bars.vendor
            and numbered.first_session_index <= bars.session_index
            and bars.session_index < coalesce(numbered.next_first_session_index, 2147483647)

    group by all

),

typed as (

    select
        bounded.*,
        served.permanent_id,
        served.has_events,
        served.dies_of_silence,
        served.name,
        served.security_type,
        case
            when served.permanent_id is null
                then {{ security_key("concat_ws('|', bounded.ticker, bounded.spell_number)") }}
            else
                {{ security_key(
                    "concat_ws('|', bounded.vendor, served.permanent_id, nullif(bounded.spell_number, 1))"
                ) }}
        end as security_id

    from bounded

    inner join served
        on bounded.ticker = served.ticker

),

-- the market ends at the newest session with a bar of a common share: what runs on after it is not used
ended as (

    select
        *,
        max(last_session_index) filter (where security_type = 'common') over () as market_end_index

    from typed

),

-- the first event on or after a spell's first bar and before the next spell's
events as (

    select
        ended.security_id,
        delistings.known_session_index,
        delistings.known_at,
        delistings.cause,
        delistings.delisting_return

    from ended

    inner join delistings
        on
            ended.ticker = delistings.ticker
            and ended.vendor = delistings.vendor

    inner join sessions as first_sessions
        on ended.first_session_index = first_sessions.session_index

    left join sessions as next_sessions
        on ended.next_first_session_index = next_sessions.session_index

    where
        ended.has_events
        and delistings.ended_on >= first_sessions.session_date
        and delistings.ended_on < coalesce(next_sessions.session_date, date '9999-12-31')
        and delistings.known_session_index <= ended.market_end_index

    qualify row_number() over (partition by ended.security_id order by delistings.known_session_index) = 1

),

-- the session on which the market has traded 20 times without the name, where its symbol has not come back by then
deaths as (

    select
        ended.security_id,
        min(market_days.session_index) as known_session_index

    from ended

    inner join market_days as last_days
        on ended.last_session_index = last_days.session_index

    inner join market_days
        on last_days.market_sessions + {{ delisted_after_sessions }} = market_days.market_sessions

    where
        ended.dies_of_silence
        and market_days.session_index <= ended.market_end_index
        and market_days.session_index < coalesce(ended.next_first_session_index, 2147483647)

    group by ended.security_id

)

select
    ---------- keys; the ticker is the one of the vendor's files, whatever the date
    ended.security_id,
    ended.ticker,
    ended.spell_number::integer as spell_number,

    ---------- origin
    ended.vendor,
    ended.permanent_id,

    ---------- what it is
    ended.name,
    ended.security_type,

    ---------- first and last bar within the market
    ended.first_session_index,
    least(ended.last_session_index, ended.market_end_index) as last_session_index,
    ended.market_end_index,

    ---------- the session whose close makes the delisting known; NULL while none is
    case
        when ended.has_events then events.known_session_index
        else deaths.known_session_index
    end as delisting_known_index,
    events.known_at as delisting_known_at,

    ---------- the vendor's cause; what it makes of the last price, NULL where it does not say
    events.cause as delisting_cause,
    events.delisting_return as delisting_return_of_cause

from ended

left join events
    on ended.security_id = events.security_id

left join deaths
    on ended.security_id = deaths.security_id

where ended.first_session_index <= ended.market_end_index

order by ended.ticker, ended.spell_number
