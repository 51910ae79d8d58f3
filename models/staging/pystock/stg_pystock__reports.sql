{#- Reports that passed every check, known at the end of the day they were collected. A 10-K speaks for the full
    year (FY), cash flows are year to date; stg_pystock__quarters makes quarters of them. Of the versions of one day
    the amendment counts.
    Grain: one row per ticker, period_end_date and published_date. Source: pystock reports. -#}

with

checked as (

    select * from {{ ref('stg_pystock__checked_reports') }}

    where reason is null

    qualify row_number() over (
        partition by ticker, period_end_date, published_date
        order by is_amendment desc, fiscal_period asc, net_income asc nulls last, assets asc nulls last, file asc
    ) = 1

)

select
    ---------- keys
    ticker,
    period_end_date,
    published_date,

    ---------- point in time
    {{ known_at('published_date') }} as known_at,

    ---------- origin
    dataset,
    file,
    is_amendment,
    fiscal_period,

    ---------- items, USD: of the quarter, of the year in a 10-K; eps USD per share
    revenues as revenue,
    op_income as operating_income,
    net_income,
    eps_diluted,
    assets,
    cur_assets as assets_current,
    cur_liab as liabilities_current,
    cash,
    equity,

    ---------- of the fiscal year to date
    cash_flow_op as operating_cash_flow_to_date

from checked
