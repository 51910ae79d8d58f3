-- Returns rows when seeds/feature_registry.csv and the features that are there differ; side says which is missing.
-- Held against it are the columns of each family and of the collector (which shows aliases too), var feature_aliases,
-- and the set full, which names every feature that is not another name of one.

with

registered as (

    select
        feature_family,
        feature_name,
        alias_of

    from {{ ref('feature_registry') }}

),

built as (

    {% for family in var('feature_families') %}
    {%- set relation = ref('feat_' ~ family) %}
    select
        'feat_{{ family }}' as place,
        '{{ family }}' as feature_family,
        column_name as feature_name,
        null::varchar as alias_of

    from information_schema.columns
    where
        table_schema = '{{ relation.schema }}'
        and table_name = '{{ relation.identifier }}'
        and column_name not in ('as_of_date', 'security_id', 'known_at')

    union all
    {% endfor %}
    {%- for alias, feature in var('feature_aliases').items() %}
    select
        'var feature_aliases' as place,
        registered.feature_family,
        '{{ alias }}' as feature_name,
        '{{ feature }}' as alias_of

    from (select '{{ feature }}' as feature_name) as named
    left join registered
        on named.feature_name = registered.feature_name

    union all
    {% endfor %}
    select
        'set full' as place,
        registered.feature_family,
        feature_sets.feature_name,
        null as alias_of

    from {{ ref('feature_sets') }} as feature_sets
    left join registered
        on feature_sets.feature_name = registered.feature_name
    where feature_sets.feature_set = 'full'

    union all

    select
        'features' as place,
        registered.feature_family,
        columns_shown.column_name as feature_name,
        registered.alias_of

    from information_schema.columns as columns_shown
    left join registered
        on columns_shown.column_name = registered.feature_name
    where
        columns_shown.table_schema = '{{ ref("features").schema }}'
        and columns_shown.table_name = '{{ ref("features").identifier }}'
        and columns_shown.column_name not in ('as_of_date', 'security_id', 'known_at', 'decided_at', 'is_member')

),

-- where each row of the registry must be found
promised as (

    select
        unnest(
            case
                when alias_of is null then ['feat_' || feature_family, 'set full', 'features']
                else ['var feature_aliases', 'features']
            end
        ) as place,
        feature_family,
        feature_name,
        alias_of

    from registered

)

select
    coalesce(built.place, promised.place) as place,
    coalesce(built.feature_name, promised.feature_name) as feature_name,
    case
        when promised.feature_name is null
            then 'in ' || built.place || ', without its row in seeds/feature_registry.csv'
        else 'row of seeds/feature_registry.csv, missing in ' || promised.place
    end as side

from built
full join promised
    on
        built.place = promised.place
        and built.feature_name = promised.feature_name
        and built.feature_family = promised.feature_family
        and built.alias_of is not distinct from promised.alias_of
where built.feature_name is null or promised.feature_name is null
