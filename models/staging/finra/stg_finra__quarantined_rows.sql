{#- Rows of the vendor that were refused, with the reason.
    Grain: one row per refused row. Source: finra short_interest. -#}

with

checked as (

    select * from {{ ref('stg_finra__checked_short_interest') }}

)

select
    dataset,
    file,
    reason,
    concat_ws(' ', coalesce(ticker, '(no ticker)'), coalesce(settlement_date::varchar, '(no date)')) as key,
    coalesce(row_error, concat_ws(', ', 'short=' || shares_short, 'volume=' || average_daily_volume_shares)) as example

from checked

where reason is not null
