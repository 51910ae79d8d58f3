{#- Where the unbroken runs of int_prices stand in storage: what lets a moment of a security be turned into a row number
    instead of being looked up (macro as_of_rows).
    Grain: one row per security_id and run. A view, so that it cannot fall behind int_prices. A run has a row for each of
    its sessions, and int_prices is stored by (security_id, as_of_date). Inside a feature family that adds to its table
    these are the runs of the rows to compute (macro rows_to_compute): a run then begins where its rows to compute do. -#}
{{ config(materialized='view') }}

with

numbered as (

    select
        security_id,
        session_index,
        row_in_run,
        coalesce(lag(security_id) over () != security_id, true) as is_first,
        row_number() over () as row_number

    from {{ ref('int_prices') }}

    where {{ rows_to_compute(is_view=true) }}

),

total as (

    select count(*) as row_count

    from {{ ref('int_prices') }}

    where {{ rows_to_compute(is_view=true) }}

),

starts as (

    select
        security_id,
        session_index,
        row_number,
        is_first,
        lead(row_number) over () as next_row_number

    from numbered

    where
        row_in_run = 1
        or (is_first and getvariable('sessions_back') is not null)

),

extents as (

    select
        starts.security_id,
        starts.session_index as first_session_index,
        starts.session_index
        + coalesce(starts.next_row_number, total.row_count + 1) - starts.row_number - 1 as last_session_index,
        starts.is_first,
        starts.row_number as first_row_number,
        coalesce(starts.next_row_number, total.row_count + 1) - 1 as last_row_number

    from starts

    cross join total

),

runs as (

    select
        ---------- keys
        security_id,
        first_session_index,

        ---------- extent in sessions, and from where on its first row is the next one the security has
        case when is_first then 0 else lag(last_session_index) over () + 1 end as serves_from_session_index,
        last_session_index,
        is_first,

        ---------- extent in rows, the first row of int_prices being number 1
        first_row_number,
        last_row_number

    from extents

)

select * from runs
