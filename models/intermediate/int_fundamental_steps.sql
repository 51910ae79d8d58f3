{#- The event table with one more row wherever a split changes the unit of a count, so that the daily rows need a single
    as-of join and still find shares on the basis of their own day.
    Grain: one row per (security_id, effective_at): the moment a statement becomes known, or the start of a day with a
    split (its session trades on the new unit). -#}

with

events as (

    select * from {{ ref('int_fundamental_events') }}

),

share_factors as (

    select
        security_id,
        vendor as shares_vendor,
        split_date::timestamp as split_at,
        share_factor

    from {{ ref('int_share_factors') }}

),

steps as (

    select
        security_id,
        known_at as effective_at

    from events

    union

    select
        security_id,
        split_at as effective_at

    from share_factors

),

states as (

    select
        steps.effective_at,
        events.*

    from steps
    {{ as_of_join('steps', 'events', left_at='effective_at') }}

    where events.security_id is not null

),

with_shares as (

    select
        ---------- keys and point in time
        states.security_id,
        states.effective_at,
        greatest(states.effective_at, states.usable_at) as usable_at,
        states.known_at,
        states.income_known_at,
        states.balance_known_at,
        states.cashflow_known_at,
        states.shares_known_at,

        ---------- shares on the basis of the moment, NULL while they are in doubt
        states.shares_unsplit * coalesce(share_factors.share_factor, 1) as shares,
        states.shares_basic,
        states.is_shares_suspect,

        ---------- what enters the features
        states.revenue_ttm,
        states.net_income_ttm,
        states.free_cash_flow_ttm,
        states.equity,
        states.roa,
        states.roe,
        states.operating_margin,

        ---------- reasons of NULLs
        states.revenue_ttm_null_reason,
        states.net_income_ttm_null_reason,
        states.free_cash_flow_ttm_null_reason,
        states.equity_null_reason,
        states.shares_null_reason,
        states.roa_null_reason,
        states.roe_null_reason,
        states.operating_margin_null_reason

    from states
    {{ as_of_join(
        'states', 'share_factors', keys=['security_id', 'shares_vendor'], left_at='effective_at', right_at='split_at'
    ) }}

)

select * from with_shares

order by security_id, effective_at
