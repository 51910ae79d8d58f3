{#- Returns specs whose label is no label of their horizon, or does not fit their task. -#}

select
    alpha_name,
    task,
    label,
    horizon_days
from {{ ref('alpha_specs') }}
where
    label <> case task
        when 'classification' then 'outperform_'
        when 'multiclass' then 'updown_'
        when 'regression' then 'fwd_ret_'
        when 'quantile' then 'fwd_ret_'
    end || horizon_days || 'd'
