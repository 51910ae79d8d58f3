{#- What each feature does to the scores of each fold in its test window so far, and what it is worth by itself.
    Grain: one row per (alpha_name, fold_id, feature_name). Source: ml_importances. -#}

with

importances as (

    select
        alpha_name,
        fold_id,
        feature_name,
        effective_date,
        mean_abs_shap,
        shap_share,
        shap_direction,
        shap_rows,
        permutation_rank_ic,
        permutation_drop,
        permuted_rows,
        marginal_rank_ic,
        marginal_dates

    from {{ ref('ml_importances') }}

)

select * from importances
order by alpha_name, fold_id, feature_name
