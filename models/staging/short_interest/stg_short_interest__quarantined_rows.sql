{#- Rows of the vendor that were refused, with the reason.
    Grain: one row per refused row. Source: short_interest short_interest. -#}

with

checked as (

    select * from {{ ref('stg_short_interest__checked_short_interest') }}

)

select
    dataset,
    file,
    reason,
    concat_ws(' ', coalesce(ticker, '(no ticker)'), coalesce(settlement_date::varchar, '(no date)')) as key,
    coalesce(
        row_error, concat_ws(', ', 'short=' || shares_short, 'float=' || float_shares, 'seen=' || known_at)
    ) as example

from checked

where reason is not null
