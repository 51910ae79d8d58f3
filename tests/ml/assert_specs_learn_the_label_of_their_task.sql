{#- Returns specs whose label is no label of their horizon, or does not fit their task, and those that calibrate what is
    no probability. -#}

select
    alpha_name,
    task,
    label,
    horizon_days,
    calibration,
    case
        when calibration <> 'none' and task not in ('classification', 'multiclass')
            then 'only probabilities are calibrated: calibration none, or another task'
        else
            'the label of this task over horizon_days is '
            || case task when 'classification' then 'outperform_' when 'multiclass' then 'updown_' else 'fwd_ret_' end
            || horizon_days || 'd, or one of events'
    end as finding
from {{ ref('alpha_specs') }}
where
    label not in (
        case task
            when 'classification' then 'outperform_'
            when 'multiclass' then 'updown_'
            when 'regression' then 'fwd_ret_'
            when 'quantile' then 'fwd_ret_'
        end || horizon_days || 'd',
        case task
            when 'classification' then 'net_logret_sign_'
            when 'regression' then 'net_logret_'
            when 'quantile' then 'net_logret_'
        end || horizon_days || 'd'
    )
    or (calibration <> 'none' and task not in ('classification', 'multiclass'))
