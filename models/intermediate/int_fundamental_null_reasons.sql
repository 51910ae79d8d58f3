{#- Why a fundamental feature is NULL on a date; NULL where the feature has a value. The first reason that applies, in
    the order: nothing known yet, stale, the statements themselves, the share count, the price, a zero market value, for
    values against the sector that none is known or too few of its members have the value.
    The reasons of the statements are worked out here, from the events, and stored nowhere: no feature reads them.
    Grain: one row per (as_of_date, security_id), the rows of int_prices. A view. The words: seed
    fundamental_null_reason_words. -#}

{%- set staleness_days = setting_number('fundamentals_staleness_days') -%}
{#- the statements a feature needs, and the number of int_fundamental_events whose absence stands for its own -#}
{%- set valuations = {
    'earnings_yield': (['income'], ['net_income_ttm']),
    'fcf_yield': (['cashflow'], ['free_cash_flow_ttm']),
    'book_to_market': (['balance'], ['equity']),
    'sales_yield': (['income'], ['revenue_ttm']),
    'ev_to_ebitda': (['income', 'balance', 'cashflow'], ['ebitda_ttm', 'net_debt']),
    'dividend_yield': (['cashflow'], ['dividends_paid_ttm']),
} -%}
{%- set ratios = ratio_statements() -%}
{%- set no_median -%}
case when absolute.sector is null then 'sector_unknown' when sectors.sector is null then 'few_in_sector' end
{%- endset %}

with

events as (

    select
        security_id,
        known_at,
        {%- for item in valuations.values() | map('last') | sum(start=ratios | list) %}
        {{ item }}_null_reason,
        {%- endfor %}
        net_issuance_null_reason,
        shares_null_reason

    from {{ ref('int_fundamental_events') }}

),

{{ as_of_rows('events') }}

served as (

    select * from {{ ref('int_fundamentals_as_of') }}

),

fundamentals as (

    select
        served.as_of_date,
        served.security_id,
        served.known_at,
        universe.is_member,
        universe.sector,
        events_by_row.* exclude (security_id, known_at),
        {%- for statement in ['income', 'balance', 'cashflow'] %}
        case
            when served.{{ statement }}_age_days is null then 'not_yet_known'
            when served.{{ statement }}_age_days > {{ staleness_days }} then 'stale'
        end as {{ statement }}_null_reason,
        {%- endfor %}
        case
            when served.shares_age_days > {{ staleness_days }} then 'stale'
            when served.shares_age_days is null and events_by_row.shares_null_reason is null then 'not_yet_known'
        end as shares_age_null_reason,
        case when served.market_value_usd = 0 then 'zero_denominator' end as worthless,
        case when served.market_value_usd is null then 'price_unknown' end as unpriced

    from events_by_row
    positional join served
    positional join {{ ref('int_universe') }} as universe

    where
        {{ as_of_rows_hold('events_by_row', 'served', first_may_end=true) }}
        and {{ same_rows(['served', 'universe'], first_may_end=true) }}

),

absolute as (

    select
        as_of_date,
        security_id,
        known_at,
        is_member,
        sector,
        {%- for feature, (statements, items) in valuations.items() %}
        coalesce(
            {%- for statement in statements %}
            {{ statement }}_null_reason,
            {%- endfor %}
            {%- for item in items %}
            {{ item }}_null_reason,
            {%- endfor %}
            shares_null_reason,
            shares_age_null_reason,
            unpriced
            {{- ', worthless' if feature != 'ev_to_ebitda' }}
        ) as {{ feature }},
        {%- endfor %}
        {%- for feature, statements in ratios.items() %}
        coalesce(
            {%- for statement in statements %}
            {{ statement }}_null_reason,
            {%- endfor %}
            {{ feature }}_null_reason
        ) as {{ feature }},
        {%- endfor %}
        coalesce(shares_age_null_reason, net_issuance_null_reason) as net_issuance,
        income_null_reason as fundamental_age_days

    from fundamentals

),

sectors as (

    select
        as_of_date,
        sector,
        {%- for feature in valuations %}
        case
            when count(*) filter (where {{ feature }} is null) < {{ setting_number('min_sector_names') }}
                then 'few_in_sector'
        end as {{ feature }}
        {%- if not loop.last %},{% endif %}
        {%- endfor %}

    from absolute

    where
        is_member
        and sector is not null

    group by as_of_date, sector

)

select
    ---------- keys and point in time, reasons
    absolute.* exclude (is_member, sector),
    {%- for feature in valuations %}
    coalesce(absolute.{{ feature }}, {{ no_median }}, sectors.{{ feature }}) as {{ feature }}_vs_sector
    {%- if not loop.last %},{% endif %}
    {%- endfor %}

from absolute

left join sectors
    on
        absolute.as_of_date = sectors.as_of_date
        and absolute.sector = sectors.sector
