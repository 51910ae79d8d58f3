{#- The point-in-time join for daily rows, without looking anything up and without a sort of the daily rows: of every
    event the first row of int_prices whose decision may use it is a matter of counting sessions; it is served from there
    to the row before the next event's.

    as_of_rows(events, at) writes CTEs from the CTE `events`, which has a security_id and the moment `at` from which on it
    holds, to `<events>_by_row`: the columns of events, and for every row of int_prices, in its order, the newest event
    with at <= decided_at; NULL before the first. Of events at one moment of a security none may be lost: make them one.
    To be used as the left side of a positional join with int_prices, with as_of_rows_hold(...) in the where clause, which
    stops the query unless every row is the security's own and known at its decision. Always follow it with the
    staleness rule.
    Example: with events as (...), {{ "{{ as_of_rows('events', at='known_at') }}" }}
        select ... from events_by_row positional join prices
        where {{ "{{ as_of_rows_hold('events_by_row', 'prices', at='known_at') }}" }} -#}
{% macro as_of_rows(events, at='known_at') -%}
{{ events }}_runs as (

    select * from {{ ref('int_price_runs') }}

),

-- the session whose close is the first at or after some moment of a calendar day, unless the moment is later than it
{{ events }}_days as (

    select
        unnest(
            generate_series(coalesce(previous_session_date + 1, date '1900-01-01'), session_date, interval 1 day)
        )::date as calendar_date,
        session_index,
        closes_at

    from {{ ref('int_sessions') }}

),

{{ events }}_usable as (

    select
        {{ events }}.*,
        days.session_index + ({{ events }}.{{ at }} > days.closes_at)::integer as usable_session_index

    from {{ events }}

    inner join {{ events }}_days as days
        on {{ events }}.{{ at }}::date = days.calendar_date

),

-- the first row of the security at or after that session; what comes after its last row is never served
{{ events }}_placed as (

    select
        usable.*,
        runs.first_row_number + greatest(usable.usable_session_index - runs.first_session_index, 0) as from_row_number

    from {{ events }}_usable as usable

    inner join {{ events }}_runs as runs
        on
            usable.security_id = runs.security_id
            and usable.usable_session_index between runs.serves_from_session_index and runs.last_session_index

    union all by name

    -- until its first event a security has a row of NULLs
    select
        security_id,
        first_row_number as from_row_number

    from {{ events }}_runs

    where is_first

),

{{ events }}_spans as (

    select
        placed.*,
        coalesce(lead(placed.from_row_number) over (), total.row_count + 1) - placed.from_row_number as served_rows

    from (select * from {{ events }}_placed order by from_row_number asc, {{ at }} asc nulls first) as placed

    cross join (select coalesce(max(last_row_number), 0) as row_count from {{ events }}_runs) as total

),

{{ events }}_by_row as (

    select
        * exclude (usable_session_index, from_row_number, served_rows),
        unnest(range(served_rows)) as rows_before

    from {{ events }}_spans

),
{%- endmacro %}

{#- first_may_end: in a view, which people read with a limit that ends the events first (macro same_rows). Should the
    events of a view end before the prices for another reason, the tables made of it are short, and the collector says
    so. -#}
{% macro as_of_rows_hold(by_row, prices, at='known_at', first_may_end=false) -%}
    case
        {%- if first_may_end %}
        when {{ by_row }}.security_id is null then false
        {%- endif %}
        when
            {{ by_row }}.security_id = {{ prices }}.security_id
            and coalesce({{ by_row }}.{{ at }} <= {{ prices }}.decided_at, true)
            then true
        else error('Events and int_prices do not fit together. Build them together: dbt build -s int_prices+, with --full-refresh if they still differ')
    end
{%- endmacro %}
