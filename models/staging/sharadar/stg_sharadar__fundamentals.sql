{#- As-reported quarters in the canonical columns, the row split into its three statements. An amendment is a second row
    of its quarter with a later filing date, hence one more version; what only shows as restated in later filings is in
    the most recent dimensions, which are never served. Counts are as reported: on the splits of the filing's date,
    unless basis.csv names another for the dataset.
    Grain: one row per statement, ticker, period_end_date and published_date. Source: sharadar SF1, dimension ARQ. -#}

with

quarters as (

    select * from {{ ref('stg_sharadar__statements') }}

    where dimension = 'ARQ'

),

basis as (

    select
        dataset,
        basis_date

    from {{ source('market', 'basis') }}

),

{%- for statement in ['income', 'balance', 'cashflow'] %}

{{ statement }} as (

    select
        ---------- keys
        '{{ statement }}' as statement,
        quarters.ticker,
        quarters.period_end_date,
        null::varchar as fiscal_period,

        ---------- point in time
        quarters.published_date,
        null::date as restated_date,
        quarters.known_at,
        false as is_restated_value,

        ---------- items
        {%- for item in fundamental_items() %}
        {%- if item in fundamental_items(statement) + fundamental_items('count') %}
        quarters.{{ item }},
        {%- else %}
        null::double as {{ item }},
        {%- endif %}
        {%- endfor %}

        ---------- units
        coalesce(basis.basis_date, quarters.published_date) as basis_date

    from quarters

    left join basis
        on quarters.dataset = basis.dataset

),
{%- endfor %}

canonical as (

    select * from income

    union all

    select * from balance

    union all

    select * from cashflow

)

select * from canonical
