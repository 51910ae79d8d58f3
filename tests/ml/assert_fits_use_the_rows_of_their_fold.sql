{#- Returns folds whose fit did not use exactly the rows that ml_folds counts, and fits or fitted folds without the other. -#}

select
    folds.alpha_name,
    folds.fold_id,
    folds.train_rows,
    fits.n_train_rows,
    folds.train_end_date,
    fits.train_end_date as fit_train_end_date
from (select * from {{ ref('ml_folds') }} where status = 'fitted') as folds
full join {{ ref('ml_fits') }} as fits
    on
        folds.alpha_name = fits.alpha_name
        and folds.fold_id = fits.fold_id
where
    folds.train_rows is distinct from fits.n_train_rows
    or folds.train_end_date is distinct from fits.train_end_date
    or folds.test_start_date is distinct from fits.effective_date
