{#- Positions, from the first fill to the last one or, where still open, to the last session, with what they gained
    after their own trading costs.
    Grain: one row per (strategy, security_id, last_date). -#}

with

closed as (

    select
        fill_date as last_date,
        strategy,
        security_id,
        false as is_open,
        gain_usd

    from {{ ref('pf_trades') }}

    where weight_after = 0

),

held as (

    select
        as_of_date as last_date,
        strategy,
        security_id,
        true as is_open,
        gain_usd

    from {{ ref('pf_holdings') }}

    where security_id != 0

),

open_at_the_end as (

    select * from held
    qualify last_date = max(last_date) over (partition by strategy)

)

select * from closed
union all
select * from open_at_the_end
