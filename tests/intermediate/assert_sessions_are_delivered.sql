{#- Returns sessions between the market's first and last bar on which fewer than half as many names have a bar as on the
    fullest of the 20 sessions before: a delivery that is missing or cut off. Its names are carried at their last price
    for up to 5 sessions, and their runs end after that. Fewer than var min_cross_section names are no market in which a
    half is missing. A warning and no failure: exchanges close unforeseen too, and where a file hands over to a smaller one
    the 20 sessions after it are named. -#}

{{ config(severity='warn') }}

with

fresh as (

    select
        as_of_date as session_date,
        count(*) filter (where not is_stale) as names

    from {{ ref('int_prices') }}

    group by as_of_date

),

span as (

    select
        min(session_date) as first_session_date,
        max(session_date) as last_session_date

    from fresh

),

market as (

    select
        sessions.session_date,
        coalesce(fresh.names, 0) as names

    from {{ ref('int_sessions') }} as sessions

    inner join span
        on sessions.session_date between span.first_session_date and span.last_session_date

    left join fresh
        on sessions.session_date = fresh.session_date

),

compared as (

    select
        session_date,
        names,
        max(names) over (
            order by session_date
            rows between 20 preceding and 1 preceding
        ) as names_before

    from market

)

select
    session_date,
    names,
    names_before,
    'bars of this session are missing: deliver them, or their names are carried at their last price' as finding

from compared

where
    names < names_before / 2
    and names_before >= {{ setting_number('min_cross_section') }}
