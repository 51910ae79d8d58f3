{#- Scores of the factor bundles, as strategies read them.
    Grain: one row per (as_of_date, bundle_name, security_id). Computed in ml_bundle_scores, because ml_alphas needs them
    too and data goes one way. -#}
{{ config(materialized='view') }}

select
    as_of_date,
    bundle_name,
    security_id,
    mf_score
from {{ ref('ml_bundle_scores') }}
