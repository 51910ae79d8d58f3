{#- How much of the universe has each feature on each date, how much of it went stale, and how
    old what it rests on is.
    Grain: one row per (as_of_date, feature_name). Source: feature_coverage. -#}

with

coverage as (

    select
        as_of_date,
        feature_name,
        members::integer as members,
        filled::integer as filled,
        stale::integer as stale,
        known::integer as known,
        filled / members as filled_share,
        stale / members as stale_share,
        age_days_p50::integer as age_days_p50,
        age_days_p90::integer as age_days_p90,
        age_days_max::integer as age_days_max,
        on_snapshot::integer as on_snapshot

    from {{ ref('feature_coverage') }}

)

select * from coverage
order by as_of_date, feature_name
