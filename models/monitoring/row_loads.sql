{#- The load in which each row of filings, insiders, short interest, holdings and companies first appeared. A row is its
    content: a value that a vendor changes is a new row, and the old one stays here.
    Grain: one row per dataset and row_key. Source: the state, and what this build adds to it. -#}
{{ config(post_hook="{{ append_to_state('row_loads') }}") }}

{%- set datasets = [
    'int_fundamentals', 'int_insider_transactions', 'int_short_interest', 'int_institutional_holdings', 'int_companies',
] %}

with

kept as (

    select * from {{ source('state', 'row_loads') }}

),

delivered as (

    {% for dataset in datasets -%}
    select distinct
        '{{ dataset }}' as dataset,
        md5({{ dataset }}::varchar) as row_key,
        {{ 'null::bigint as security_id' if dataset == 'int_companies' else 'security_id' }},
        known_at

    from {{ ref(dataset) }}
    {{- ' union all ' if not loop.last }}
    {%- endfor %}

),

added as (

    select
        delivered.*,
        {{ this_load() }} as first_seen_at

    from delivered

    anti join kept
        on
            delivered.dataset = kept.dataset
            and delivered.row_key = kept.row_key

)

select
    ---------- keys
    dataset,
    row_key,

    ---------- whose, and since when it says it was known
    security_id,
    known_at,

    ---------- when it was first here
    first_seen_at

from kept

union all

select * from added
