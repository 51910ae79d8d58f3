{#- How every alpha's and ensemble's scores of a date lined up with the returns that followed.
    Grain: one row per (alpha_name, horizon_days, signal_date); dated by matured_date, the session on which the labels
    of that date are settled. A view over its members, which kairos/quality.py works out. -#}
{{ config(materialized='view') }}

select * from {{ ref('ml_alpha_quality__learned') }}
union all
select * from {{ ref('ml_alpha_quality__ensembles') }}
