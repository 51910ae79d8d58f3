{#- How close each fold's newest label came to its test window: the margin must be at least one session in every row.
    Grain: one row per (alpha_name, fold_id) of fitted folds. Source: ml_folds, int_sessions. -#}

with

folds as (

    select
        alpha_name,
        fold_id,
        train_end_date,
        test_start_date

    from {{ ref('ml_folds') }}
    where status = 'fitted'

),

sessions as (

    select
        session_date,
        session_index

    from {{ ref('int_sessions') }}

),

specs as (

    select
        alpha_name,
        horizon_days

    from {{ ref('alpha_specs') }}

),

margins as (

    select
        folds.alpha_name,
        folds.fold_id,
        folds.train_end_date,
        folds.test_start_date,
        specs.horizon_days,
        test_starts.session_index - train_ends.session_index - specs.horizon_days
        - {{ setting_number('entry_lag_sessions') }} as margin_sessions

    from folds
    inner join specs on folds.alpha_name = specs.alpha_name
    inner join sessions as train_ends on folds.train_end_date = train_ends.session_date
    inner join sessions as test_starts on folds.test_start_date = test_starts.session_date

)

select * from margins
order by margin_sessions, alpha_name, fold_id
