{#- Rows of the vendor that were refused, with the reason.
    Grain: one row per refused row. Source: sharadar SEP, SFP, TICKERS, SF1, ACTIONS, SECTORS, DAILY. -#}

{%- set keys = {
    'prices': ['ticker', 'session_date'],
    'tickers': ['price_table', 'ticker', 'permanent_id'],
    'statements': ['ticker', 'dimension', 'reportperiod', 'datekey'],
    'actions': ['ticker', 'action_date', 'action'],
    'sectors': ['ticker', 'valid_from'],
    'daily': ['ticker', 'as_of_date'],
} %}
{%- set shown = {
    'prices': ['open', 'high', 'low', 'close', 'close_total_return', 'close_unadjusted', 'volume_shares'],
    'tickers': ['name', 'category'],
    'statements': ['revenue', 'netinc', 'assets', 'ncfo', 'sharesbas', 'fxusd'],
    'actions': ['action_value', 'contra_ticker'],
    'sectors': ['sector', 'industry'],
    'daily': ['marketcap'],
} %}

with

refused as (

    {% for table, columns in keys.items() -%}
    select
        dataset,
        file,
        reason,
        concat_ws(
            ' ',
            {%- for column in columns %}
            coalesce({{ column }}::varchar, '(no {{ column }})')
            {{- ',' if not loop.last }}
            {%- endfor %}
        ) as key,
        coalesce(
            row_error,
            concat_ws(
                ', ',
                {%- for column in shown[table] %}
                '{{ column }}=' || {{ column }}
                {{- ',' if not loop.last }}
                {%- endfor %}
            )
        ) as example

    from {{ ref('stg_sharadar__checked_' ~ table) }}

    where reason is not null
    {{- ' union all ' if not loop.last }}
    {%- endfor %}

)

select * from refused
