{#- The dictionary of features. Grain: one row per feature_name. Source: seed feature_registry. -#}

with

features as (

    select
        feature_name,
        feature_family,
        direction::integer as direction,
        unit,
        min_history_days::integer as min_history_days,
        definition,
        description,
        source,
        rests_on,
        alias_of,
        min_coverage::double as min_coverage,
        checked_by

    from {{ ref('feature_registry') }}

)

select * from features
order by feature_name
