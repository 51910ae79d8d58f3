{#- Income statements, single quarters, in canonical names. Costs are stored positive.
    Grain: one row per ticker, period_end_date, published_date and restated_date. Source: simfin us-income-quarterly. -#}

with

statement_rows as (

    select * from {{ ref('stg_simfin__statement_rows') }}

    where statement = 'income' and refused_because is null

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
        revenue::double as revenue,
        (0 - "Cost of Revenue")::double as cost_of_revenue,
        "Gross Profit"::double as gross_profit,
        "Operating Income (Loss)"::double as operating_income,
        "Net Income"::double as net_income,
        "Net Income (Common)"::double / nullif("Shares (Diluted)", 0)::double as eps_diluted,
        "Shares (Basic)"::double as shares_basic,
        "Shares (Diluted)"::double as shares_diluted

    from statement_rows

)

select * from renamed
