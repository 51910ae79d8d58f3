{#- Rows of the vendor's list of securities as delivered, each with the reason why it is refused, or none. The list has
    a row per table of the vendor and ticker; a ticker with two permanent ids, or an id with two tickers, cannot be told
    apart, and all its rows are refused.
    Grain: one row per delivered row. Source: sharadar TICKERS. -#}

with

delivered as (

    select
        listing._dataset as dataset,
        listing._file as file,
        listing._row_error as row_error,
        listing.table as price_table,
        listing.permaticker as permanent_id,
        listing.ticker,
        listing.name,
        listing.exchange,
        listing.category,
        listing.sector,
        listing.industry,
        listing.currency

    from {{ source('sharadar', 'tickers') }} as listing

),

judged as (

    select
        *,
        case
            when row_error is not null then 'unreadable_value'
            when ticker is null or permanent_id is null or price_table is null then 'null_key'
        end as row_reason

    from delivered

),

compared as (

    select
        *,
        row_number() over (
            partition by price_table, ticker, row_reason
            order by file, name, exchange, category, sector, industry, currency
        ) as copy,
        min(permanent_id) over of_ticker <> max(permanent_id) over of_ticker
        or min(ticker) over of_id <> max(ticker) over of_id as is_conflicting

    from judged

    window
        of_ticker as (partition by ticker, row_reason),
        of_id as (partition by permanent_id, row_reason)

)

select
    * exclude (row_reason, copy, is_conflicting),
    case
        when row_reason is not null then row_reason
        when is_conflicting then 'conflicting_duplicate'
        when copy > 1 then 'duplicate_key'
    end as reason

from compared
