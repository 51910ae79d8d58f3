{#- Returns folds whose counts in ml_folds are not those of the rows in ml_fold_members. -#}

with

members as (

    select
        alpha_name,
        fold_id,
        count(*) filter (where part = 'trained') as train_rows,
        count(*) filter (where part = 'purged') as purged_rows,
        count(*) filter (where part = 'embargoed') as embargoed_rows,
        count(*) filter (where part = 'unlabelled') as unlabelled_rows,
        count(*) filter (where part = 'calibrated') as calibration_rows,
        count(*) filter (where part = 'calibration_purged') as calibration_purged_rows,
        max(training_date) filter (where part = 'trained') as train_end_date
    from {{ ref('ml_fold_members') }}
    group by alpha_name, fold_id

)

select
    folds.alpha_name,
    folds.fold_id,
    folds.train_rows,
    members.train_rows as member_rows,
    folds.purged_rows,
    members.purged_rows as purged_member_rows
from {{ ref('ml_folds') }} as folds
left join members on folds.alpha_name = members.alpha_name and folds.fold_id = members.fold_id
where
    folds.train_rows <> coalesce(members.train_rows, 0)
    or folds.purged_rows <> coalesce(members.purged_rows, 0)
    or folds.embargoed_rows <> coalesce(members.embargoed_rows, 0)
    or folds.unlabelled_rows <> coalesce(members.unlabelled_rows, 0)
    or folds.calibration_rows <> coalesce(members.calibration_rows, 0)
    or folds.calibration_purged_rows <> coalesce(members.calibration_purged_rows, 0)
    or folds.train_end_date is distinct from members.train_end_date
