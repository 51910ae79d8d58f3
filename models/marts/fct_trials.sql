{#- Every trial of every study of parameters, with the one that was chosen and whether a present fit rests on it.
    Grain: one row per (study_id, trial_number). Source: ml_trials, ml_fits. -#}

with

trials as (

    select * from {{ ref('ml_trials') }}

),

fits as (

    select
        study_id,
        fit_id
    from {{ ref('ml_fits') }}
    where study_id is not null

),

ranked as (

    select
        trials.study_id,
        trials.trial_number,
        trials.alpha_name,
        trials.fold_id,
        trials.test_start_date,
        trials.family,
        trials.params,
        trials.status,
        trials.mean_rank_ic,
        trials.inner_rank_ics[1] as first_rank_ic,
        len(trials.inner_rank_ics)::integer as inner_folds,
        fits.fit_id,
        (trials.status = 'complete' and row_number() over by_rank = 1) as is_best
    from trials
    left join fits on trials.study_id = fits.study_id
    window
        by_rank as (
            partition by trials.study_id
            order by trials.mean_rank_ic desc nulls last, trials.trial_number asc
        )

)

select * from ranked
order by alpha_name, fold_id, study_id, trial_number
