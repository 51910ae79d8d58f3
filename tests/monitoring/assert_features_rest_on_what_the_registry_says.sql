-- Returns features and dates on which more members have a value than know what it rests on by the registry (rests_on),
-- fresh enough to be served: then it rests on something else, or a source is served beyond its age. A combination that
-- feature_coverage does not count is returned too. An age may be that of what is too old.

select
    as_of_date,
    feature_name,
    filled,
    known,
    stale

from {{ ref('feature_coverage') }}
where coalesce(filled > case when ends_with(feature_name, '_age_days') then known else known - stale end, true)
