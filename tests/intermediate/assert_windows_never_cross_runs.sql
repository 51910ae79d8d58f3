{#- Returns rows of int_prices whose place in the run is not the neighbour's plus one, although row_in_run says that the
    neighbour belongs to the window: windows stream over storage and trust this guard. -#}

with

neighbours as (

    select
        security_id,
        as_of_date,
        session_index,
        row_in_run,
        lag(security_id) over () as security_before,
        lag(session_index) over () as session_before,
        lag(row_in_run) over () as row_before

    from {{ ref('int_prices') }}

)

select *

from neighbours

where
    row_in_run > 1
    and (
        security_before is null
        or security_before <> security_id
        or session_before <> session_index - 1
        or row_before <> row_in_run - 1
    )
