{#- The vendor's own market values as delivered, each row with the reason why it is refused, or none.
    Grain: one row per delivered row. Source: sharadar DAILY. -#}

with

delivered as (

    select
        _dataset as dataset,
        _file as file,
        _row_error as row_error,
        ticker,
        date as as_of_date,
        marketcap

    from {{ source('sharadar', 'daily') }}

),

judged as (

    select
        *,
        case
            when row_error is not null then 'unreadable_value'
            when ticker is null or as_of_date is null then 'null_key'
            when as_of_date > current_date then 'in_the_future'
            when not isfinite(coalesce(marketcap, 0)) then 'not_finite'
        end as row_reason

    from delivered

),

{{ checked_keys('as_of_date', differs='marketcap') }}
