{#- Target weights decided at each rebalance, with the constraint that bound each name. Held weights: fct_holdings.
    Grain: one row per (as_of_date, strategy, security_id). Source: pf_target_weights. -#}

with

weights as (

    select
        as_of_date,
        strategy,
        security_id,
        score,
        score_rank,
        target_weight,
        binding_constraint

    from {{ ref('pf_target_weights') }}

),

prices as (

    select
        as_of_date,
        security_id,
        ticker

    from {{ ref('int_prices') }}

),

joined as (

    select
        weights.as_of_date,
        weights.strategy,
        weights.security_id,
        prices.ticker,
        weights.score,
        weights.score_rank::integer as score_rank,
        weights.target_weight::double as target_weight,
        weights.binding_constraint

    from weights
    inner join prices
        on
            weights.security_id = prices.security_id
            and weights.as_of_date = prices.as_of_date

)

select * from joined
order by as_of_date, strategy, security_id
