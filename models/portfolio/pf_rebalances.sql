{#- The dates on which each active strategy decides: sessions whose index modulo rebalance_every is rebalance_offset,
    from the first date on which its alpha has a score to the market's last. The schedule counts from the calendar's
    first session, so that a new day never moves it.
    Grain: one row per (as_of_date, strategy). -#}

with

strategies as (

    select
        strategy,
        alpha_name,
        rebalance_every,
        rebalance_offset

    from {{ ref('strategies') }}

    where is_active

),

sessions as (

    select
        session_date,
        session_index,
        closes_at,
        next_session_date

    from {{ ref('int_sessions') }}

    where session_date <= (select max(prices.as_of_date) from {{ ref('int_prices') }} as prices)

),

first_scores as (

    select
        alpha_name,
        min(as_of_date) as first_date

    from {{ ref('pf_alpha_scores') }}

    group by alpha_name

),

scheduled as (

    select
        ---------- keys
        sessions.session_date as as_of_date,
        strategies.strategy,

        ---------- point in time
        sessions.closes_at as decided_at,
        sessions.next_session_date as fill_date,

        ---------- schedule
        sessions.session_index

    from strategies
    inner join first_scores on strategies.alpha_name = first_scores.alpha_name
    inner join sessions
        on
            first_scores.first_date <= sessions.session_date
            and sessions.session_index % strategies.rebalance_every = strategies.rebalance_offset

)

select * from scheduled
order by strategy, as_of_date
