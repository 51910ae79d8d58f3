{#- The alphas: what each learns, on what, and how. Grain: one row per alpha_name. Source: seeds alpha_specs and
    ensembles, and the bundle alpha_v8, which is weighted by hand. -#}

with

specs as (

    select
        alpha_name,
        family,
        task,
        label,
        horizon_days::integer as horizon_days,
        feature_set,
        train_months::integer as train_months,
        test_months::integer as test_months,
        train_every_sessions::integer as train_every_sessions,
        is_active

    from {{ ref('alpha_specs') }}

),

bundles as (

    select
        'alpha_' || bundle_name as alpha_name,
        'bundle' as family,
        'none' as task,
        null::varchar as label,
        null::integer as horizon_days,
        bundle_name as feature_set,
        null::integer as train_months,
        null::integer as test_months,
        null::integer as train_every_sessions,
        true as is_active

    from {{ ref('factor_bundles') }}

),

ensembles as (

    select
        ensemble_name as alpha_name,
        'ensemble' as family,
        method as task,
        null::varchar as label,
        horizon_days,
        null::varchar as feature_set,
        null::integer as train_months,
        null::integer as test_months,
        null::integer as train_every_sessions,
        true as is_active

    from {{ ref('ensembles') }}

),

alphas as (

    select * from specs
    union all
    select * from bundles
    union all
    select * from ensembles

)

select * from alphas
order by alpha_name
