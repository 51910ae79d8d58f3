{#- How many members have a value of each feature on each date, how many know what it rests on, for how many of those it
    is too old, and how old it is.
    Grain: one row per (as_of_date, feature_name), dates with members. What a feature rests on stands in the registry
    (rests_on); ages are those of the oldest part, over the members that know all parts, and a bar of a member is fresh
    by definition. Counts and ages first, one pass each, then turned into rows: the pivot sees dates, not securities. -#}

{%- set limits = {
    'income': setting_number('fundamentals_staleness_days'),
    'balance': setting_number('fundamentals_staleness_days'),
    'cashflow': setting_number('fundamentals_staleness_days'),
    'shares': setting_number('fundamentals_staleness_days'),
    'short_interest': setting_number('short_interest_staleness_days'),
    'holdings': setting_number('holdings_staleness_days'),
} -%}
{#- when a part is known, and when one with an age is too old; insiders are when their file no longer goes on -#}
{%- set is_known = {
    'bars': 'true', 'sector': 'knowing.has_sector', 'market': 'days.has_market', 'vix': 'days.has_vix',
} -%}
{%- set is_too_old = {'insiders': 'knowing.insiders_is_stale'} -%}
{%- for part, days in limits.items() -%}
{%- do is_too_old.update({part: 'knowing.' ~ part ~ ' > ' ~ days}) -%}
{%- endfor -%}
{%- for part in is_too_old -%}
{%- do is_known.update({part: 'knowing.' ~ part ~ ' is not null'}) -%}
{%- endfor -%}
{%- set combinations = [
    'bars', 'bars sector', 'sector', 'market', 'vix',
    'income', 'balance', 'cashflow', 'income balance', 'income balance cashflow', 'shares',
    'income shares', 'balance shares', 'cashflow shares', 'income balance cashflow shares',
    'income shares sector', 'balance shares sector', 'cashflow shares sector', 'income balance cashflow shares sector',
    'insiders', 'insiders shares', 'short_interest', 'holdings', 'holdings shares',
] %}

with

counts as (

    select
        as_of_date,
        count(*) as members,
        count(columns(* exclude (as_of_date, security_id, known_at, decided_at, is_member)))

    from {{ ref('features') }}
    where is_member
    group by as_of_date

),

by_feature as (

    unpivot counts
    on columns(* exclude (as_of_date, members))
    into name feature_name value filled

),

series as (

    select
        as_of_date,
        series

    from {{ ref('int_market_series') }}
    where series in ('SPY', 'VIX')

),

days as (

    select
        as_of_date,
        bool_or(series = 'VIX') as has_vix,
        bool_or(series = 'SPY') as has_market

    from series
    group by as_of_date

),

snapshots as (

    select distinct security_id

    from {{ ref('int_sectors') }}
    where is_snapshot

),

-- by date: quantiles gather a list for each, and rows that come date after date fill one at a time
knowing as (

    select
        universe.as_of_date,
        universe.security_id,
        fundamentals.income_age_days as income,
        fundamentals.balance_age_days as balance,
        fundamentals.cashflow_age_days as cashflow,
        fundamentals.shares_age_days as shares,
        owners.insider_age_days as insiders,
        owners.short_interest_age_days as short_interest,
        owners.institutional_ownership_age_days as holdings,
        universe.sector is not null as has_sector,
        owners.insider_age_days is not null and owners.insider_net_count_90d is null as insiders_is_stale

    from {{ ref('int_universe') }} as universe
    positional join {{ ref('int_fundamentals_as_of') }} as fundamentals

    inner join {{ ref('feat_alternative') }} as owners
        on
            universe.security_id = owners.security_id
            and universe.as_of_date = owners.as_of_date

    where
        {{ same_rows(['universe', 'fundamentals']) }}
        and universe.is_member
    order by universe.as_of_date

),

ages as (

    select
        knowing.as_of_date,
        {%- for combination in combinations %}
        {%- set known, aged, too_old = [], [], [] %}
        {%- for part in combination.split() %}
        {%- do known.append(is_known[part]) %}
        {%- if part in is_too_old %}
        {%- do aged.append('knowing.' ~ part) %}
        {%- do too_old.append(is_too_old[part]) %}
        {%- endif %}
        {%- endfor %}
        {
            'known': count(*) filter (where {{ known | join(' and ') }}),
            {%- if aged %}
            'stale': count(*) filter (where ({{ too_old | join(' or ') }}) and {{ known | join(' and ') }}),
            'age_days': quantile_disc(greatest({{ aged | join(', ') }}), [0.5, 0.9, 1.0])
            filter (where {{ known | join(' and ') }})
            {%- else %}
            'stale': 0::bigint,
            'age_days': case when bool_or({{ known | join(' and ') }}) then [0, 0, 0]::bigint[] end
            {%- endif %}
        } as "{{ combination }}",
        {%- endfor %}
        count(*) filter (where snapshots.security_id is not null) as names_on_snapshot

    from knowing

    left join days
        on knowing.as_of_date = days.as_of_date

    left join snapshots
        on knowing.security_id = snapshots.security_id

    group by knowing.as_of_date

),

by_combination as (

    unpivot ages
    on columns(* exclude (as_of_date, names_on_snapshot))
    into name rests_on value known

),

registered as (

    select
        feature_name,
        rests_on

    from {{ ref('feature_registry') }}

),

coverage as (

    select
        by_feature.as_of_date,
        by_feature.feature_name,
        by_feature.members,
        by_feature.filled,
        by_combination.known['known'] as known,
        by_combination.known['stale'] as stale,
        by_combination.known['age_days'][1] as age_days_p50,
        by_combination.known['age_days'][2] as age_days_p90,
        by_combination.known['age_days'][3] as age_days_max,
        case
            when list_contains(string_split(registered.rests_on, ' '), 'sector')
                then by_combination.names_on_snapshot
            else 0
        end as on_snapshot

    from by_feature

    left join registered
        on by_feature.feature_name = registered.feature_name

    left join by_combination
        on
            by_feature.as_of_date = by_combination.as_of_date
            and registered.rests_on = by_combination.rests_on

)

select * from coverage
order by as_of_date, feature_name
