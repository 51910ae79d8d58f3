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
            when sector is null then 'no_sector'
        end as row_reason

    from delivered

),

repeated_keys as (

    select
        ticker,
        valid_from,
        count(distinct concat_ws('|', sector, industry)) > 1 as is_conflicting

    from judged

    where row_reason is null

    group by ticker, valid_from

    having count(*) > 1

),

compared as (

    select
        judged.*,
        repeated_keys.is_conflicting,
        case
            when repeated_keys.ticker is not null
                then row_number() over (
                    partition by judged.ticker, judged.valid_from, judged.row_reason
                    order by judged.file
                )
        end as copy

    from judged

    left join repeated_keys
        on
            judged.ticker = repeated_keys.ticker
            and judged.valid_from = repeated_keys.valid_from

)

select
    * exclude (row_reason, copy, is_conflicting),
    case
        when row_reason is not null then row_reason
        when is_conflicting then 'conflicting_duplicate'
        when copy > 1 then 'duplicate_row'
    end as reason

from compared
