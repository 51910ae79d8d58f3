{#- Bars as they were first collected, each with the reason why it is refused, or none. Prices are as traded. Split
    in two by stg_pystock__prices (reason is NULL) and stg_pystock__quarantined_rows.
    Grain: one row per delivered row of the first archive that holds its ticker and day. Source: pystock prices. -#}

with

delivered as (

    select
        dataset,
        file,
        case when collected_date is null then coalesce(row_error, 'collected_date is empty') else row_error end
            as row_error,
        ticker,
        session_date,
        open,
        high,
        low,
        close,
        adj_close as close_total_return,
        volume_shares

    from {{ ref('stg_pystock__price_copies') }}

    where copy = 1

),

{{ checked_bars() }}
