{#- Tickers of the files beside the prices that no price file has bars of, so that what is said of them reaches no
    security: all of a bulk file that covers more than the market, and a ticker that the two vendors spell differently
    (BRK.B and BRK-B), which is shown first. Statements, events and companies are joined by the ticker as it stands,
    memberships and what owners do in one spelling (macro plain_symbol). Read from the files, for whether a row is sound
    does not matter here.
    Grain: one row per file that has such tickers. Source: all files of vendors that are keyed by a ticker, but for
    prices and tables of prices; int_ticker_spells. -#}

{#- vendor, table, the column with the ticker, whether it is joined in one spelling -#}
{%- set tables = [
    ('yahoo', 'actions', 'ticker', false),
    ('simfin', 'us_income_quarterly', 'ticker', false),
    ('simfin', 'us_balance_quarterly', 'ticker', false),
    ('simfin', 'us_cashflow_quarterly', 'ticker', false),
    ('simfin', 'us_companies', 'ticker', false),
    ('sharadar', 'actions', 'ticker', false),
    ('sharadar', 'sectors', 'ticker', false),
    ('sharadar', 'sf1', 'ticker', false),
    ('sharadar', 'sf2', 'ticker', true),
    ('sharadar', 'sf3a', 'ticker', true),
    ('pystock', 'reports', 'symbol', false),
    ('sec_form4', 'transactions', 'ticker', true),
    ('finnhub', 'insider_transactions', 'symbol', true),
    ('finra', 'short_interest', 'symbolCode', true),
    ('short_interest', 'short_interest', 'symbol', true),
    ('sp500', 'membership', 'ticker', true),
] %}

with

delivered as (

    {% for vendor, table, ticker, is_in_one_spelling in tables -%}
    select
        _file as file,
        {{ ticker }}::varchar as ticker,
        '{{ "date" if vendor in var("tickers_of_the_date") + var("index_vendors") else "file" }}' as ticker_of,
        {{ is_in_one_spelling }} as is_in_one_spelling,
        count(*) as ticker_rows

    from {{ source(vendor, table) }}

    where {{ ticker }} is not null

    group by _file, {{ ticker }}
    {{- ' union all ' if not loop.last }}
    {% endfor %}
),

names as (

    select distinct
        ticker_of,
        ticker,
        {{ plain_symbol('ticker') }} as symbol

    from {{ ref('int_ticker_spells') }}

),

by_symbol as (

    select
        ticker_of,
        symbol,
        min(ticker) as priced_as

    from names

    group by ticker_of, symbol

),

compared as (

    select
        delivered.file,
        delivered.ticker,
        delivered.ticker_rows,
        by_symbol.priced_as,
        if(delivered.is_in_one_spelling, by_symbol.priced_as, names.ticker) is null as is_unpriced

    from delivered

    left join names
        on
            delivered.ticker_of = names.ticker_of
            and delivered.ticker = names.ticker

    left join by_symbol
        on
            delivered.ticker_of = by_symbol.ticker_of
            and {{ plain_symbol('delivered.ticker') }} = by_symbol.symbol

)

select
    ---------- keys
    file,

    ---------- how much of the file it is
    count(*) as tickers,
    count(*) filter (where is_unpriced) as unpriced_tickers,
    sum(ticker_rows) filter (where is_unpriced)::bigint as unpriced_rows,

    ---------- of these, tickers that a price file spells differently, and the first one
    count(*) filter (where is_unpriced and priced_as is not null) as respelled_tickers,
    arg_min(ticker, (priced_as is null, ticker)) filter (where is_unpriced) as example_ticker,
    arg_min(priced_as, ticker) filter (where is_unpriced and priced_as is not null) as example_priced_as

from compared

group by file

having count(*) filter (where is_unpriced) > 0

order by file
