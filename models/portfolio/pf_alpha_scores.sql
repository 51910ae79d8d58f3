{#- Every score a strategy may rank by, in one long table: the out-of-sample predictions of the ML alphas, their
    ensembles, and each factor bundle b as alpha_b. A strategy picks its alpha from it by name when the build runs.
    Grain: one row per (alpha_name, as_of_date, security_id). -#}

with

predictions as (

    select
        alpha_name,
        as_of_date,
        security_id,
        score

    from {{ ref('ml_predictions') }}

    where is_out_of_sample

),

alphas as (

    select * from {{ ref('ml_alphas') }}

),

ensembles as (

    {% for ensemble in var('ensembles') + var('blends') %}
    select
        '{{ ensemble }}' as alpha_name,
        as_of_date,
        security_id,
        {{ ensemble }} as score

    from alphas

    where {{ ensemble }} is not null
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

bundles as (

    select
        'alpha_' || bundle_name as alpha_name,
        as_of_date,
        security_id,
        mf_score as score

    from {{ ref('pf_scores') }}

),

unioned as (

    select * from predictions
    union all
    select * from ensembles
    union all
    select * from bundles

)

select *
from unioned
where isfinite(score)
