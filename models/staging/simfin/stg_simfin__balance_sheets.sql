{#- Balance sheets at quarter ends, in canonical names. Debt is short-term and long-term debt together, NULL when either
    is missing. Grain: one row per ticker, period_end_date, published_date and restated_date.
    Source: simfin us-balance-quarterly. -#}

with

statement_rows as (

    select * from {{ ref('stg_simfin__statement_rows') }}

    where statement = 'balance' and refused_because is null

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
        "Total Assets"::double as assets,
        "Total Current Assets"::double as assets_current,
        "Total Current Liabilities"::double as liabilities_current,
        "Total Liabilities"::double as liabilities,
        "Short Term Debt"::double + "Long Term Debt"::double as debt,
        "Cash, Cash Equivalents & Short Term Investments"::double as cash,
        "Total Equity"::double as equity,
        "Shares (Basic)"::double as shares_basic,
        "Shares (Diluted)"::double as shares_diluted

    from statement_rows

)

select * from renamed
