-- A target is a member of the universe on the date, with a score of the strategy's own alpha known at the decision and
-- enough dollar volume, on a scheduled date. Returns the targets that are not.
with

targets as (

    select
        weights.*,
        strategies.alpha_name,
        strategies.adv_column,
        strategies.min_adv_usd

    from {{ ref('pf_target_weights') }} as weights

    inner join {{ ref('strategies') }} as strategies on weights.strategy = strategies.strategy

),

-- of these alone: a join to all scores of all alphas holds them all in memory
scores as (

    select
        scores.alpha_name,
        scores.as_of_date,
        scores.security_id,
        scores.score

    from {{ ref('pf_alpha_scores') }} as scores

    semi join targets
        on
            scores.alpha_name = targets.alpha_name
            and scores.as_of_date = targets.as_of_date
            and scores.security_id = targets.security_id

)

select
    targets.as_of_date,
    targets.strategy,
    targets.security_id,
    universe.is_member,
    universe.adv_20,
    scores.score

from targets

left join {{ ref('pf_rebalances') }} as rebalances
    on
        targets.strategy = rebalances.strategy
        and targets.as_of_date = rebalances.as_of_date

left join {{ ref('int_universe') }} as universe
    on
        targets.as_of_date = universe.as_of_date
        and targets.security_id = universe.security_id

left join scores
    on
        targets.alpha_name = scores.alpha_name
        and targets.as_of_date = scores.as_of_date
        and targets.security_id = scores.security_id

where
    not coalesce(universe.is_member, false)
    or rebalances.as_of_date is null
    or (scores.score is distinct from targets.score)
    or (targets.adv_column = 'adv_20' and not coalesce(universe.adv_20 >= targets.min_adv_usd, false))
