{#- The canonical items of statements, in their order: fundamental_items('income'), ('balance'), ('cashflow') those of one
    statement, ('count') the counts every statement may carry, without an argument all of them. Items of an income or
    cash flow statement are flows (four quarters are added up), those of a balance sheet levels; USD, outflows positive.
    Example: fundamental_items('count') is ['eps_diluted', 'shares_basic', 'shares_diluted']. -#}
{% macro fundamental_items(statement=none) -%}
    {%- set items = {
        'income': ['revenue', 'cost_of_revenue', 'gross_profit', 'operating_income', 'net_income'],
        'balance': ['assets', 'assets_current', 'liabilities_current', 'liabilities', 'debt', 'cash', 'equity'],
        'cashflow': [
            'operating_cash_flow', 'capex', 'free_cash_flow', 'dividends_paid', 'depreciation_amortization',
        ],
        'count': ['eps_diluted', 'shares_basic', 'shares_diluted'],
    } -%}
    {{ return(items[statement] if statement else items.values() | sum(start=[])) }}
{%- endmacro %}
