{#- The vendor's three statements one below the other in the canonical columns, with the date to whose splits their
    share counts are adjusted: basis.csv, else after all splits (the vendor restates counts for every split it knows).
    Grain: one row per statement, ticker, period_end_date, published_date and restated_date. Source: simfin. -#}

with

statements as (

    select
        'income' as statement,
        *

    from {{ ref('stg_simfin__income_statements') }}

    union all by name

    select
        'balance' as statement,
        *

    from {{ ref('stg_simfin__balance_sheets') }}

    union all by name

    select
        'cashflow' as statement,
        *

    from {{ ref('stg_simfin__cash_flow_statements') }}

),

basis as (

    select
        dataset,
        basis_date

    from {{ source('market', 'basis') }}

),

canonical as (

    select
        ---------- keys
        statements.statement,
        statements.ticker,
        statements.period_end_date,
        statements.fiscal_period,

        ---------- point in time
        statements.published_date,
        statements.restated_date,
        statements.known_at,
        statements.is_restated_value,

        ---------- items
        {%- for item in fundamental_items() %}
        statements.{{ item }},
        {%- endfor %}

        ---------- units
        coalesce(basis.basis_date, date '9999-12-31') as basis_date

    from statements

    left join basis
        on statements.dataset = basis.dataset

)

select * from canonical
