{#- Bars made dense: a session without a bar within 5 sessions of the newest bar is a row that carries close and total
    return, with volume 0 and is_stale; after 5 there is no row until bars resume. Nothing after the market's end, and
    nothing from the session on at whose close a delisting is known.
    close_unadjusted is the vendor's, else it undoes the splits between the row and the dataset's basis date; NULL where
    neither is there. A split between a bar and a row that carries it moves the carried price as traded.
    Grain: one row per session and security. Source: int_bars, int_spells, int_split_levels, int_ticker_spells. Stored
    by (security_id, as_of_date): int_prices streams over it. -#}

{%- set carried_sessions = 5 %}

with

bars as (

    select
        *,
        case
            when lag(ticker) over () = ticker and lag(vendor) over () = vendor then lag(session_index) over ()
        end as previous_session_index,
        case
            when lead(ticker) over () = ticker and lead(vendor) over () = vendor then lead(session_index) over ()
        end as next_session_index

    from {{ ref('int_bars') }}

    where reason is null

),

spells as (

    select * from {{ ref('int_spells') }}

),

sessions as (

    select * from {{ ref('int_sessions') }}

),

split_levels as (

    select * from {{ ref('int_split_levels') }}

),

actions as (

    select count(*) > 0 as are_delivered

    from {{ source('market', 'files') }}

    where table_name = 'actions'

),

splits as (

    select * from {{ ref('int_splits') }}

),

-- securities that were called otherwise than today's file calls them
renamed as (

    select
        names.security_id,
        names.ticker,
        names.valid_from,
        names.valid_to

    from {{ ref('int_ticker_spells') }} as names

    inner join spells
        on names.security_id = spells.security_id

    where
        names.ticker_of = 'date'
        and names.ticker <> spells.ticker

),

fresh as (

    select
        spells.security_id,
        bars.*,
        bars.session_index = spells.first_session_index
        or bars.session_index - bars.previous_session_index - 1 > {{ carried_sessions }} as is_run_start,
        least(
            coalesce(bars.next_session_index - 1, spells.market_end_index),
            bars.session_index + {{ carried_sessions }},
            coalesce(spells.delisting_known_index - 1, spells.market_end_index),
            spells.market_end_index
        ) as last_carried_index

    from bars

    inner join spells
        on
            bars.ticker = spells.ticker
            and bars.vendor = spells.vendor
            and bars.session_index between spells.first_session_index and spells.last_session_index

),

counted as (

    select
        *,
        row_number() over by_security as bars_in_history,
        max(case when is_run_start then session_index end) over by_security as run_start_index

    from fresh

    window
        by_security as (
            partition by security_id
            order by session_index
        )

),

carried as (

    select
        * exclude (session_index),
        session_date as bar_date,
        unnest(range(session_index + 1, last_carried_index + 1)) as session_index

    from counted

    where last_carried_index > session_index

),

dense as (

    select
        security_id,
        session_index,
        ticker,
        dataset,
        run_start_index,
        bars_in_history,
        false as is_stale,
        open,
        high,
        low,
        close,
        close_total_return,
        close_unadjusted,
        volume_shares,
        null::date as bar_date

    from counted

    union all

    select
        security_id,
        session_index,
        ticker,
        dataset,
        run_start_index,
        bars_in_history,
        true as is_stale,
        close as open,
        close as high,
        close as low,
        close,
        close_total_return,
        close_unadjusted,
        0 as volume_shares,
        bar_date

    from carried

),

dated as (

    select
        dense.*,
        sessions.session_date as as_of_date,
        sessions.closes_at

    from dense

    inner join sessions
        on dense.session_index = sessions.session_index

),

-- splits between a bar and a row that carries it, newest last
split_since_bar as (

    select
        dated.security_id,
        dated.as_of_date,
        list_product(list(splits.factor order by splits.split_date)) as factor

    from dated

    inner join splits
        on
            dated.ticker = splits.ticker
            and dated.bar_date < splits.split_date
            and dated.as_of_date >= splits.split_date

    where
        dated.is_stale
        and dated.close_unadjusted is not null

    group by dated.security_id, dated.as_of_date

),

unadjusted as (

    select
        ---------- keys
        dated.as_of_date,
        dated.security_id,
        coalesce(renamed.ticker, dated.ticker) as ticker,
        dated.session_index::integer as session_index,

        ---------- point in time
        dated.closes_at as known_at,

        ---------- place; a run has a row for each of its sessions
        (dated.session_index - dated.run_start_index + 1)::integer as row_in_run,
        dated.bars_in_history::integer as bars_in_history,
        dated.is_stale,

        ---------- bar
        dated.open,
        dated.high,
        dated.low,
        dated.close,
        dated.close_total_return,
        case
            when split_since_bar.factor is not null then dated.close_unadjusted / split_since_bar.factor
            when dated.close_unadjusted is not null then dated.close_unadjusted
            when actions.are_delivered then dated.close * coalesce(split_levels.price_multiplier, 1)
        end as close_unadjusted,
        dated.volume_shares

    from dated

    cross join actions

    asof left join split_levels
        on
            dated.dataset = split_levels.dataset
            and dated.ticker = split_levels.ticker
            and dated.as_of_date < split_levels.split_date

    left join renamed
        on
            dated.security_id = renamed.security_id
            and dated.as_of_date >= renamed.valid_from
            and dated.as_of_date < renamed.valid_to

    left join split_since_bar
        on
            dated.security_id = split_since_bar.security_id
            and dated.as_of_date = split_since_bar.as_of_date

)

select * from unadjusted

order by security_id, as_of_date
