{#- Rows of the vendor that were refused, with the reason.
    Grain: one row per refused row. Source: yahoo prices*, actions*. -#}

with

prices as (

    select * from {{ ref('stg_yahoo__checked_prices') }}

    where reason is not null

),

actions as (

    select * from {{ ref('stg_yahoo__checked_actions') }}

    where reason is not null

)

select
    dataset,
    file,
    reason,
    concat_ws(' ', coalesce(ticker, '(no ticker)'), coalesce(session_date::varchar, '(no date)')) as key,
    coalesce(
        row_error,
        concat(
            'O=', open, ' H=', high, ' L=', low, ' C=', close, ' adj=', close_total_return, ' V=', volume_shares
        )
    ) as example

from prices

union all

select
    dataset,
    file,
    reason,
    concat_ws(' ', coalesce(ticker, '(no ticker)'), coalesce(action_date::varchar, '(no date)')) as key,
    coalesce(row_error, concat('split=', split_factor, ' dividend=', dividend_usd)) as example

from actions
