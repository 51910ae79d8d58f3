{#- Rule rank_inverse_vol: the best names by score, each sized by the inverse of its volatility. The collector
    pf_target_weights normalises and caps.
    Grain: one row per (as_of_date, strategy, security_id). -#}

with

strategies as (

    select strategy
    from {{ ref('strategies') }}
    where portfolio_rule = 'rank_inverse_vol'

),

candidates as (

    select * from {{ ref('pf_candidates') }}

)

select
    candidates.*,
    1 / candidates.volatility as size
from candidates
inner join strategies on candidates.strategy = strategies.strategy
order by candidates.strategy, candidates.as_of_date, candidates.security_id
