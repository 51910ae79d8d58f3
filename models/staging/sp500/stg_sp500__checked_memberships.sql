{#- Spells of index membership as delivered, each with the reason why it is refused, or none. A start to come is refused
    until its day, like any row that nobody can know yet; an end to come stays, for the keeper announces it, the member is
    one until then, and the end counts from its own date. A spell that begins before an earlier one of the name has ended
    contradicts it: the earlier one stays. One that begins on the last day of another follows it.
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
            when start_date > current_date then 'in_the_future'
            when end_date < start_date then 'end_before_start'
        end as row_reason

    from delivered

),

compared as (

    select
        * exclude (row_reason),
        case
            when row_reason is not null then row_reason
            when count(distinct coalesce(end_date, date '9999-12-31')) over same_key > 1 then 'conflicting_duplicate'
            when row_number() over (
                partition by ticker, start_date, row_reason
                order by file
            ) > 1 then 'duplicate_row'
        end as key_reason

    from judged

    window same_key as (partition by ticker, start_date, row_reason)

)

select
    * exclude (key_reason),
    case
        when key_reason is not null then key_reason
        when start_date < max(coalesce(end_date, date '9999-12-31')) over earlier_spells then 'overlapping_spell'
    end as reason

from compared

window
    earlier_spells as (
        partition by {{ plain_symbol('ticker') }}, key_reason
        order by start_date, ticker
        rows between unbounded preceding and 1 preceding
    )
