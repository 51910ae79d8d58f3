{#- Snapshots of a table of short positions, each with the reason why it is refused, or none. A row is known from the
    moment of its first snapshot on, and a snapshot that has only a date as var date_only_known says. Settlement dates
    are MM/DD/YY (or YYYY-MM-DD).
    Grain: one row per delivered row, a distinct set of values. Source: short_interest short_interest. -#}

with

delivered as (

    select
        _dataset as dataset,
        _file as file,
        _row_error as row_error,
        symbol as ticker,
        coalesce(
            try_strptime(short_interest_date, '%m/%d/%y'), try_strptime(left(short_interest_date, 10), '%Y-%m-%d')
        )::date as settlement_date,
        case
            when length(trim(first_snapshot_at)) <= 10
                then {{ known_at('try_cast(trim(first_snapshot_at) as date)') }}
            else (try_cast(first_snapshot_at as timestamptz) at time zone 'UTC')::timestamp
        end as known_at,
        shares_sold_short as shares_short,
        public_float as float_shares,
        percent_of_float,
        shares_outstanding,
        short_interest_date as settlement_text,
        first_snapshot_at as snapshot_text

    from {{ source('short_interest', 'short_interest') }}

),

judged as (

    select
        *,
        case
            when row_error is not null then 'unreadable_value'
            when ticker is null or settlement_text is null or snapshot_text is null then 'null_key'
            when settlement_date is null or known_at is null then 'unreadable_value'
            when greatest(settlement_date, known_at::date) > current_date then 'in_the_future'
            when shares_short is null then 'no_position'
            when not (isfinite(shares_short) and shares_short >= 0) then 'negative_position'
            when not coalesce(isfinite(float_shares) and float_shares > 0, true) then 'bad_float'
            when greatest(shares_short, float_shares) > 1e18 then 'number_too_large'
            when float_shares < 1e-9 then 'number_too_small'
            when known_at < settlement_date then 'known_before_settlement'
        end as row_reason

    from delivered

)

select
    * exclude (row_reason, settlement_text, snapshot_text),
    case
        when row_reason is not null then row_reason
        when
            min(shares_short) over same_key <> max(shares_short) over same_key
            or min(coalesce(float_shares, 0)) over same_key <> max(coalesce(float_shares, 0)) over same_key
            then 'conflicting_duplicate'
        when row_number() over (
            partition by ticker, settlement_date, known_at, row_reason
            order by file, shares_outstanding, percent_of_float
        ) > 1 then 'duplicate_row'
    end as reason

from judged

window same_key as (partition by ticker, settlement_date, known_at, row_reason)
