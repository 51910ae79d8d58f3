{#- Dividends and splits as delivered, each with the reason why it is refused, or none. Split in two by
    stg_yahoo__actions (reason is NULL) and stg_yahoo__quarantined_rows. An ex-date to come is refused until its day: no
    price is adjusted for such a split yet.
    Grain: one row per delivered row. Source: yahoo actions*. -#}

with

delivered as (

    select
        _dataset as dataset,
        _file as file,
        _row_error as row_error,
        ticker,
        date as action_date,
        coalesce(dividends, 0) as dividend_usd,
        coalesce("Stock Splits", 0) as split_factor

    from {{ source('yahoo', 'actions') }}

),

judged as (

    select
        *,
        case
            when row_error is not null then 'unreadable_value'
            when ticker is null or action_date is null then 'null_key'
            when action_date > current_date then 'in_the_future'
            when not (split_factor = 0 or split_factor between 1e-6 and 1e6) then 'bad_split_factor'
            when not (isfinite(dividend_usd) and dividend_usd >= 0) then 'bad_dividend'
        end as row_reason

    from delivered

),

-- rows that repeat a key are compared; only good rows count
compared as (

    select
        *,
        row_number() over (
            partition by ticker, action_date, row_reason
            order by file
        ) as copy,
        min(split_factor) over same_key <> max(split_factor) over same_key
        or min(dividend_usd) over same_key <> max(dividend_usd) over same_key as is_conflicting

    from judged

    window same_key as (partition by ticker, action_date, row_reason)

)

{{ reasons_of_compared() }}
