{#- Returns tickers of one vendor's prices that differ in nothing but upper and lower case: they are two securities, and
    what other files say of the company reaches one of them only. A warning and no failure: some vendors tell classes of
    shares apart by case. -#}

{{ config(severity='warn') }}

select
    vendor,
    upper(ticker) as ticker,
    list(distinct ticker order by ticker) as spellings

from {{ ref('int_spells') }}

group by all

having count(distinct ticker) > 1
