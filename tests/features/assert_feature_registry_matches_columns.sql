-- Returns rows when a feature column has no row in seeds/feature_registry.csv, or a row there has no column in its
-- family; side says which is missing.
-- depends_on: {{ ref('features') }}

with

columns_built as (

    {% for family in var('feature_families') %}
    {%- set relation = ref('feat_' ~ family) %}
    select
        '{{ family }}' as feature_family,
        column_name as feature_name

    from information_schema.columns
    where
        table_schema = '{{ relation.schema }}'
        and table_name = '{{ relation.identifier }}'
        and column_name not in ('as_of_date', 'security_id', 'known_at')
    {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

registered as (

    select
        feature_family,
        feature_name

    from {{ ref('feature_registry') }}

)

select
    coalesce(columns_built.feature_family, registered.feature_family) as feature_family,
    coalesce(columns_built.feature_name, registered.feature_name) as feature_name,
    case
        when registered.feature_name is null then 'column without a row in seeds/feature_registry.csv'
        else 'row of seeds/feature_registry.csv without a column in feat_' || registered.feature_family
    end as side

from columns_built
full join registered
    on
        columns_built.feature_family = registered.feature_family
        and columns_built.feature_name = registered.feature_name
where columns_built.feature_name is null or registered.feature_name is null
