{#- Bars as delivered, each with the reason why it is refused, or none. Split in two by stg_yahoo__prices (reason is
    NULL) and stg_yahoo__quarantined_rows. Reasons are given in the order of the case below, the first that holds.
    Grain: one row per delivered row. Source: yahoo prices*. -#}

with

delivered as (

    select
        _dataset as dataset,
        _file as file,
        _row_error as row_error,
        ticker,
        date as session_date,
        open::double as open,
        high::double as high,
        low::double as low,
        close::double as close,
        "Adj Close" as close_total_return,
        volume as volume_shares

    from {{ source('yahoo', 'prices') }}

),

{{ checked_bars() }}
