{#- What a strategy is held against, per session of the market: SPY's total return (carried over a session without a
    bar; NULL in a market without SPY) and the equal-weighted mean total return of the members of the session before.
    Grain: one row per as_of_date. -#}

with

members as (

    select
        as_of_date,
        security_id,
        lag(is_member) over () as was_member

    from {{ ref('int_universe') }}

),

returns as (

    select
        as_of_date,
        security_id,
        r

    from {{ ref('int_returns') }}

),

equal_weight as (

    select
        members.as_of_date,
        sum(case when members.was_member then returns.r end::decimal(38, 15))::double
        / nullif(count(case when members.was_member then returns.r end), 0) as equal_weight_return

    from members
    inner join returns
        on
            members.as_of_date = returns.as_of_date
            and members.security_id = returns.security_id

    group by members.as_of_date

),

spy as (

    select
        as_of_date,
        value

    from {{ ref('int_market_series') }}

    where series = 'SPY'

),

carried as (

    select
        ---------- keys
        equal_weight.as_of_date,

        ---------- returns
        last_value(spy.value ignore nulls) over (order by equal_weight.as_of_date) as spy_value,
        equal_weight.equal_weight_return

    from equal_weight
    left join spy on equal_weight.as_of_date = spy.as_of_date

)

select
    as_of_date,
    spy_value / lag(spy_value) over (order by as_of_date) - 1 as benchmark_return,
    equal_weight_return
from carried
order by as_of_date
