{#- How much of the universe has each feature on each date, and how much of it went stale.
    Grain: one row per (as_of_date, feature_name). Source: feature_coverage. -#}

with

coverage as (

    select
        as_of_date,
        feature_name,
        members::integer as members,
        filled::integer as filled,
        stale::integer as stale

    from {{ ref('feature_coverage') }}

)

select * from coverage
order by as_of_date, feature_name
