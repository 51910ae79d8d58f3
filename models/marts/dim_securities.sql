{#- The securities this market knows, with their last ticker. Attributes that the vendor gives only as of today are
    flagged is_snapshot and belong to no past date. Grain: one row per security_id. Source: int_securities. -#}

with

securities as (

    select
        security_id,
        ticker,
        name,
        security_type,
        exchange,
        sector,
        industry,
        first_price_date,
        last_price_date,
        is_delisted,
        delisting_return,
        is_delisting_return_imputed,
        is_snapshot

    from {{ ref('int_securities') }}

)

select * from securities
order by security_id
