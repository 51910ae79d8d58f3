{#- Every row of the fundamentals table, whatever its dimension, with the reason for which it is refused (NULL: it is
    sound). Dimensions: AR as reported and MR most recently restated, each Quarterly, Trailing or Yearly.
    Of rows with one key equal ones are copies, of which one stays; where they differ nobody knows which is right.
    Grain: one row per delivered row. Source: sharadar SF1, TICKERS. -#}

{%- set amounts = [
    'revenue', 'cor', 'gp', 'opinc', 'netinc', 'epsdil', 'ncfo', 'capex', 'ncfdiv', 'depamor', 'assets', 'assetsc',
    'liabilitiesc', 'liabilities', 'debt', 'cashneq', 'equity', 'sharesbas', 'shareswadil', 'sharefactor',
] %}

with

delivered as (

    select
        * exclude (_dataset, _file, _row_error),
        _dataset as dataset,
        _file as file,
        _row_error as row_error

    from {{ source('sharadar', 'sf1') }}

),

companies as (

    select * from {{ ref('stg_sharadar__companies') }}

),

-- what a reporting currency is worth: the vendor's own dollar columns say it where the company does not report in USD
with_rate as (

    select
        delivered.*,
        case
            when coalesce(delivered.fxusd, 1) = 1 and coalesce(companies.reporting_currency, 'USD') = 'USD'
                then 1.0::double
            else
                coalesce(
                    delivered.equityusd / nullif(delivered.equity, 0),
                    delivered.revenueusd / nullif(delivered.revenue, 0)
                )
        end as usd_rate

    from delivered

    left join companies
        on delivered.ticker = companies.ticker

),

judged as (

    select
        *,
        case
            when row_error is not null then 'unreadable_value'
            when ticker is null or dimension is null or datekey is null or reportperiod is null then 'null_key'
            when dimension not in ('ARQ', 'ART', 'ARY', 'MRQ', 'MRT', 'MRY') then 'unknown_dimension'
            when datekey > current_date then 'in_the_future'
            when datekey < reportperiod then 'published_before_period_end'
            when
                not isfinite(
                    {%- for amount in amounts %}
                    {{ '+ ' if not loop.first }}coalesce({{ amount }}, 0)
                    {%- endfor %}
                )
                then 'not_finite'
            when {{ is_too_large(amounts) }} then 'number_too_large'
            when {{ is_too_small(amounts) }} then 'number_too_small'
            when least(sharesbas, shareswadil, sharefactor) < 0 then 'negative_shares'
            when not coalesce(usd_rate between 1e-9 and 1e9, false) then 'currency_not_usd'
        end as row_reason

    from with_rate

),

compared as (

    select
        *,
        row_number() over same_key as copy,
        dense_rank() over (
            partition by ticker, dimension, reportperiod, datekey, row_reason
            order by {{ amounts | join(', ') }}, usd_rate
        ) as content

    from judged

    window same_key as (partition by ticker, dimension, reportperiod, datekey, row_reason order by file)

)

select
    * exclude (row_reason, copy, content),
    case
        when row_reason is not null then row_reason
        when
            max(content) over (partition by ticker, dimension, reportperiod, datekey, row_reason) > 1
            then 'conflicting_duplicate'
        when copy > 1 then 'duplicate_row'
    end as reason

from compared
