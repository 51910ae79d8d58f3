{#- Bars as collected. Each day's archive holds that day and the day before, so that a bar comes twice: first (copy
    1) as it was known on its day, then, with the next day's archive, with what has become of its adjusted close.
    Rows that stand twice in one archive have the same copy.
    Grain: one row per delivered row. Source: pystock prices. -#}

select
    ---------- keys
    _dataset as dataset,
    _file as file,
    _row_error as row_error,
    symbol as ticker,
    date as session_date,
    collected_date,
    dense_rank() over (
        partition by symbol, date
        order by collected_date
    ) as copy,

    ---------- prices as traded, and the close adjusted for what was known when it was collected
    open,
    high,
    low,
    close,
    adj_close,
    volume as volume_shares

from {{ source('pystock', 'prices') }}
