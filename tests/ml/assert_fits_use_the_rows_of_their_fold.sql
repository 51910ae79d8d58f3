{#- Returns folds whose fit did not use exactly the rows that ml_folds counts, and fits or fitted folds without the
    other. -#}

with

fitted as (

    select *
    from {{ ref('ml_folds') }}
    where status = 'fitted'

)

select
    fitted.alpha_name,
    fitted.fold_id,
    fitted.train_rows,
    fits.n_train_rows,
    fitted.train_end_date,
    fits.train_end_date as fit_train_end_date

from fitted
full join {{ ref('ml_fits') }} as fits
    on
        fitted.alpha_name = fits.alpha_name
        and fitted.fold_id = fits.fold_id
where
    fitted.train_rows is distinct from fits.n_train_rows
    or fitted.train_end_date is distinct from fits.train_end_date
    or fitted.test_start_date is distinct from fits.effective_date
