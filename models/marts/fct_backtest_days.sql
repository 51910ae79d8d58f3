{#- The daily curve of every strategy, beside SPY and the members' equal weight.
    Grain: one row per (as_of_date, strategy). Source: pf_backtest_days. -#}

with

days as (

    select
        as_of_date,
        strategy,
        equity_usd,
        gross_return,
        net_return,
        cost_return,
        turnover,
        gross_exposure,
        net_exposure,
        leverage,
        benchmark_return,
        equal_weight_return

    from {{ ref('pf_backtest_days') }}

)

select * from days
order by as_of_date, strategy
