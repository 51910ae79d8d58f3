-- Returns features that fewer members have than min_coverage of the registry asks for, over the newest 252 sessions: of
-- the members that know everything the feature rests on, fresh enough to be served, and whose unbroken rows reach back
-- min_history_days of the registry, as must the market's returns where a feature compares with them. A market without
-- a vendor's file, a young one, or one whose delivery had a hole has no such members and passes.

with

newest as (

    select distinct as_of_date

    from {{ ref('feature_coverage') }}
    order by as_of_date desc
    limit 252

),

registered as (

    select
        feature_name,
        min_history_days,
        min_coverage,
        feature_family = 'beta' or starts_with(feature_name, 'spy_') as is_beside_market

    from {{ ref('feature_registry') }}
    where min_coverage is not null

),

market as (

    select
        as_of_date,
        max(m) as m

    from {{ ref('int_returns') }}
    group by as_of_date

),

stretches as (

    select
        as_of_date,
        m,
        count(*) filter (where m is null) over (
            order by as_of_date
            rows unbounded preceding
        ) as stretch

    from market

),

-- returns of the market in a row, up to and with the date's
market_returns as (

    select
        as_of_date,
        count(m) over (
            partition by stretch
            order by as_of_date
            rows unbounded preceding
        ) as returns_in_row

    from stretches

),

members as (

    select
        universe.as_of_date,
        prices.row_in_run,
        count(*) as names

    from {{ ref('int_universe') }} as universe
    semi join newest
        on universe.as_of_date = newest.as_of_date
    inner join {{ ref('int_prices') }} as prices
        on
            universe.security_id = prices.security_id
            and universe.as_of_date = prices.as_of_date

    where universe.is_member
    group by universe.as_of_date, prices.row_in_run

),

reaching as (

    select
        members.as_of_date,
        registered.feature_name,
        coalesce(sum(members.names) filter (
            where
            members.row_in_run >= registered.min_history_days
            and (
                not registered.is_beside_market
                or market_returns.returns_in_row >= registered.min_history_days - 1
            )
        ), 0) as names

    from members
    inner join market_returns
        on members.as_of_date = market_returns.as_of_date
    cross join registered
    group by members.as_of_date, registered.feature_name

),

covered as (

    select
        coverage.feature_name,
        sum(coverage.filled) as filled,
        sum(least(coverage.known - coverage.stale, reaching.names)) as known

    from {{ ref('feature_coverage') }} as coverage
    inner join reaching
        on
            coverage.as_of_date = reaching.as_of_date
            and coverage.feature_name = reaching.feature_name

    group by coverage.feature_name

)

select
    covered.feature_name,
    covered.filled,
    covered.known,
    registered.min_coverage

from covered
inner join registered
    on covered.feature_name = registered.feature_name
where covered.filled < registered.min_coverage * covered.known
