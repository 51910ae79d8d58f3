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

-- days with a split on which nothing was published: what was known goes on, in another unit
split_days as (

    select distinct
        share_factors.security_id,
        share_factors.split_at as effective_at

    from share_factors

    anti join events
        on share_factors.security_id = events.security_id and share_factors.split_at = events.known_at

),

continued as (

    select
        split_days.effective_at,
        events.*

    from split_days
    {{ as_of_join('split_days', 'events', left_at='effective_at') }}

    where events.security_id is not null

),

states as not materialized (

    select
        known_at as effective_at,
        *

    from events

    union all

    select *

    from continued

),

-- the unit of the moment, joined by keys alone
units as (

    select
        states.security_id,
        states.effective_at,
        share_factors.share_factor

    from states
    {{ as_of_join(
        'states', 'share_factors', keys=['security_id', 'shares_vendor'], left_at='effective_at', right_at='split_at'
    ) }}

    where share_factors.share_factor is not null

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
        states.shares_unsplit * coalesce(units.share_factor, 1) as shares,
        states.shares_basic,
        states.is_shares_suspect,

        ---------- what enters the features
        states.revenue_ttm,
        states.net_income_ttm,
        states.free_cash_flow_ttm,
        states.equity,
        states.dividends_paid_ttm,
        states.net_debt,
        states.ebitda_ttm,
        states.roa,
        states.roe,
        states.operating_margin,
        states.gross_margin,
        states.gross_profitability,
        states.asset_growth,
        states.revenue_growth,
        states.earnings_growth,
        states.accruals,
        states.current_ratio,
        states.debt_to_equity,
        states.net_issuance

    from states

    left join units
        on states.security_id = units.security_id and states.effective_at = units.effective_at

)

select * from with_shares
