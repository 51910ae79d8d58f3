{#- The active alphas side by side, with the hand-weighted alpha_v8: what ensembles are made of.
    Grain: one row per (as_of_date, security_id), members of whom any of them speaks. -#}

with

predictions as (

    select
        as_of_date,
        security_id,
        alpha_name,
        score

    from {{ ref('ml_predictions') }}

),

learned as (

    select
        as_of_date,
        {%- for alpha in var('active_alphas') %}
        max(score) filter (where alpha_name = '{{ alpha }}') as {{ alpha }},
        {%- endfor %}
        security_id

    from predictions
    group by as_of_date, security_id

),

v8 as (

    select
        as_of_date,
        security_id,
        mf_score as alpha_v8
    from {{ ref('ml_bundle_scores') }}
    where bundle_name = 'v8' and mf_score is not null

)

select
    coalesce(learned.as_of_date, v8.as_of_date) as as_of_date,
    coalesce(learned.security_id, v8.security_id) as security_id,
    {%- for alpha in var('active_alphas') %}
    learned.{{ alpha }},
    {%- endfor %}
    v8.alpha_v8

from learned
full join v8
    on
        learned.as_of_date = v8.as_of_date
        and learned.security_id = v8.security_id
order by as_of_date, security_id
