{#- What each fold did with each row of its training window, and why.
    Grain: one row per (alpha_name, fold_id, training_date, security_id); known on the fold's test_start_date. A view: the
    rows of expanding folds are many times those of the panel. ml_folds counts the same parts another way, and
    tests/ml/assert_fold_members_are_the_rows_that_folds_count.sql compares. -#}

with

folds as (

    select
        folds.*,
        specs.embargo_sessions

    from {{ ref('ml_folds') }} as folds
    inner join {{ ref('alpha_specs') }} as specs on folds.alpha_name = specs.alpha_name

),

training_rows as (

    select * from {{ ref('ml_training_rows') }}

),

placed as (

    select
        folds.alpha_name,
        folds.fold_id,
        folds.test_start_date,
        training_rows.as_of_date as training_date,
        training_rows.security_id,
        case
            when training_rows.session_index >= folds.train_before_index + folds.embargo_sessions then 'purged'
            when training_rows.session_index >= folds.train_before_index then 'embargoed'
            when training_rows.label_value is null then 'unlabelled'
            when training_rows.label_end_date >= folds.labels_settled_before_date then 'unlabelled'
            when training_rows.as_of_date >= folds.calibration_start_date then 'calibrated'
            when
                training_rows.session_index >= folds.base_before_index
                or training_rows.label_end_date >= folds.calibration_start_date
                then 'calibration_purged'
            else 'trained'
        end as part,
        case part
            when 'purged' then 'its label is due on the test start or later'
            when 'embargoed' then 'its label is due within the embargo before the test start'
            when 'unlabelled' then 'its label was due and is not there, or is settled only later'
            when 'calibrated' then 'kept for the calibration'
            when 'calibration_purged' then 'its label is due or settled only when the calibration slice has begun'
        end as reason

    from folds
    inner join training_rows
        on
            folds.alpha_name = training_rows.alpha_name
            and folds.window_start_date <= training_rows.as_of_date
            and folds.test_start_index > training_rows.session_index

)

select * from placed
