{#- Rows of the vendor that were refused, with the reason.
    Grain: one row per refused row. Source: sharadar SF2, SF3A. -#}

with

checked as (

    select * from {{ ref('stg_sharadar__checked_insider_transactions') }}

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

union all

select
    dataset,
    file,
    reason,
    concat_ws(' ', coalesce(ticker, '(no ticker)'), coalesce(period_end_date::varchar, '(no date)')) as key,
    coalesce(
        row_error, concat_ws(', ', 'shares=' || shares_held, 'value=' || value_usd, 'holders=' || holders)
    ) as example

from {{ ref('stg_sharadar__checked_institutional_holdings') }}

where reason is not null
