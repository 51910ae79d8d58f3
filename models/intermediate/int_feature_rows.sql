{#- The rows of all feature tables, in the order in which all of them are stored: those of the last full build by
    security and date, then batch by batch what later builds added, each by security and date.
    Grain: one row per (as_of_date, security_id), all rows of int_prices. Source: int_prices, int_universe. -#}
{{ config(materialized='feature_family') }}

with

prices as (

    select
        as_of_date,
        security_id,
        known_at,
        decided_at

    from {{ ref('int_prices') }}

    qualify {{ rows_to_compute(by_position=true) }}

),

universe as (

    select
        as_of_date,
        security_id,
        is_member,
        sector

    from {{ ref('int_universe') }}

    qualify {{ rows_to_compute(by_position=true) }}

)

select
    ---------- keys
    prices.as_of_date,
    prices.security_id,

    ---------- point in time
    prices.known_at,
    prices.decided_at,

    ---------- membership
    universe.is_member,
    universe.sector,

    ---------- when it was added: 0 in the last full build, then 1, 2, ...
    coalesce(getvariable('batch'), 0)::integer as batch

from prices
positional join universe

where {{ same_rows(['prices', 'universe']) }}
