{#- The rest of a model stg_<vendor>__insider_transactions from its CTE `checked` on: the transactions that passed every
    check, in the columns all vendors share. A form carries the date of its filing and is known at that date's end (var
    date_only_known). -#}
{% macro insider_transactions() -%}
select
    ---------- keys
    ticker,
    insider,
    transaction_date,
    filing_date,

    ---------- point in time
    {{ known_at('filing_date') }} as known_at,

    ---------- origin
    dataset,
    file,
    filing_id,

    ---------- what happened
    role,
    code,
    is_acquired,
    is_derivative,
    shares,
    price_usd,
    shares_held_after

from checked

where reason is null
{%- endmacro %}
