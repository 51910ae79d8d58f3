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
        prob_up,
        prob_flat,
        prob_down,
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

ranked as (

    select
        as_of_date,
        security_id,
        alpha_name,
        horizon_days,
        score,
        prob_up,
        prob_flat,
        prob_down,
        q10,
        q50,
        q90,
        case
            when prob_flat is not null
                then case
                    when greatest(prob_up, prob_down) <= prob_flat then 1
                    when prob_up > prob_down then 2
                    else 0
                end
            when prob_up is not null then (prob_up > 0.5)::integer
        end as prediction_class,
        fit_id,
        is_out_of_sample,
        row_number() over best as score_rank,
        count(*) over (partition by alpha_name, as_of_date) as names

    from predictions
    window best as (partition by alpha_name, as_of_date order by score desc, security_id asc)

),

signals as (

    select
        ---------- keys
        ranked.as_of_date,
        ranked.security_id,
        prices.ticker,
        ranked.alpha_name,
        ranked.horizon_days::integer as horizon_days,

        ---------- the score and its place on the date
        ranked.score,
        ranked.score_rank::integer as score_rank,
        ranked.prob_up,
        ranked.prediction_class,
        case when ranked.names > 1 then abs(1 - 2 * (ranked.score_rank - 1) / (ranked.names - 1)) else 0 end
            as strength,
        ranked.q10,
        ranked.q50,
        ranked.q90,
        case
            when ranked.prob_flat is not null then ['short', 'flat', 'long'][ranked.prediction_class + 1]
            when coalesce(ranked.prob_up - 0.5, ranked.score) > 0 then 'long'
            when coalesce(ranked.prob_up - 0.5, ranked.score) < 0 then 'short'
            else 'flat'
        end as direction,
        greatest(ranked.prob_up, coalesce(greatest(ranked.prob_flat, ranked.prob_down), 1 - ranked.prob_up))
            as confidence,

        ---------- provenance
        ranked.is_out_of_sample,
        ranked.fit_id

    from ranked
    inner join prices
        on
            ranked.security_id = prices.security_id
            and ranked.as_of_date = prices.as_of_date

)

select * from signals
order by as_of_date, alpha_name, security_id
