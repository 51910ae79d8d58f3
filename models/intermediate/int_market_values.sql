{#- Market values as people look at them: company size and price-to-sales on every day.
    Grain: one row per (as_of_date, security_id), the rows of int_prices. A view on int_fundamentals_as_of. -#}

with

fundamentals as (

    select * from {{ ref('int_fundamentals_as_of') }}

),

market_values as (

    select
        ---------- keys and point in time
        as_of_date,
        security_id,
        known_at,

        ---------- market value
        market_value_usd,
        shares_at_t,
        is_shares_suspect,
        is_basis_assumed,

        ---------- sales
        revenue_ttm,
        market_value_usd / nullif(revenue_ttm, 0) as price_to_sales

    from fundamentals

)

select * from market_values
