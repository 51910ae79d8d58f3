{#- What each gate of seeds/promotion_gates.csv says of each fit, from what had matured before the fit's effective date.
    Grain: one row per (fit_id, gate). Source: ml_fits, ml_alpha_quality.
    The rank ICs are those of the alpha's own horizon on every horizon_days-th session, whose returns do not overlap, so
    that t is that of a plain mean; sums are exact decimals. A metric that cannot be worked out does not pass. -#}

with

fits as (

    select
        fit_id,
        alpha_name,
        fold_id,
        effective_date,
        n_train_rows

    from {{ ref('ml_fits') }}

),

specs as (

    select
        alpha_name,
        horizon_days

    from {{ ref('alpha_specs') }}

),

coefficients as (

    select
        quality.alpha_name,
        quality.matured_date,
        quality.rank_ic

    from {{ ref('ml_alpha_quality') }} as quality
    inner join specs
        on
            quality.alpha_name = specs.alpha_name
            and quality.horizon_days = specs.horizon_days
    inner join {{ ref('int_sessions') }} as sessions
        on quality.signal_date = sessions.session_date
    where
        quality.rank_ic is not null
        and sessions.session_index % specs.horizon_days = 0

),

evidence as (

    select
        fits.fit_id,
        fits.alpha_name,
        fits.fold_id,
        any_value(fits.n_train_rows)::double as train_rows,
        count(coefficients.rank_ic) as n,
        sum(coefficients.rank_ic::decimal(18, 15))::double as total,
        sum((coefficients.rank_ic * coefficients.rank_ic)::decimal(18, 15))::double as squares

    from fits
    left join coefficients
        on
            fits.alpha_name = coefficients.alpha_name
            and fits.effective_date > coefficients.matured_date
    group by fits.fit_id, fits.alpha_name, fits.fold_id

),

metrics as (

    select
        fit_id,
        alpha_name,
        fold_id,
        train_rows,
        n::double as independent_dates,
        -- of one date the square and the rounded sum differ by rounding: no deviation, and so no t
        case
            when n > 1
                then (total / n) / sqrt(nullif(greatest(squares - total * total / n, 0), 0) / (n * (n - 1.0)))
        end as rank_ic_t

    from evidence

),

gates as (

    select
        gate,
        metric,
        at_least,
        reason

    from {{ ref('promotion_gates') }}

),

judged as (

    select
        ---------- keys
        metrics.fit_id,
        gates.gate,

        ---------- whose
        metrics.alpha_name,
        metrics.fold_id,

        ---------- verdict
        gates.metric,
        case gates.metric
            when 'train_rows' then metrics.train_rows
            when 'independent_dates' then metrics.independent_dates
            when 'rank_ic_t' then metrics.rank_ic_t
        end as value,
        gates.at_least,
        coalesce(value >= gates.at_least, false) as is_passed,
        case when not is_passed then gates.reason end as reason

    from metrics
    cross join gates

)

select * from judged
order by alpha_name, fold_id, gate
