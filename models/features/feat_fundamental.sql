{#- Fundamental features: valuation, profitability, growth, balance sheet and the age of what they rest on, known at the
    close of as_of_date.
    Grain: one row per (as_of_date, security_id), all rows of int_prices in their order. Definitions:
    seeds/feature_registry.csv.
    The as-of join, the staleness rule and the market value stand in int_fundamentals_as_of; sums of quarters and ratios
    without a price in int_fundamental_events. Every NULL has a reason in int_fundamental_null_reasons. The view reads the
    rows to compute. -#}
-- depends_on: {{ ref('int_feature_rows') }}

with

fundamentals as (

    select * from {{ ref('int_fundamentals_as_of') }}

),

features as (

    select
        as_of_date,
        security_id,
        known_at,

        ---------- valuation
        net_income_ttm / nullif(market_value_usd, 0) as earnings_yield,
        free_cash_flow_ttm / nullif(market_value_usd, 0) as fcf_yield,
        equity / nullif(market_value_usd, 0) as book_to_market,
        revenue_ttm / nullif(market_value_usd, 0) as sales_yield,
        case
            when ebitda_ttm > 0
                then (market_value_usd + net_debt) / ebitda_ttm
        end as ev_to_ebitda,
        dividends_paid_ttm / nullif(market_value_usd, 0) as dividend_yield,

        ---------- profitability, growth, balance sheet
        roa,
        roe,
        operating_margin,
        gross_margin,
        gross_profitability,
        asset_growth,
        revenue_growth,
        earnings_growth,
        accruals,
        current_ratio,
        debt_to_equity,
        net_issuance,
        fundamental_age_days

    from fundamentals

)

select * from features
