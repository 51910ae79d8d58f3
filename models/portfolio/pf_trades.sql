{#- Every fill, dated by the session of the fill, with its costs. A delisting pays a holding out on the session it
    becomes known: it is nobody's decision, so its decided_date is its fill_date, and it costs nothing.
    Grain: one row per (fill_date, strategy, security_id). -#}

with

walks as (

    select
        as_of_date,
        strategy,
        trades

    from {{ ref('pf_backtest_walks') }}

),

fills as (

    select
        as_of_date as fill_date,
        strategy,
        unnest(trades) as trade

    from walks

)

select
    ---------- keys
    fills.fill_date,
    fills.trade.decided_date,
    fills.strategy,
    fills.trade.security_id,

    ---------- trade
    fills.trade.side,
    fills.trade.shares,
    fills.trade.price_usd,
    fills.trade.value_usd,
    fills.trade.weight_before,
    fills.trade.weight_after,

    ---------- costs
    fills.trade.commission_usd,
    fills.trade.spread_usd,
    fills.trade.impact_usd,

    ---------- why, and what the position has gained
    fills.trade.reason,
    fills.trade.gain_usd
from fills
