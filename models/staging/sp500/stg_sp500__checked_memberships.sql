{#- Spells of index membership as delivered, each with the reason why it is refused, or none.
    Grain: one row per delivered row. Source: sp500 membership. -#}

with

delivered as (

    select
        _dataset as dataset,
        _file as file,
        _row_error as row_error,
        ticker,
        start_date,
        end_date

    from {{ source('sp500', 'membership') }}

),

judged as (

    select
        *,
        case
            when row_error is not null then 'unreadable_value'
            when ticker is null or start_date is null then 'null_key'
            when end_date < start_date then 'end_before_start'
        end as row_reason

    from delivered

)

select
    * exclude (row_reason),
    case
        when row_reason is not null then row_reason
        when count(distinct coalesce(end_date, date '9999-12-31')) over same_key > 1 then 'conflicting_duplicate'
        when row_number() over (
            partition by ticker, start_date, row_reason
            order by file
        ) > 1 then 'duplicate_row'
    end as reason

from judged

window same_key as (partition by ticker, start_date, row_reason)
