{#- Cash flow statements, single quarters, in canonical names. Outflows (capex, dividends_paid) are stored positive.
    Grain: one row per ticker, period_end_date, published_date and restated_date. Source: simfin us-cashflow-quarterly. -#}

with

statement_rows as (

    select * from {{ ref('stg_simfin__statement_rows') }}

    where statement = 'cashflow' and refused_because is null

),

renamed as (

    select
        ---------- keys
        _dataset as dataset,
        ticker::varchar as ticker,
        "Report Date" as period_end_date,
        "Fiscal Year"::integer as fiscal_year,
        "Fiscal Period" as fiscal_period,

        ---------- point in time
        "Publish Date" as published_date,
        "Restated Date" as restated_date,
        {{ simfin_known_at() }} as known_at,
        true as is_restated_value,

        ---------- items, USD and shares
        "Net Cash from Operating Activities"::double as operating_cash_flow,
        (0 - "Change in Fixed Assets & Intangibles")::double as capex,
        "Net Cash from Operating Activities"::double
        - (0 - "Change in Fixed Assets & Intangibles")::double as free_cash_flow,
        (0 - "Dividends Paid")::double as dividends_paid,
        "Depreciation & Amortization"::double as depreciation_amortization,
        "Shares (Basic)"::double as shares_basic,
        "Shares (Diluted)"::double as shares_diluted

    from statement_rows

)

select * from renamed
