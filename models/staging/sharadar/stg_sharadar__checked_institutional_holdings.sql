{#- Holdings of institutions per quarter (SF3A), each with the reason why it is refused, or none. A row says which
    quarter's end it describes and not when it came out: known a number of days later (var holdings_known_after_days).
    Grain: one row per delivered row. Source: sharadar SF3A. -#}

with

delivered as (

    select
        _dataset as dataset,
        _file as file,
        _row_error as row_error,
        ticker,
        calendardate as period_end_date,
        shrholders as holders,
        shrunits as shares_held,
        shrvalue as value_usd

    from {{ source('sharadar', 'sf3a') }}

),

judged as (

    select
        *,
        {{ known_at('period_end_date + ' ~ setting_number('holdings_known_after_days')) }} as known_at,
        case
            when row_error is not null then 'unreadable_value'
            when ticker is null or period_end_date is null then 'null_key'
            when period_end_date > current_date then 'in_the_future'
            when shares_held is null then 'no_position'
            when not (isfinite(shares_held) and shares_held >= 0) then 'negative_position'
            when shares_held > 1e18 then 'number_too_large'
        end as row_reason

    from delivered

)

select
    * exclude (row_reason),
    case
        when row_reason is not null then row_reason
        when min(shares_held) over same_key <> max(shares_held) over same_key then 'conflicting_duplicate'
        when row_number() over (
            partition by ticker, period_end_date, row_reason
            order by file, value_usd, holders
        ) > 1 then 'duplicate_row'
    end as reason

from judged

window same_key as (partition by ticker, period_end_date, row_reason)
