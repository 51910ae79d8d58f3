{#- Fundamental features: valuation, profitability, growth, balance sheet and the age of what they rest on, known at the
    close of as_of_date; valuations also against the median of the members of the date in the same sector.
    Grain: one row per (as_of_date, security_id), all rows of int_prices in their order. Definitions:
    seeds/feature_registry.csv.
    The as-of join, the staleness rule and the market value stand in int_fundamentals_as_of; sums of quarters and ratios
    without a price in int_fundamental_events. Every NULL has a reason in int_fundamental_null_reasons. Medians depend on
    no order; what is joined by date is sorted back with nothing but its key. -#}

{%- set valuations = [
    'earnings_yield', 'fcf_yield', 'book_to_market', 'sales_yield', 'ev_to_ebitda', 'dividend_yield',
] %}

with

fundamentals as (

    select * from {{ ref('int_fundamentals_as_of') }}

),

universe as (

    select
        as_of_date,
        security_id,
        is_member,
        sector

    from {{ ref('int_universe') }}

    where {{ rows_to_compute() }}

),

valued as (

    select
        fundamentals.as_of_date,
        fundamentals.security_id,
        fundamentals.known_at,
        universe.is_member,
        universe.sector,

        ---------- valuation
        fundamentals.net_income_ttm / nullif(fundamentals.market_value_usd, 0) as earnings_yield,
        fundamentals.free_cash_flow_ttm / nullif(fundamentals.market_value_usd, 0) as fcf_yield,
        fundamentals.equity / nullif(fundamentals.market_value_usd, 0) as book_to_market,
        fundamentals.revenue_ttm / nullif(fundamentals.market_value_usd, 0) as sales_yield,
        case
            when fundamentals.ebitda_ttm > 0
                then (fundamentals.market_value_usd + fundamentals.net_debt) / fundamentals.ebitda_ttm
        end as ev_to_ebitda,
        fundamentals.dividends_paid_ttm / nullif(fundamentals.market_value_usd, 0) as dividend_yield,

        ---------- profitability, growth, balance sheet
        fundamentals.roa,
        fundamentals.roe,
        fundamentals.operating_margin,
        fundamentals.gross_margin,
        fundamentals.gross_profitability,
        fundamentals.asset_growth,
        fundamentals.revenue_growth,
        fundamentals.earnings_growth,
        fundamentals.accruals,
        fundamentals.current_ratio,
        fundamentals.debt_to_equity,
        fundamentals.net_issuance,
        fundamentals.fundamental_age_days

    from fundamentals
    positional join universe

    where {{ same_rows(['fundamentals', 'universe']) }}

),

medians as (

    select
        as_of_date,
        sector,
        {%- for x in valuations %}
        case when count({{ x }}) >= {{ setting('min_sector_names') }} then median({{ x }}) end as {{ x }}
        {%- if not loop.last %},{% endif %}
        {%- endfor %}

    from valued

    where
        is_member
        and sector is not null

    group by as_of_date, sector

),

by_sector as (

    select
        valued.as_of_date,
        valued.security_id,
        {%- for valuation in valuations %}
        medians.{{ valuation }}
        {%- if not loop.last %},{% endif %}
        {%- endfor %}

    from valued

    left join medians
        on
            valued.as_of_date = medians.as_of_date
            and valued.sector = medians.sector

    order by valued.security_id, valued.as_of_date

),

features as (

    select
        valued.* exclude (is_member, sector),
        {%- for valuation in valuations %}
        valued.{{ valuation }} - by_sector.{{ valuation }} as {{ valuation }}_vs_sector
        {%- if not loop.last %},{% endif %}
        {%- endfor %}

    from valued
    positional join by_sector

    where {{ same_rows(['valued', 'by_sector']) }}

)

select * from features
