{#- The names each strategy would hold, before sizes: members with a score, enough dollar volume and a known volatility
    are eligible; they are ranked by score, ties by security_id, and the first top_n stay. Which features measure volume
    and volatility is the strategy's to say, so the features are read by name.
    Grain: one row per (as_of_date, strategy, security_id). -#}

with

strategies as (

    select
        strategy,
        alpha_name,
        top_n,
        min_adv_usd,
        vol_column,
        adv_column

    from {{ ref('strategies') }}

),

rebalances as (

    select
        as_of_date,
        strategy,
        decided_at

    from {{ ref('pf_rebalances') }}

),

scores as (

    select
        alpha_name,
        as_of_date,
        security_id,
        score

    from {{ ref('pf_alpha_scores') }}

),

members as (

    select
        as_of_date,
        security_id,
        coalesce(sector, 'Unknown') as sector

    from {{ ref('int_universe') }}

    where
        is_member
        and as_of_date in (select rebalances.as_of_date from rebalances)

),

measures as (

    select
        as_of_date,
        security_id,
        columns('(^|_)(vol|adv)_')

    from {{ ref('features') }}

    where as_of_date in (select rebalances.as_of_date from rebalances)

),

measures_by_name as (

    unpivot measures
    on columns(* exclude (as_of_date, security_id))
    into
    name feature_name
    value measure

),

eligible as (

    select
        rebalances.as_of_date,
        rebalances.strategy,
        rebalances.decided_at,
        scores.security_id,
        scores.score,
        members.sector,
        volatilities.measure as volatility,
        strategies.top_n

    from rebalances
    inner join strategies on rebalances.strategy = strategies.strategy
    inner join scores
        on
            strategies.alpha_name = scores.alpha_name
            and rebalances.as_of_date = scores.as_of_date
    inner join members
        on
            scores.as_of_date = members.as_of_date
            and scores.security_id = members.security_id
    inner join measures_by_name as volumes
        on
            scores.as_of_date = volumes.as_of_date
            and scores.security_id = volumes.security_id
            and strategies.adv_column = volumes.feature_name
    inner join measures_by_name as volatilities
        on
            scores.as_of_date = volatilities.as_of_date
            and scores.security_id = volatilities.security_id
            and strategies.vol_column = volatilities.feature_name

    where
        volumes.measure >= strategies.min_adv_usd
        and volatilities.measure > 0

),

ranked as (

    select
        ---------- keys
        as_of_date,
        strategy,
        security_id,

        ---------- point in time
        decided_at,

        ---------- what sizes and caps need
        score,
        row_number() over (partition by strategy, as_of_date order by score desc, security_id asc) as score_rank,
        sector,
        volatility,
        count(*) over (partition by strategy, as_of_date) as eligible_names,
        count(*) over (partition by strategy, as_of_date, sector) as eligible_names_of_sector

    from eligible

    qualify score_rank <= top_n

)

select * from ranked
order by strategy, as_of_date, security_id
