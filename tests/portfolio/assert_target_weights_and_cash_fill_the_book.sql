-- Weights are above 0, at most top_n of them, and with the cash add up to the whole book; cash is left only where the
-- decision says that it is infeasible. Returns the decisions that break one of these.
select
    weights.as_of_date,
    weights.strategy,
    count(*) as names,
    min(weights.target_weight) as smallest,
    sum(weights.target_weight) as placed,
    max(weights.cash_weight) as cash

from {{ ref('pf_target_weights') }} as weights

inner join {{ ref('strategies') }} as strategies on weights.strategy = strategies.strategy

group by weights.as_of_date, weights.strategy

having
    min(weights.target_weight) <= 0
    or count(*) > min(strategies.top_n)
    or abs(sum(weights.target_weight) + max(weights.cash_weight) - 1) > 1e-9
    or bool_or(weights.is_infeasible != (weights.cash_weight > 0))
