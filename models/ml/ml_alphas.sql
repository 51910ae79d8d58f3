{#- The active alphas side by side, with the hand-weighted alpha_v8.
    Grain: one row per (as_of_date, security_id), members from the first date on which any alpha speaks. -#}

with

predictions as (

    select as_of_date, security_id, alpha_name, score from {{ ref('ml_predictions') }}

),

learned as (

    select
        as_of_date,
        security_id
        {%- for alpha in var('active_alphas') %},
        max(score) filter (where alpha_name = '{{ alpha }}') as {{ alpha }}
        {%- endfor %}
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
    as_of_date,
    security_id,
    {%- for alpha in var('active_alphas') %}
    learned.{{ alpha }},
    {%- endfor %}
    v8.alpha_v8
from learned
full join v8 using (as_of_date, security_id)
order by as_of_date, security_id
