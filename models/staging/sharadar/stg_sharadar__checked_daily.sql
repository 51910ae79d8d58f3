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
            when not isfinite(coalesce(marketcap, 0)) then 'not_finite'
        end as row_reason

    from delivered

),

repeated_keys as (

    select
        ticker,
        as_of_date,
        count(distinct marketcap) > 1 as is_conflicting

    from judged

    where row_reason is null

    group by ticker, as_of_date

    having count(*) > 1

),

compared as (

    select
        judged.*,
        repeated_keys.is_conflicting,
        case
            when repeated_keys.ticker is not null
                then row_number() over (
                    partition by judged.ticker, judged.as_of_date, judged.row_reason
                    order by judged.file
                )
        end as copy

    from judged

    left join repeated_keys
        on
            judged.ticker = repeated_keys.ticker
            and judged.as_of_date = repeated_keys.as_of_date

)

select
    * exclude (row_reason, copy, is_conflicting),
    case
        when row_reason is not null then row_reason
        when is_conflicting then 'conflicting_duplicate'
        when copy > 1 then 'duplicate_row'
    end as reason

from compared
