{#- Sound rows of the fundamentals table in canonical names and USD, all dimensions. The vendor writes outflows
    negative; here capex and dividends are positive. Counts are in units of what trades (sharefactor: an ADR may stand
    for several shares, a class for a part of one).
    Grain: one row per ticker, dimension, period_end_date and published_date. Source: sharadar SF1. -#}

with

checked as (

    select * from {{ ref('stg_sharadar__checked_statements') }}

    where reason is null

)

select
    ---------- keys
    dataset,
    ticker,
    dimension,
    reportperiod as period_end_date,

    ---------- point in time: an as-reported row's datekey is its filing's date; a most recent row has none
    datekey as published_date,
    case when starts_with(dimension, 'AR') then {{ known_at('datekey') }} end as known_at,

    ---------- items, USD
    revenue * usd_rate as revenue,
    cor * usd_rate as cost_of_revenue,
    gp * usd_rate as gross_profit,
    opinc * usd_rate as operating_income,
    netinc * usd_rate as net_income,
    epsdil * usd_rate as eps_diluted,
    ncfo * usd_rate as operating_cash_flow,
    (0 - capex) * usd_rate as capex,
    (ncfo - (0 - capex)) * usd_rate as free_cash_flow,
    (0 - ncfdiv) * usd_rate as dividends_paid,
    depamor * usd_rate as depreciation_amortization,
    assets * usd_rate as assets,
    assetsc * usd_rate as assets_current,
    liabilitiesc * usd_rate as liabilities_current,
    liabilities * usd_rate as liabilities,
    debt * usd_rate as debt,
    cashneq * usd_rate as cash,
    equity * usd_rate as equity,

    ---------- counts
    sharesbas * coalesce(sharefactor, 1) as shares_basic,
    shareswadil * coalesce(sharefactor, 1) as shares_diluted

from checked
