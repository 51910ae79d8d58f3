{#- The quarters as three statements one below the other in the canonical columns. Values are what was collected on
    the day, true vintages. The vendor gives no counts of shares, no capital expenditure and no debt.
    Grain: one row per statement, ticker, period_end_date and known_at. Source: pystock reports. -#}

{%- set given = {
    'income': ['revenue', 'operating_income', 'net_income', 'eps_diluted'],
    'balance': ['assets', 'assets_current', 'liabilities_current', 'cash', 'equity'],
    'cashflow': ['operating_cash_flow'],
} %}

with

quarters as (

    select * from {{ ref('stg_pystock__quarters') }}

)

{% for statement, items in given.items() %}
select
    ---------- keys
    '{{ statement }}' as statement,
    ticker,
    period_end_date,
    fiscal_period,

    ---------- point in time
    published_date,
    null::date as restated_date,
    known_at,
    false as is_restated_value,

    ---------- items
    {%- for item in fundamental_items() %}
    {{ item if item in items else 'null::double' }} as {{ item }},
    {%- endfor %}

    ---------- units
    published_date as basis_date

from quarters
{{ 'union all' if not loop.last }}
{% endfor %}
