{#- Rows of the vendor that were refused, with the reason.
    Grain: one row per refused row. Source: sp500 membership. -#}

with

checked as (

    select * from {{ ref('stg_sp500__checked_memberships') }}

)

select
    dataset,
    file,
    reason,
    concat_ws(' ', coalesce(ticker, '(no ticker)'), coalesce(start_date::varchar, '(no date)')) as key,
    coalesce(row_error, concat('start=', start_date, ' end=', end_date)) as example

from checked

where reason is not null
