{#- The strategies and their parameters. Grain: one row per strategy. Source: seed strategies. -#}

with

strategies as (

    select
        strategy,
        description,
        alpha_name,
        portfolio_rule,
        top_n::integer as top_n,
        min_adv_usd::double as min_adv_usd,
        max_position_pct::double as max_position_pct,
        max_sector_mult::double as max_sector_mult,
        vol_column,
        adv_column,
        target_vol::double as target_vol,
        max_gross::double as max_gross,
        lambda_tc::double as lambda_tc,
        max_turnover::double as max_turnover,
        dust_weight::double as dust_weight,
        rebalance_every::integer as rebalance_every,
        rebalance_offset::integer as rebalance_offset,
        is_active

    from {{ ref('strategies') }}

)

select * from strategies
order by strategy
