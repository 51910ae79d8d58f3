{#- Every fold of every active alpha: windows, what the purge took, why a fold was skipped, its out-of-sample IC.
    Grain: one row per (alpha_name, fold_id). Source: ml_folds, ml_fold_quality. -#}

with

folds as (

    select * from {{ ref('ml_folds') }}

),

quality as (

    select
        alpha_name,
        fold_id,
        ic,
        rank_ic

    from {{ ref('ml_fold_quality') }}

),

joined as (

    select
        folds.alpha_name,
        folds.fold_id,
        folds.train_start_date,
        folds.train_end_date,
        folds.calibration_start_date,
        folds.test_start_date,
        folds.test_end_date,
        folds.train_rows::bigint as train_rows,
        folds.purged_rows::bigint as purged_rows,
        folds.embargoed_rows::bigint as embargoed_rows,
        folds.status,
        folds.reason,
        quality.ic,
        quality.rank_ic,
        folds.unlabelled_rows::bigint as unlabelled_rows

    from folds
    left join quality
        on
            folds.alpha_name = quality.alpha_name
            and folds.fold_id = quality.fold_id

)

select * from joined
order by alpha_name, fold_id
