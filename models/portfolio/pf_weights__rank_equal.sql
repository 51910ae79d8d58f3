{#- Rule rank_equal: the best names by score, all of one size. The collector
    pf_target_weights normalises and caps.
    Grain: one row per (as_of_date, strategy, security_id). -#}

with

strategies as (

    select strategy
    from {{ ref('strategies') }}
    where portfolio_rule = 'rank_equal'

),

candidates as (

    select * from {{ ref('pf_candidates') }}

)

select
    candidates.*,
    1::double as size
from candidates
inner join strategies on candidates.strategy = strategies.strategy
order by candidates.strategy, candidates.as_of_date, candidates.security_id
