{#- Short positions as the exchanges report them twice a month, each with the reason why it is refused, or none. The
    rows say what they describe and not when they came out: known a number of sessions after settlement (var
    short_interest_known_after_sessions), at that date's end. When a revision of a row stands beside it, nobody can
    tell since when, and the first report is served.
    Grain: one row per delivered row. Source: finra short_interest. -#}

with

delivered as (

    select
        _dataset as dataset,
        _file as file,
        _row_error as row_error,
        symbolcode as ticker,
        settlementdate as settlement_date,
        currentshortpositionquantity as shares_short,
        averagedailyvolumequantity as average_daily_volume_shares,
        daystocoverquantity as days_to_cover,
        coalesce(nullif(upper(trim(revisionflag)), ''), 'N') not in ('N', 'NO', 'FALSE', '0') as is_restated_value

    from {{ source('finra', 'short_interest') }}

),

sessions as (

    select
        session_date,
        lead(session_date, {{ setting_number('short_interest_known_after_sessions') }}) over (
            order by session_date
        ) as published_date

    from {{ ref('sessions') }}

),

dated as (

    select
        delivered.*,
        {{ known_at('sessions.published_date') }} as known_at

    from delivered

    asof left join sessions
        on delivered.settlement_date >= sessions.session_date

),

judged as (

    select
        *,
        case
            when row_error is not null then 'unreadable_value'
            when ticker is null or settlement_date is null or known_at is null then 'null_key'
            when settlement_date > current_date then 'in_the_future'
            when shares_short is null then 'no_position'
            when not (isfinite(shares_short) and shares_short >= 0) then 'negative_position'
            when shares_short > 1e18 then 'number_too_large'
        end as row_reason

    from dated

)

select
    * exclude (row_reason),
    case
        when row_reason is not null then row_reason
        when is_restated_value and bool_or(not is_restated_value) over same_key then 'revision_of_unknown_date'
        when
            min(shares_short) over same_kind <> max(shares_short) over same_kind
            then 'conflicting_duplicate'
        when
            row_number() over (
                partition by ticker, settlement_date, row_reason, is_restated_value
                order by file
            ) > 1
            then 'duplicate_row'
    end as reason

from judged

window
    same_key as (partition by ticker, settlement_date, row_reason),
    same_kind as (partition by ticker, settlement_date, row_reason, is_restated_value)
