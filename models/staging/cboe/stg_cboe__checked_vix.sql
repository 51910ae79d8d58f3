{#- VIX rows as delivered, each with the reason why it is refused, or none.
    Grain: one row per delivered row. Source: cboe VIX_History. -#}

with

delivered as (

    select
        _dataset as dataset,
        _file as file,
        _row_error as row_error,
        date as session_date,
        close as vix_close

    from {{ source('cboe', 'vix_history') }}

),

sessions as (

    select * from {{ ref('sessions') }}

),

judged as (

    select
        delivered.*,
        sessions.closes_at,
        case
            when delivered.row_error is not null then 'unreadable_value'
            when delivered.session_date is null then 'null_key'
            when delivered.session_date > current_date then 'in_the_future'
            when sessions.session_date is null then 'not_a_session'
            when delivered.vix_close is null then 'null_price_or_volume'
            when not isfinite(delivered.vix_close) then 'infinite_price'
            when delivered.vix_close <= 0 then 'non_positive_price'
            when delivered.vix_close > 1e18 then 'number_too_large'
            when delivered.vix_close < 1e-9 then 'number_too_small'
        end as row_reason

    from delivered

    left join sessions
        on delivered.session_date = sessions.session_date

)

select
    * exclude (row_reason),
    case
        when row_reason is not null then row_reason
        when min(vix_close) over same_key <> max(vix_close) over same_key then 'conflicting_duplicate'
        when row_number() over (
            partition by session_date, row_reason
            order by file
        ) > 1 then 'duplicate_row'
    end as reason

from judged

window same_key as (partition by session_date, row_reason)
