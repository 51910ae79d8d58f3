{#- How often a fold's predicted class came, in its test window so far, and how often it said which.
    Grain: one row per (alpha_name, fold_id). The class is that of fct_signals (of two, prob_up above one half; of three the
    likeliest, FLAT on a tie with it); of a predicted return or median it is the sign, UP above 0. Rows are those of the
    sessions that the alpha learns from, as far as their label is settled. -#}

with

outcomes as (

    select
        training_rows.alpha_name,
        training_rows.as_of_date,
        training_rows.security_id,
        specs.task,
        case
            when specs.task = 'multiclass' then training_rows.label_value::integer
            when training_rows.label_value > 0 then 2
            else 0
        end as came

    from {{ ref('ml_training_rows') }} as training_rows
    inner join {{ ref('alpha_specs') }} as specs on training_rows.alpha_name = specs.alpha_name
    where training_rows.label_value is not null

),

predictions as (

    select
        as_of_date,
        security_id,
        alpha_name,
        fold_id,
        score,
        prob_up,
        prob_flat,
        prob_down

    from {{ ref('ml_predictions') }}

),

judged as (

    select
        predictions.alpha_name,
        predictions.fold_id,
        outcomes.came,
        case outcomes.task
            when 'multiclass'
                then case
                    when greatest(predictions.prob_up, predictions.prob_down) <= predictions.prob_flat then 1
                    when predictions.prob_up > predictions.prob_down then 2
                    else 0
                end
            when 'classification' then case when predictions.prob_up > 0.5 then 2 else 0 end
            else case when predictions.score > 0 then 2 else 0 end
        end as said
    from predictions
    inner join outcomes
        on
            predictions.alpha_name = outcomes.alpha_name
            and predictions.as_of_date = outcomes.as_of_date
            and predictions.security_id = outcomes.security_id

)

select
    ---------- keys
    alpha_name,
    fold_id,

    ---------- accuracy
    count(*) as judged_rows,
    count(*) filter (where said = came) / count(*) as accuracy,
    count(*) filter (where said = 0) / count(*) as share_down,
    count(*) filter (where said = 1) / count(*) as share_flat,
    count(*) filter (where said = 2) / count(*) as share_up,
    count(*) filter (where came = 2) / count(*) as share_up_came
from judged
group by alpha_name, fold_id
order by alpha_name, fold_id
