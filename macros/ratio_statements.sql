{#- Ratios without a price, each with the statements it rests on, in the order in which the reason of a NULL is looked for.
    Example: {{ "{{ ratio_statements()['roa'] }}" }} is ['income', 'balance'] -#}
{% macro ratio_statements() -%}
{{ return({
    'roa': ['income', 'balance'],
    'roe': ['income', 'balance'],
    'operating_margin': ['income'],
    'gross_margin': ['income'],
    'gross_profitability': ['income', 'balance'],
    'asset_growth': ['balance'],
    'revenue_growth': ['income'],
    'earnings_growth': ['income'],
    'accruals': ['income', 'balance', 'cashflow'],
    'current_ratio': ['balance'],
    'debt_to_equity': ['balance'],
}) }}
{%- endmacro %}
