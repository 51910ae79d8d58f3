{#- How often a fold's predicted class came, in its test window so far, and how often it said which.
    Grain: one row per (alpha_name, fold_id). The class is that of fct_signals (of two, prob_up above one half; of three the
    likeliest, FLAT on a tie with it); of a predicted return or median it is the sign, UP above 0. Rows are those of the
    sessions that the alpha learns from, as far as their label is settled, by the window they lie in, whichever fit served
    it. -#}

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
        score,
        prob_up,
        prob_flat,
        prob_down

    from {{ ref('ml_predictions') }}

),

judged as (

    select
        predictions.alpha_name,
        predictions.as_of_date,
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

),

dates as (

    select
        alpha_name,
        as_of_date,
        count(*) as judged_rows,
        count(*) filter (where said = came) as right_rows,
        count(*) filter (where said = 0) as down_rows,
        count(*) filter (where said = 1) as flat_rows,
        count(*) filter (where said = 2) as up_rows,
        count(*) filter (where came = 2) as up_came_rows
    from judged
    group by alpha_name, as_of_date

),

windows as (

    select
        alpha_name,
        fold_id,
        test_start_date,
        lead(test_start_date, 1, date '9999-12-31') over (
            partition by alpha_name order by test_start_date
        ) as next_start_date

    from {{ ref('ml_folds') }}

)

select
    ---------- keys
    windows.alpha_name,
    windows.fold_id,

    ---------- accuracy
    sum(dates.judged_rows)::bigint as judged_rows,
    sum(dates.right_rows) / sum(dates.judged_rows) as accuracy,
    sum(dates.down_rows) / sum(dates.judged_rows) as share_down,
    sum(dates.flat_rows) / sum(dates.judged_rows) as share_flat,
    sum(dates.up_rows) / sum(dates.judged_rows) as share_up,
    sum(dates.up_came_rows) / sum(dates.judged_rows) as share_up_came
from windows
inner join dates
    on
        windows.alpha_name = dates.alpha_name
        and windows.test_start_date <= dates.as_of_date
        and windows.next_start_date > dates.as_of_date
group by windows.alpha_name, windows.fold_id
order by windows.alpha_name, windows.fold_id
