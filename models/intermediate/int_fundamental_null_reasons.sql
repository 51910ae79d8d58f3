{#- Why a fundamental feature is NULL on a date; NULL where the feature has a value. The first reason that applies, in
    the order: nothing known yet, stale, the statements themselves, the share count, the price, a zero market value.
    The reasons of the statements are worked out here, from the events, and stored nowhere: no feature reads them.
    Grain: one row per (as_of_date, security_id), the rows of int_prices. A view. The words: seed
    fundamental_null_reason_words. -#}

{%- set staleness_days = setting('fundamentals_staleness_days') | int -%}
{%- set valuations = {
    'earnings_yield': ('income', 'net_income_ttm'),
    'fcf_yield': ('cashflow', 'free_cash_flow_ttm'),
    'book_to_market': ('balance', 'equity'),
} %}

with

events as (

    select
        security_id,
        known_at,
        net_income_ttm_null_reason,
        free_cash_flow_ttm_null_reason,
        equity_null_reason,
        shares_null_reason,
        roa_null_reason,
        roe_null_reason,
        operating_margin_null_reason

    from {{ ref('int_fundamental_events') }}

),

{{ as_of_rows('events') }}

served as (

    select * from {{ ref('int_fundamentals_as_of') }}

),

fundamentals as (

    select
        served.*,
        events_by_row.* exclude (security_id, known_at),
        {%- for statement in ['income', 'balance', 'cashflow'] %}
        case
            when served.{{ statement }}_age_days is null then 'not_yet_known'
            when served.{{ statement }}_age_days > {{ staleness_days }} then 'stale'
        end as {{ statement }}_null_reason,
        {%- endfor %}
        case when served.market_value_usd = 0 then 'zero_denominator' end as worthless,
        case
            when events_by_row.shares_null_reason is not null then events_by_row.shares_null_reason
            when served.shares_age_days > {{ staleness_days }} then 'stale'
            when served.market_value_usd is null then 'price_unknown'
        end as market_value_null_reason

    from events_by_row
    positional join served

    where {{ as_of_rows_hold('events_by_row', 'served') }}

),

reasons as (

    select
        ---------- keys and point in time
        as_of_date,
        security_id,
        known_at,

        ---------- reasons
        {%- for feature, (statement, item) in valuations.items() %}
        coalesce(
            {{ statement }}_null_reason, {{ item }}_null_reason, market_value_null_reason, worthless
        ) as {{ feature }},
        {%- endfor %}
        coalesce(income_null_reason, balance_null_reason, roa_null_reason) as roa,
        coalesce(income_null_reason, balance_null_reason, roe_null_reason) as roe,
        coalesce(income_null_reason, operating_margin_null_reason) as operating_margin,
        income_null_reason as fundamental_age_days

    from fundamentals

)

select * from reasons
