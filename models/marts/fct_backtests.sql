{#- The bottom line of every strategy with its bill: what was tried, what the rivals made, what flatters the market.
    Grain: one row per strategy. Source: pf_backtests. -#}

with

backtests as (

    select
        strategy,
        start_date,
        end_date,
        annual_return,
        annual_vol,
        sharpe,
        max_drawdown,
        calmar,
        annual_turnover,
        win_rate,
        hit_rate,

        ---------- the bill
        sessions::integer as sessions,
        positions::integer as positions,
        gross_annual_return,
        gross_sharpe,
        benchmark_annual_return,
        benchmark_sharpe,
        equal_weight_annual_return,
        equal_weight_sharpe,
        psr,
        n_trials::integer as n_trials,
        scheduled_decisions::integer as scheduled_decisions,
        decisions::integer as decisions,
        infeasible_decisions::integer as infeasible_decisions,
        survivorship_biased

    from {{ ref('pf_backtests') }}

)

select * from backtests
order by strategy
