{#- What was known of a security's fundamentals at each decision, beside the price of the day: the one as-of join of the
    fundamentals, followed by the staleness rule. A view, so that the join runs inside the tables that read it.
    Grain: one row per (as_of_date, security_id), the rows of int_prices in their order; inside a feature family those to
    compute.
    Market value = as-traded close x shares on the basis of the day. Where no splits are delivered (close_unadjusted is
    NULL) the bases of prices and counts are taken as one, and the row is flagged. -#}

{%- set staleness_days = setting_number('fundamentals_staleness_days') -%}
{#- the statements whose age counts for each number; a count may come from any of them and has an age of its own -#}
{%- set rests_on = dict({
    'revenue_ttm': ['income'],
    'net_income_ttm': ['income'],
    'free_cash_flow_ttm': ['cashflow'],
    'dividends_paid_ttm': ['cashflow'],
    'equity': ['balance'],
    'net_debt': ['balance'],
    'ebitda_ttm': ['income', 'cashflow'],
}, **dict(ratio_statements(), net_issuance=['shares'])) %}

with

prices as (

    select
        as_of_date,
        security_id,
        known_at,
        decided_at,
        close_unadjusted is null as is_basis_assumed,
        coalesce(close_unadjusted, close) as price_on_basis

    from {{ ref('int_prices') }}

    qualify {{ rows_to_compute(is_view=true, by_position=true) }}

),

steps as (

    select
        {%- for part in ['income', 'balance', 'cashflow', 'shares'] %}
        {{ part }}_known_at::date as {{ part }}_known_date,
        {{ part }}_known_at::date + {{ staleness_days }} as {{ part }}_fresh_until,
        {%- endfor %}
        *

    from {{ ref('int_fundamental_steps') }}

),

{{ as_of_rows('steps', at='effective_at') }}

joined as (

    select
        prices.as_of_date,
        prices.security_id,
        prices.decided_at,
        prices.is_basis_assumed,
        prices.price_on_basis,
        {%- for part in ['income', 'balance', 'cashflow', 'shares'] %}
        prices.as_of_date - steps_by_row.{{ part }}_known_date as {{ part }}_age_days,
        prices.as_of_date <= steps_by_row.{{ part }}_fresh_until as is_{{ part }}_fresh,
        {%- endfor %}
        steps_by_row.* exclude (security_id, effective_at, usable_at, known_at),
        greatest(prices.known_at, steps_by_row.known_at) as known_at

    from steps_by_row
    positional join prices

    where {{ as_of_rows_hold('steps_by_row', 'prices', at='effective_at', first_may_end=true) }}

),

served as (

    select
        ---------- keys and point in time
        as_of_date,
        security_id,
        known_at,
        decided_at,
        income_age_days,
        balance_age_days,
        cashflow_age_days,
        shares_age_days,

        ---------- market value
        case
            when is_shares_fresh
                then case when is_basis_assumed then shares_basic else shares end
        end as shares_at_t,
        is_shares_suspect,
        is_basis_assumed,
        case
            when is_shares_fresh and not is_shares_suspect
                then price_on_basis * case when is_basis_assumed then shares_basic else shares end
        end as market_value_usd,

        ---------- what was known, NULL when stale
        {%- for item, sources in rests_on.items() %}
        {%- set is_fresh -%}
        {%- for source in sources -%}
        {{ ' and ' if not loop.first }}is_{{ source }}_fresh
        {%- endfor -%}
        {%- endset %}
        case when {{ is_fresh }} then {{ item }} end as {{ item }},
        {%- endfor %}
        case when is_income_fresh then income_age_days end as fundamental_age_days

    from joined

)

select * from served
