{#- Every version of every active alpha: the fit, what it was made of, what it has done, and which one is active.
    Grain: one row per (alpha_name, version). Source: ml_registry_events, ml_served_fits, ml_gate_results,
    ml_fold_quality. The active version is the one that serves the session after the market's last date: one per alpha,
    always, for it is read off the one order of ml_served_fits. Ages count calendar days up to the market's last date. -#}

with

market as (

    select max(as_of_date) as last_date

    from {{ ref('ml_panel') }}

),

specs as (

    select alpha_name

    from {{ ref('alpha_specs') }}
    where is_active

),

-- by the gates as they are now; a fit that is no longer made keeps the verdict of its day
gates as (

    {{ gate_verdicts() }}

),

versions as (

    select
        events.alpha_name,
        events.version,
        events.fit_id,
        events.fold_id,
        events.effective_date,
        coalesce(gates.gate_result, events.gate_result) as gate_result

    from {{ ref('ml_registry_events') }} as events
    inner join specs
        on events.alpha_name = specs.alpha_name
    left join gates
        on events.fit_id = gates.fit_id
    where events.event = 'register'

),

serving as (

    select
        alpha_name,
        fit_id,
        effective_date,
        is_chosen,
        coalesce(
            lead(effective_date) over (partition by alpha_name order by effective_date),
            date '9999-12-31'
        ) as next_effective_date

    from {{ ref('ml_served_fits') }}

),

served as (

    select
        alpha_name,
        fit_id,
        max(effective_date) as served_from_date,
        bool_or(next_effective_date = date '9999-12-31') as is_active,
        bool_or(is_chosen) as is_chosen

    from serving
    group by alpha_name, fit_id

),

fits as (

    select
        fit_id,
        n_train_rows,
        train_end_date,
        training_data_hash,
        code_version,
        library_versions

    from {{ ref('ml_served_fits') }}
    qualify row_number() over (partition by fit_id order by effective_date) = 1

),

quality as (

    select
        alpha_name,
        fold_id,
        ic,
        rank_ic,
        dates

    from {{ ref('ml_fold_quality') }}

)

select
    ---------- keys
    versions.alpha_name,
    versions.version,

    ---------- the fit
    versions.fit_id,
    versions.fold_id,
    fits.n_train_rows,
    fits.train_end_date,
    fits.training_data_hash,
    fits.code_version,
    fits.library_versions,

    ---------- where it serves
    case
        when served.is_active then 'active'
        when served.fit_id is not null then 'superseded'
        else 'retired'
    end as status,
    versions.effective_date,
    served.served_from_date,
    coalesce(served.is_chosen, false) as is_chosen_by_hand,

    ---------- what it did and whether it may be promoted
    case when served.fit_id is not null then quality.ic end as ic,
    case when served.fit_id is not null then quality.rank_ic end as rank_ic,
    case when served.fit_id is not null then quality.dates end as matured_dates,
    versions.gate_result,

    ---------- age
    date_diff('day', fits.train_end_date, market.last_date) as age_days,
    coalesce(served.is_active and age_days > {{ setting_number('model_staleness_days') }}, false) as is_stale,
    coalesce(served.is_active and age_days >= {{ setting_number('retrain_interval_days') }}, false) as is_retrain_due

from versions
cross join market
left join served
    on
        versions.alpha_name = served.alpha_name
        and versions.fit_id = served.fit_id
left join fits
    on versions.fit_id = fits.fit_id
left join quality
    on
        versions.alpha_name = quality.alpha_name
        and versions.fold_id = quality.fold_id
order by versions.alpha_name, versions.version
