-- A target is a member of the universe on the date, with a score of the strategy's own alpha known at the decision and
-- enough dollar volume, on a scheduled date. Returns the targets that are not.
select
    weights.as_of_date,
    weights.strategy,
    weights.security_id,
    universe.is_member,
    universe.adv_20,
    scores.score

from {{ ref('pf_target_weights') }} as weights

inner join {{ ref('strategies') }} as strategies on weights.strategy = strategies.strategy

left join {{ ref('pf_rebalances') }} as rebalances
    on
        weights.strategy = rebalances.strategy
        and weights.as_of_date = rebalances.as_of_date

left join {{ ref('int_universe') }} as universe
    on
        weights.as_of_date = universe.as_of_date
        and weights.security_id = universe.security_id

left join {{ ref('pf_alpha_scores') }} as scores
    on
        strategies.alpha_name = scores.alpha_name
        and weights.as_of_date = scores.as_of_date
        and weights.security_id = scores.security_id

where
    not coalesce(universe.is_member, false)
    or rebalances.as_of_date is null
    or (scores.score is distinct from weights.score)
    or (strategies.adv_column = 'adv_20' and not coalesce(universe.adv_20 >= strategies.min_adv_usd, false))
