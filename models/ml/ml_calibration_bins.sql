{#- Reliability of probabilities: what was said and what came, by tenths of a fold's test window.
    Grain: one row per (alpha_name, fold_id, stage, bin); stage raw is what the estimator said, calibrated (where an alpha
    is) what is served as prob_up. Bins hold equally many rows, in order of the probability.
    The event is class 1 of two classes and UP of three. Rows are those of the sessions that the alpha learns from, as far as
    their label is settled; labels longer than train_every_sessions still overlap, so rows are not independent. Sums are
    exact decimals. -#}

with

outcomes as (

    select
        training_rows.alpha_name,
        training_rows.as_of_date,
        training_rows.security_id,
        training_rows.label_value = case specs.task when 'multiclass' then 2 else 1 end as has_happened

    from {{ ref('ml_training_rows') }} as training_rows
    inner join {{ ref('alpha_specs') }} as specs on training_rows.alpha_name = specs.alpha_name
    where specs.task in ('classification', 'multiclass') and training_rows.label_value is not null

),

predictions as (

    select
        as_of_date,
        security_id,
        alpha_name,
        fold_id,
        prob_up,
        raw_prob_up

    from {{ ref('ml_predictions') }}
    where prob_up is not null

),

judged as (

    select
        predictions.*,
        outcomes.has_happened
    from predictions
    inner join outcomes
        on
            predictions.alpha_name = outcomes.alpha_name
            and predictions.as_of_date = outcomes.as_of_date
            and predictions.security_id = outcomes.security_id

),

staged as (

    select
        alpha_name,
        fold_id,
        'raw' as stage,
        as_of_date,
        security_id,
        has_happened,
        coalesce(raw_prob_up, prob_up) as probability
    from judged

    union all

    select
        alpha_name,
        fold_id,
        'calibrated' as stage,
        as_of_date,
        security_id,
        has_happened,
        prob_up as probability
    from judged
    where raw_prob_up is not null

),

binned as (

    select
        *,
        probability - has_happened::integer as error,
        -ln(greatest(case when has_happened then probability else 1 - probability end, 1e-15)) as surprise,
        ntile(10) over (
            partition by alpha_name, fold_id, stage order by probability, as_of_date, security_id
        ) as bin
    from staged

)

select
    ---------- keys
    alpha_name,
    fold_id,
    stage,
    bin::integer as bin,

    ---------- what was said and what came
    count(*) as names,
    sum(probability::decimal(18, 15))::double / count(*) as mean_probability,
    count(*) filter (where has_happened) / count(*) as share_happened,
    sum((error * error)::decimal(18, 15))::double / count(*) as brier,
    sum(surprise::decimal(18, 15))::double / count(*) as log_loss
from binned
group by all
order by alpha_name, fold_id, stage, bin
