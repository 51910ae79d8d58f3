-- A fill comes from an order of the session before, on its side; only a payout (delisting, no_more_bars) has none. No
-- order is decided off schedule. Returns the fills and orders that break this.
with

fills as (

    select
        trades.fill_date,
        trades.decided_date,
        trades.strategy,
        trades.security_id,
        trades.reason

    from {{ ref('pf_trades') }} as trades

    left join {{ ref('int_sessions') }} as sessions on trades.fill_date = sessions.session_date

    left join {{ ref('pf_orders') }} as orders
        on
            trades.decided_date = orders.decided_date
            and trades.strategy = orders.strategy
            and trades.security_id = orders.security_id
            and trades.side = orders.side

    where
        case
            when trades.reason in ('delisting', 'no_more_bars') then trades.decided_date != trades.fill_date
            else coalesce(sessions.previous_session_date != trades.decided_date, true) or orders.strategy is null
        end

),

off_schedule as (

    select
        null::date as fill_date,
        orders.decided_date,
        orders.strategy,
        orders.security_id,
        orders.reason

    from {{ ref('pf_orders') }} as orders

    left join {{ ref('pf_rebalances') }} as rebalances
        on
            orders.decided_date = rebalances.as_of_date
            and orders.strategy = rebalances.strategy

    where rebalances.as_of_date is null

)

select * from fills
union all
select * from off_schedule
