{#- Insider transactions of the vendor, each with the reason why it is refused, or none. The vendor signs the change in
    shares and gives no role; a price of 0 for a trade in the market is a missing one.
    Grain: one row per delivered row. Source: finnhub insider_transactions. -#}

with

delivered as (

    select
        _dataset as dataset,
        _file as file,
        _row_error as row_error,
        symbol as ticker,
        name as insider,
        null::varchar as role,
        transactiondate as transaction_date,
        filingdate as filing_date,
        upper(trim(transactioncode)) as code,
        case when change <> 0 then change > 0 end as is_acquired,
        false as is_derivative,
        abs(change) as shares,
        case when not (transactionprice = 0 and upper(trim(transactioncode)) in ('P', 'S')) then transactionprice end
            as price_usd,
        share as shares_held_after,
        id as filing_id,
        transactionprice as delivered_price

    from {{ source('finnhub', 'insider_transactions') }}

),

judged as (

    select
        *,
        {{ insider_refusal() }} as row_reason

    from delivered

)

select
    * exclude (row_reason, delivered_price),
    case
        when row_reason is not null then row_reason
        -- equal in all that the vendor delivers
        when row_number() over (
            partition by
                dataset, ticker, insider, transaction_date, filing_date, code, is_acquired, shares, delivered_price,
                shares_held_after, filing_id, row_reason
            order by file
        ) > 1 then 'duplicate_row'
    end as reason

from judged
