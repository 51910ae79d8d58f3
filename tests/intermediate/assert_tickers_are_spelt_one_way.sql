{#- Returns tickers of prices that differ in nothing but upper and lower case or the sign between a name and its class:
    they are two securities, and what other files say of the company reaches one of them only. A warning and no failure:
    some vendors tell classes of shares apart by case. -#}

{{ config(severity='warn') }}

select
    {{ plain_symbol('ticker') }} as symbol,
    list(distinct ticker order by ticker) as spellings,
    'taken for as many securities: write the ticker one way in all price files, unless they are several' as finding

from {{ ref('int_spells') }}

group by all

having count(distinct ticker) > 1
