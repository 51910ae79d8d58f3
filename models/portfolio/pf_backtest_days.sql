{#- The daily curve of each backtest, net = gross - cost, with its exposures and its benchmarks.
    Grain: one row per (as_of_date, strategy). -#}

with

walks as (

    select * exclude (holdings, trades, orders)
    from {{ ref('pf_backtest_walks') }}

)

select * from walks
