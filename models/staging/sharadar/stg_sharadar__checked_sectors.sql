{#- Sector and industry from a date on as delivered, each row with the reason why it is refused, or none.
    Grain: one row per delivered row. Source: sharadar SECTORS. -#}

with

delivered as (

    select
        _dataset as dataset,
        _file as file,
        _row_error as row_error,
        ticker,
        date as valid_from,
        sector,
        industry

    from {{ source('sharadar', 'sectors') }}

),

judged as (

    select
        *,
        case
            when row_error is not null then 'unreadable_value'
            when ticker is null or valid_from is null then 'null_key'
            when valid_from > current_date then 'in_the_future'
            when sector is null then 'no_sector'
        end as row_reason

    from delivered

),

{{ checked_keys('valid_from', differs="concat_ws('|', sector, industry)") }}
