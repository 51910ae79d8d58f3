{#- Rows of the vendor that were refused, with the reason.
    Grain: one row per refused row. Source: finnhub insider_transactions. -#}

with

checked as (

    select * from {{ ref('stg_finnhub__checked_insider_transactions') }}

)

select
    dataset,
    file,
    reason,
    concat_ws(' ', coalesce(ticker, '(no ticker)'), insider, coalesce(filing_date::varchar, '(no date)')) as key,
    coalesce(
        row_error,
        concat_ws(
            ', ', 'code=' || code, 'traded=' || transaction_date, 'shares=' || shares, 'price=' || price_usd,
            case when is_acquired then 'acquired' when not is_acquired then 'disposed' end
        )
    ) as example

from checked

where reason is not null
