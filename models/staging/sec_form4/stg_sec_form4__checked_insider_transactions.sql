{#- Insider transactions from the forms themselves, each with the reason why it is refused, or none. Acquired or
    disposed is the form's own mark; a file without it says so for P and S by their code. A price of 0 for a trade
    in the market is a missing one.
    Grain: one row per delivered row. Source: sec_form4. -#}

with

delivered as (

    select
        _dataset as dataset,
        _file as file,
        _row_error as row_error,
        ticker,
        owner_name as insider,
        coalesce(
            nullif(trim(owner_title), ''),
            case when lower(is_officer) in ('true', '1', 'y') then 'officer' end,
            case when lower(is_director) in ('true', '1', 'y') then 'director' end
        ) as role,
        transaction_date,
        filing_date,
        upper(trim(transaction_code)) as code,
        case coalesce(
            nullif(upper(trim(acquired_disposed)), ''),
            case upper(trim(transaction_code)) when 'P' then 'A' when 'S' then 'D' end
        )
            when 'A' then true when 'ACQUIRED' then true when 'D' then false when 'DISPOSED' then false
        end as is_acquired,
        false as is_derivative,
        shares,
        case when not (price_per_share = 0 and upper(trim(transaction_code)) in ('P', 'S')) then price_per_share end
            as price_usd,
        shares_after as shares_held_after,
        accession as filing_id,
        price_per_share as delivered_price

    from {{ source('sec_form4', 'transactions') }}

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
        -- equal in all that tells transactions apart
        when row_number() over (
            partition by
                dataset, ticker, insider, role, transaction_date, filing_date, code, is_acquired, shares,
                delivered_price, shares_held_after, filing_id, row_reason
            order by file
        ) > 1 then 'duplicate_row'
    end as reason

from judged
