{#- CTEs from the rows of all vendors of a dataset, keyed by ticker and a date, to securities: `delivered` (every row with
    its vendor, the vendor's place in the list and what its tickers mean), `symbol_spells`, and `linked`: delivered with
    security_id and usable_at, the moment from which the security can use the row. int_ticker_spells has the rule.
    Example: {{ "{{ linked_deliveries('holdings_vendors', 'institutional_holdings', dated_by='period_end_date') }}" }} -#}
{% macro linked_deliveries(vendor_list, entity, dated_by) -%}
delivered as (

    {% for vendor in var(vendor_list) %}
    select
        '{{ vendor }}' as vendor,
        '{{ "date" if vendor in var("tickers_of_the_date") else "file" }}' as ticker_of,
        {{ loop.index }} as vendor_order,
        *

    from {{ ref('stg_' ~ vendor ~ '__' ~ entity) }}
    {{ 'union all by name' if not loop.last }}
    {% endfor %}
),

symbol_spells as (

    select * from {{ ref('int_symbol_spells') }}

),

linked as (

    select
        symbol_spells.security_id,
        greatest(delivered.known_at, symbol_spells.first_usable_at) as usable_at,
        delivered.*

    from delivered

    inner join symbol_spells
        on
            {{ plain_symbol('delivered.ticker') }} = symbol_spells.symbol
            and delivered.ticker_of = symbol_spells.ticker_of
            and delivered.{{ dated_by }} >= symbol_spells.linked_from
            and delivered.{{ dated_by }} < symbol_spells.linked_until

)
{%- endmacro %}
