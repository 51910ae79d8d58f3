{#- As-reported quarters in the canonical columns, the row split into its three statements. An amendment is a second row
    of its quarter with a later filing date, hence one more version; what only shows as restated in later filings is in
    the most recent dimensions, which are never served. var restatement_policy: most_recent serves them under the date of
    the quarter's first filing (for comparison only; it lets later restatements in). Counts are as reported: on the splits
    of the filing's date, of most recent rows the newest filing's, unless basis.csv names another for the dataset.
    Grain: one row per statement, ticker, period_end_date and published_date. Source: sharadar SF1, dimension ARQ. -#}

{%- if setting('restatement_policy') not in ['as_filed', 'most_recent'] %}
{{ exceptions.raise_compiler_error("var restatement_policy must be as_filed or most_recent, got '" ~ setting('restatement_policy') ~ "'. Correct it in dbt_project.yml or unset KAIROS__RESTATEMENT_POLICY.") }}
{%- endif %}
{%- set is_most_recent = setting('restatement_policy') == 'most_recent' %}

with

filed as (

    select
        *,
        published_date as counted_date

    from {{ ref('stg_sharadar__statements') }}

    where dimension = 'ARQ'

),

{%- if is_most_recent %}

filings as (

    select
        ticker,
        period_end_date,
        min(published_date) as published_date,
        min(known_at) as known_at,
        max(published_date) as counted_date

    from filed

    group by ticker, period_end_date

),

quarters as (

    select
        recent.* exclude (published_date, known_at),
        filings.published_date,
        filings.known_at,
        filings.counted_date

    from {{ ref('stg_sharadar__statements') }} as recent

    inner join filings
        on recent.ticker = filings.ticker and recent.period_end_date = filings.period_end_date

    where recent.dimension = 'MRQ'

),
{%- else %}

quarters as (

    select * from filed

),
{%- endif %}

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
        {{ is_most_recent | lower }} as is_restated_value,

        ---------- items
        {%- for item in fundamental_items() %}
        {%- if item in fundamental_items(statement) + fundamental_items('count') %}
        quarters.{{ item }},
        {%- else %}
        null::double as {{ item }},
        {%- endif %}
        {%- endfor %}

        ---------- units
        coalesce(basis.basis_date, quarters.counted_date) as basis_date

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
