-- An active strategy names an active alpha, an ensemble or a factor bundle, a rule that is built, and features that are
-- registered.
-- Returns the strategies that do not, with the name that is missing.
with

strategies as (

    select
        strategy,
        alpha_name,
        portfolio_rule,
        vol_column,
        adv_column

    from {{ ref('strategies') }}

    where is_active

),

alphas as (

    select alpha_name
    from {{ ref('alpha_specs') }}
    where is_active

    union all

    select ensemble_name as alpha_name
    from {{ ref('ensembles') }}

    union all

    select 'alpha_' || bundle_name as alpha_name
    from {{ ref('factor_bundles') }}

),

rules as (

    select unnest({{ var('portfolio_rules') }}) as portfolio_rule

),

features as (

    select feature_name
    from {{ ref('feature_registry') }}

)

select
    strategy,
    'alpha_name' as parameter,
    alpha_name as missing

from strategies

where alpha_name not in (select alphas.alpha_name from alphas)

union all

select
    strategy,
    'portfolio_rule' as parameter,
    portfolio_rule as missing

from strategies

where portfolio_rule not in (select rules.portfolio_rule from rules)

union all

select
    strategy,
    'vol_column' as parameter,
    vol_column as missing

from strategies

where vol_column not in (select features.feature_name from features)

union all

select
    strategy,
    'adv_column' as parameter,
    adv_column as missing

from strategies

where adv_column not in (select features.feature_name from features)
