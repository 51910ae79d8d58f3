{#- Every order decided, those of the last date included, which are not filled yet. An order whose name has no fresh bar
    at the next session lapses.
    Grain: one row per (decided_date, strategy, security_id). -#}

with

walks as (

    select
        as_of_date,
        strategy,
        orders

    from {{ ref('pf_backtest_walks') }}

),

decided as (

    select
        as_of_date as decided_date,
        strategy,
        unnest(orders) as decision

    from walks

)

select
    ---------- keys
    decided.decided_date,
    decided.strategy,
    decided.decision.security_id,

    ---------- order
    decided.decision.side,
    decided.decision.shares,
    decided.decision.reference_price_usd,
    decided.decision.value_usd,
    decided.decision.weight_before,
    decided.decision.weight_target,
    decided.decision.weight_after,
    decided.decision.reason
from decided
