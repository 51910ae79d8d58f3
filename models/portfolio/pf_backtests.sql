{#- The bottom line of each backtest, with what a reader must know beside it: how many configurations were tried, how
    many scheduled decisions found names, and whether the market's own choice of names flatters it.
    Grain: one row per strategy. -#}

with

summaries as (

    select * from {{ ref('pf_backtest_summaries') }}

),

decisions as (

    select distinct
        as_of_date,
        strategy,
        is_infeasible

    from {{ ref('pf_target_weights') }}

),

schedules as (

    select
        rebalances.strategy,
        count(*)::integer as scheduled_decisions,
        count(decisions.as_of_date)::integer as decisions,
        count(*) filter (where decisions.is_infeasible)::integer as infeasible_decisions

    from {{ ref('pf_rebalances') }} as rebalances
    left join decisions
        on
            rebalances.strategy = decisions.strategy
            and rebalances.as_of_date = decisions.as_of_date

    group by rebalances.strategy

),

market as (

    select bool_or(lower(value) in ('true', '1', 'yes')) as survivorship_biased

    from {{ source('market', 'market') }}

    where key = 'survivorship_biased'

)

select
    summaries.*,
    schedules.scheduled_decisions,
    schedules.decisions,
    schedules.infeasible_decisions,
    market.survivorship_biased
from summaries
left join schedules on summaries.strategy = schedules.strategy
cross join market
order by summaries.strategy
