{#- Every fold of every active alpha: windows, what the purge took, why a fold was skipped, what came of it.
    Grain: one row per (alpha_name, fold_id). Source: ml_folds, ml_fold_quality,
    ml_fold_accuracy. -#}

with

folds as (

    select * from {{ ref('ml_folds') }}

),

quality as (

    select * from {{ ref('ml_fold_quality') }}

),

accuracy as (

    select * from {{ ref('ml_fold_accuracy') }}

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
        folds.unlabelled_rows::bigint as unlabelled_rows,
        quality.rank_ic_low,
        quality.rank_ic_high,
        quality.hit_rate,
        quality.quantile_spread,
        quality.top_turnover,
        accuracy.accuracy,
        accuracy.share_down,
        accuracy.share_flat,
        accuracy.share_up,
        quality.signal_end_equity,
        quality.signal_cagr,
        quality.signal_sharpe,
        quality.signal_gross_sharpe,
        quality.signal_max_drawdown,
        quality.signal_calmar,
        quality.signal_trades_per_month,
        quality.signal_turnover,
        quality.signal_net_bps

    from folds
    left join quality
        on
            folds.alpha_name = quality.alpha_name
            and folds.fold_id = quality.fold_id
    left join accuracy
        on
            folds.alpha_name = accuracy.alpha_name
            and folds.fold_id = accuracy.fold_id

)

select * from joined
order by alpha_name, fold_id
