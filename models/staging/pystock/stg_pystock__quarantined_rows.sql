{#- Rows of the vendor that were refused, with the reason. A bar's second copy is no duplicate: it says what became
    of the adjusted close; only one that cannot be read stands here.
    Grain: one row per refused row. Source: pystock prices, reports. -#}

with

prices as (

    select * from {{ ref('stg_pystock__checked_prices') }}

    where reason is not null

),

later_copies as (

    select * from {{ ref('stg_pystock__price_copies') }}

    where
        copy > 1
        and row_error is not null

),

reports as (

    select * from {{ ref('stg_pystock__checked_reports') }}

    where reason is not null

)

select
    dataset,
    file,
    reason,
    concat_ws(' ', coalesce(ticker, '(no ticker)'), coalesce(session_date::varchar, '(no date)')) as key,
    coalesce(
        row_error,
        concat('O=', open, ' H=', high, ' L=', low, ' C=', close, ' adj=', close_total_return, ' V=', volume_shares)
    ) as example

from prices

union all

select
    dataset,
    file,
    'unreadable_value' as reason,
    concat_ws(' ', coalesce(ticker, '(no ticker)'), coalesce(session_date::varchar, '(no date)')) as key,
    row_error as example

from later_copies

union all

select
    dataset,
    file,
    reason,
    concat_ws(' ', coalesce(ticker, '(no ticker)'), coalesce(period_end_date::varchar, '(no date)')) as key,
    coalesce(
        row_error,
        concat_ws(
            ', ', fiscal_period, doc_type, case when is_amendment then 'amendment' end, 'collected=' || published_date
        )
    ) as example

from reports
