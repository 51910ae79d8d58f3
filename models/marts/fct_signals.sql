{#- Every out-of-sample score of every active alpha, with the direction it speaks for.
    Grain: one row per (as_of_date, alpha_name, security_id). Source: ml_predictions. -#}

with

predictions as (

    select
        as_of_date,
        security_id,
        alpha_name,
        horizon_days,
        score,
        score_rank,
        case when scored_names > 1 then abs(1 - 2 * (score_rank - 1) / (scored_names - 1)) else 0 end as strength,
        prob_up,
        prob_flat,
        prob_down,
        case
            when prob_flat is not null
                then case
                    when greatest(prob_up, prob_down) <= prob_flat then 1
                    when prob_up > prob_down then 2
                    else 0
                end
            when prob_up is not null then (prob_up > 0.5)::integer
        end as prediction_class,
        greatest(prob_up, coalesce(greatest(prob_flat, prob_down), 1 - prob_up)) as confidence,
        q10,
        q50,
        q90,
        fit_id,
        is_out_of_sample

    from {{ ref('ml_predictions') }}
    where is_out_of_sample

),

prices as (

    select
        as_of_date,
        security_id,
        ticker

    from {{ ref('int_prices') }}

),

signals as (

    select
        ---------- keys
        predictions.as_of_date,
        predictions.security_id,
        prices.ticker,
        predictions.alpha_name,
        predictions.horizon_days,

        ---------- the score and its place on the date
        predictions.score,
        predictions.score_rank,
        predictions.prob_up,
        predictions.prediction_class,
        predictions.strength,
        predictions.q10,
        predictions.q50,
        predictions.q90,
        case
            when predictions.prob_flat is not null then ['short', 'flat', 'long'][predictions.prediction_class + 1]
            when coalesce(predictions.prob_up - 0.5, predictions.score) > 0 then 'long'
            when coalesce(predictions.prob_up - 0.5, predictions.score) < 0 then 'short'
            else 'flat'
        end as direction,
        predictions.confidence,

        ---------- provenance
        predictions.is_out_of_sample,
        predictions.fit_id

    from predictions
    inner join prices
        on
            predictions.security_id = prices.security_id
            and predictions.as_of_date = prices.as_of_date

)

select * from signals
order by as_of_date, alpha_name, security_id
