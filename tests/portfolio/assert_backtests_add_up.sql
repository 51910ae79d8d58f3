-- Holdings and cash are the equity, net is gross less cost, equity grows by the net return from the configured start,
-- and the costs of the fills are the day's trading costs. Returns the days that do not add up.
with

days as (

    select
        as_of_date,
        strategy,
        equity_usd,
        gross_return,
        net_return,
        cost_return,
        trading_cost_usd,
        financing_usd,
        borrow_usd,
        coalesce(
            lag(equity_usd) over (partition by strategy order by as_of_date), {{ setting('initial_equity_usd') }}
        ) as equity_before_usd

    from {{ ref('pf_backtest_days') }}

),

held as (

    select
        as_of_date,
        strategy,
        sum(value_usd) as value_usd,
        max(abs(shares * price_usd - value_usd)) as shares_off_usd

    from {{ ref('pf_holdings') }}

    group by as_of_date, strategy

),

paid as (

    select
        fill_date as as_of_date,
        strategy,
        sum(commission_usd + spread_usd + impact_usd) as cost_usd

    from {{ ref('pf_trades') }}

    group by fill_date, strategy

)

select
    days.*,
    held.value_usd,
    paid.cost_usd

from days
left join held
    on
        days.as_of_date = held.as_of_date
        and days.strategy = held.strategy
left join paid
    on
        days.as_of_date = paid.as_of_date
        and days.strategy = paid.strategy

where
    coalesce(abs(held.value_usd - days.equity_usd) > 1e-9 * days.equity_usd, true)
    or held.shares_off_usd > 1e-9 * days.equity_usd
    or abs(days.net_return - (days.gross_return - days.cost_return)) > 1e-15
    or abs(days.equity_before_usd * (1 + days.net_return) - days.equity_usd) > 1e-9 * days.equity_usd
    or abs(coalesce(paid.cost_usd, 0) - days.trading_cost_usd) > 1e-9 * days.equity_usd
    or abs(
        days.cost_return * days.equity_before_usd - days.trading_cost_usd - days.financing_usd - days.borrow_usd
    ) > 1e-9 * days.equity_usd
