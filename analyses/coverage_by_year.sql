{#- Share of the universe with each feature, by year: where a vendor's files begin, end, or never covered.
    Grain: one row per (feature_name, year). Source: feature_coverage. -#}

with

coverage as (

    select
        feature_name,
        year(as_of_date) as calendar_year,
        members,
        filled,
        stale

    from {{ ref('feature_coverage') }}

),

by_year as (

    select
        feature_name,
        calendar_year,
        sum(filled) / nullif(sum(members), 0) as share_filled,
        sum(stale) / nullif(sum(members), 0) as share_stale

    from coverage
    group by feature_name, calendar_year

)

select * from by_year
order by feature_name, calendar_year
