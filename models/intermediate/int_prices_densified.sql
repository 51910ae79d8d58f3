{#- Bars made dense: a session without a bar within 5 sessions of the newest bar is a row that carries close and total
    return, with volume 0 and is_stale; after 5 there is no row until bars resume. Nothing after the market's end.
    close_unadjusted undoes the splits between the row and the dataset's basis date; NULL in a market without actions.
    Grain: one row per session and security. Source: int_bars, int_spells, int_split_levels. Stored by
    (security_id, as_of_date): int_prices streams over it. -#}

{%- set carried_sessions = 5 %}

with

bars as (

    select
        *,
        case when lag(ticker) over () = ticker then lag(session_index) over () end as previous_session_index,
        case when lead(ticker) over () = ticker then lead(session_index) over () end as next_session_index

    from {{ ref('int_bars') }}

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

    from {{ ref('stg_yahoo__actions') }}

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
            spells.market_end_index
        ) as last_carried_index

    from bars

    inner join spells
        on
            bars.ticker = spells.ticker
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
        volume_shares

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
        0 as volume_shares

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

unadjusted as (

    select
        ---------- keys
        dated.as_of_date,
        dated.security_id,
        dated.ticker,
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
        case when actions.are_delivered then dated.close * coalesce(split_levels.price_multiplier, 1) end
            as close_unadjusted,
        dated.volume_shares

    from dated

    cross join actions

    asof left join split_levels
        on
            dated.dataset = split_levels.dataset
            and dated.ticker = split_levels.ticker
            and dated.as_of_date < split_levels.split_date

)

select * from unadjusted

order by security_id, as_of_date
