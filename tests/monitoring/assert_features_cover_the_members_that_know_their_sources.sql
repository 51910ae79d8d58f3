-- Returns features that fewer members have than min_coverage of the registry asks for, over the newest 252 sessions: of
-- the members that know everything the feature rests on, fresh enough to be served. A market without a vendor's file
-- has no such members and passes.

with

newest as (

    select distinct as_of_date

    from {{ ref('feature_coverage') }}
    order by as_of_date desc
    limit 252

),

covered as (

    select
        coverage.feature_name,
        sum(coverage.filled) as filled,
        sum(coverage.known - coverage.stale) as known

    from {{ ref('feature_coverage') }} as coverage
    semi join newest
        on coverage.as_of_date = newest.as_of_date

    group by coverage.feature_name

)

select
    covered.feature_name,
    covered.filled,
    covered.known,
    registry.min_coverage

from covered
inner join {{ ref('feature_registry') }} as registry
    on covered.feature_name = registry.feature_name
where covered.filled < registry.min_coverage * covered.known
