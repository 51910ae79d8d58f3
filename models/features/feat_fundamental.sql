{#- Fundamental features: valuation, profitability and the age of what they rest on, known at the close of as_of_date.
    Grain: one row per (as_of_date, security_id). Definitions: seeds/feature_registry.csv.
    The as-of join, the staleness rule and the market value stand in int_fundamentals_as_of; sums of quarters and ratios
    without a price in int_fundamental_events. Every NULL has a reason in int_fundamental_null_reasons. -#}

with

fundamentals as (

    select * from {{ ref('int_fundamentals_as_of') }}

    where {{ rows_to_compute() }}

),

features as (

    select
        ---------- keys
        as_of_date,
        security_id,

        ---------- point in time
        known_at,

        ---------- features
        net_income_ttm / nullif(market_value_usd, 0) as earnings_yield,
        free_cash_flow_ttm / nullif(market_value_usd, 0) as fcf_yield,
        equity / nullif(market_value_usd, 0) as book_to_market,
        roa,
        roe,
        operating_margin,
        fundamental_age_days

    from fundamentals

)

select * from features
