{#- How many members have a value of each feature on each date, and how many lack it because what is known is stale.
    Grain: one row per (as_of_date, feature_name), dates with members. Counts first, one pass over all features, then
    turned into rows: the pivot sees dates, not securities. A member's price row is fresh by definition, so only
    fundamentals can be stale; their reasons are those of fundamental_null_reasons. -#}

with

counts as (

    select
        as_of_date,
        count(*) as members,
        count(columns(* exclude (as_of_date, security_id, known_at, decided_at, is_member)))

    from {{ ref('features') }}
    where is_member
    group by as_of_date

),

by_feature as (

    unpivot counts
    on columns(* exclude (as_of_date, members))
    into name feature_name value filled

),

stale as (

    select
        as_of_date,
        feature_name,
        names

    from {{ ref('fundamental_null_reasons') }}
    where reason = 'stale'

),

coverage as (

    select
        by_feature.as_of_date,
        by_feature.feature_name,
        by_feature.members,
        by_feature.filled,
        coalesce(stale.names, 0) as stale

    from by_feature
    left join stale on by_feature.as_of_date = stale.as_of_date and by_feature.feature_name = stale.feature_name

)

select * from coverage
order by as_of_date, feature_name
