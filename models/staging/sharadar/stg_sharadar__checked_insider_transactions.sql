{#- Insider transactions of the vendor (SF2), each with the reason why it is refused, or none. Holdings that a form
    lists beside its transactions carry no code. securityadcode begins with D for derivatives and ends with A or D
    for acquired or disposed; without it the sign of the shares says so.
    Grain: one row per delivered row. Source: sharadar SF2. -#}

with

delivered as (

    select
        _dataset as dataset,
        _file as file,
        _row_error as row_error,
        ticker,
        ownername as insider,
        coalesce(
            nullif(trim(officertitle), ''),
            case when upper(isofficer) = 'Y' then 'officer' end,
            case when upper(isdirector) = 'Y' then 'director' end,
            case when upper(istenpercentowner) = 'Y' then '10% owner' end
        ) as role,
        transactiondate as transaction_date,
        filingdate as filing_date,
        nullif(upper(trim(transactioncode)), '') as code,
        case
            when length(trim(securityadcode)) = 2 and right(trim(securityadcode), 1) in ('A', 'D')
                then right(trim(securityadcode), 1) = 'A'
            when transactionshares <> 0 then transactionshares > 0
        end as is_acquired,
        coalesce(starts_with(trim(securityadcode), 'D'), false) as is_derivative,
        abs(transactionshares) as shares,
        case
            when
                not (transactionpricepershare = 0 and upper(trim(transactioncode)) in ('P', 'S'))
                then transactionpricepershare
        end as price_usd,
        sharesownedfollowingtransaction as shares_held_after,
        null::varchar as filing_id,
        formtype as form_type,
        securitytitle as security_title,
        transactionpricepershare as delivered_price,
        rownum as row_number_in_form

    from {{ source('sharadar', 'sf2') }}

),

judged as (

    select
        *,
        {{ insider_refusal() }} as row_reason

    from delivered

)

select
    * exclude (row_reason, delivered_price, row_number_in_form, form_type, security_title),
    case
        when row_reason is not null then row_reason
        -- equal in all that tells transactions apart
        when row_number() over (
            partition by
                dataset, ticker, insider, role, transaction_date, filing_date, code, is_acquired, shares,
                delivered_price, shares_held_after, form_type, security_title, row_number_in_form, row_reason
            order by file
        ) > 1 then 'duplicate_row'
    end as reason

from judged
