{#- Returns stale rows that trade, move, differ from the newest bar or stand more than 5 sessions after it. -#}

with

neighbours as (

    select
        *,
        lag(close) over () as close_before,
        lag(close_total_return) over () as total_return_before,
        lag(bars_in_history, 6) over () as bars_six_rows_before

    from {{ ref('int_prices') }}

)

select
    security_id,
    as_of_date,
    row_in_run,
    close,
    close_before

from neighbours

where
    is_stale
    and (
        row_in_run = 1
        or volume_shares <> 0
        or open <> close
        or high <> close
        or low <> close
        or close <> close_before
        or close_total_return <> total_return_before
        or (row_in_run > 6 and bars_six_rows_before = bars_in_history)
    )
