-- No decision but a strategy's first investment plans to buy or to sell more than max_turnover. Returns those that do.
with

decisions as (

    select
        decided_date,
        strategy,
        sum(greatest(weight_after - weight_before, 0)) as bought,
        sum(greatest(weight_before - weight_after, 0)) as sold,
        max(abs(weight_before)) as largest_held

    from {{ ref('pf_orders') }}

    group by decided_date, strategy

)

select
    decisions.*,
    strategies.max_turnover

from decisions

inner join {{ ref('strategies') }} as strategies on decisions.strategy = strategies.strategy

where
    greatest(decisions.bought, decisions.sold) > strategies.max_turnover + 1e-9
    and decisions.largest_held > 0
