{#- What an alpha's information coefficients come to over all matured dates, and whether that is more than chance.
    Grain: one row per (alpha_name, horizon_days). Source: ml_alpha_quality.
    ir is the mean over the sample deviation of the dates; t is the mean over its standard error after Newey and West
    (1987): Bartlett weights, lag horizon_days - 1, autocovariances over n, for the returns of neighbouring dates overlap.
    Sums are exact decimals. -#}

with

coefficients as (

    select
        alpha_name,
        horizon_days,
        signal_date,
        rank_ic,
        ic
    from {{ ref('ml_alpha_quality') }}
    where every_sessions = 1 and ic is not null and rank_ic is not null

),

means as (

    select
        alpha_name,
        horizon_days,
        count(*) as dates,
        sum(ic::decimal(18, 15))::double / count(*) as ic,
        sum(rank_ic::decimal(18, 15))::double / count(*) as rank_ic,
        count(*) filter (where rank_ic > 0) / count(*) as share_positive
    from coefficients
    group by alpha_name, horizon_days

),

deviations as (

    select
        coefficients.alpha_name,
        coefficients.horizon_days,
        coefficients.ic - means.ic as ic_gap,
        coefficients.rank_ic - means.rank_ic as rank_ic_gap,
        row_number() over (
            partition by coefficients.alpha_name, coefficients.horizon_days order by coefficients.signal_date
        ) as position
    from coefficients
    inner join means
        on
            coefficients.alpha_name = means.alpha_name
            and coefficients.horizon_days = means.horizon_days

),

lags as (

    select
        alpha_name,
        horizon_days,
        unnest(range(0, horizon_days)) as lag_dates
    from means

),

covariances as (

    select
        lags.alpha_name,
        lags.horizon_days,
        lags.lag_dates,
        sum((later.ic_gap * earlier.ic_gap)::decimal(18, 15))::double as ic_products,
        sum((later.rank_ic_gap * earlier.rank_ic_gap)::decimal(18, 15))::double as rank_ic_products,
        case when lags.lag_dates = 0 then 1 else 2 * (1 - lags.lag_dates / lags.horizon_days) end as weight
    from lags
    inner join deviations as later
        on lags.alpha_name = later.alpha_name and lags.horizon_days = later.horizon_days
    inner join deviations as earlier
        on
            later.alpha_name = earlier.alpha_name
            and later.horizon_days = earlier.horizon_days
            and later.position = earlier.position + lags.lag_dates
    group by lags.alpha_name, lags.horizon_days, lags.lag_dates

),

variances as (

    select
        alpha_name,
        horizon_days,
        max(ic_products) filter (where lag_dates = 0) as ic_squares,
        max(rank_ic_products) filter (where lag_dates = 0) as rank_ic_squares,
        sum((weight * ic_products)::decimal(38, 15))::double as ic_long_run,
        sum((weight * rank_ic_products)::decimal(38, 15))::double as rank_ic_long_run
    from covariances
    group by alpha_name, horizon_days

)

select
    ---------- keys
    means.alpha_name,
    means.horizon_days,

    ---------- quality
    means.dates,
    means.ic,
    means.rank_ic,
    means.ic / sqrt(nullif(variances.ic_squares, 0) / nullif(means.dates - 1, 0)) as ic_ir,
    means.rank_ic / sqrt(nullif(variances.rank_ic_squares, 0) / nullif(means.dates - 1, 0)) as rank_ic_ir,
    case when variances.ic_long_run > 0 then means.ic * means.dates / sqrt(variances.ic_long_run) end as ic_t,
    case when variances.rank_ic_long_run > 0 then means.rank_ic * means.dates / sqrt(variances.rank_ic_long_run) end
        as rank_ic_t,
    means.share_positive
from means
inner join variances
    on
        means.alpha_name = variances.alpha_name
        and means.horizon_days = variances.horizon_days
order by means.alpha_name, means.horizon_days
