{#- What is served, held against what the vendor itself says of the same thing and which is never served: its trailing
    years against the sums of the newest quarters known at the same moment, its market values against price times shares
    on month ends, its most recently restated quarters against the newest version known (how much was restated without
    an amendment), and its closes as traded against the adjusted ones times the splits delivered.
    Grain: one row per vendor, check_name and item. Source: stg_sharadar__statements, stg_sharadar__daily,
    int_fundamental_steps, int_fundamentals, int_market_values, int_bars, int_split_levels. -#}

{%- set tolerance = 0.005 %}
{%- set trailing_items = ['revenue', 'net_income', 'free_cash_flow'] %}
{%- set quarterly_items = {
    'income': ['revenue', 'net_income', 'shares_basic'],
    'balance': ['assets', 'equity'],
    'cashflow': ['operating_cash_flow', 'capex'],
} %}

with

names as (

    select * from {{ ref('int_ticker_spells') }}

    where ticker_of = 'file'

),

statements as (

    select
        names.security_id,
        statements.*

    from {{ ref('stg_sharadar__statements') }} as statements

    inner join names
        on
            statements.ticker = names.ticker
            and statements.published_date >= names.linked_from
            and statements.published_date < names.linked_to

),

steps as (

    select * from {{ ref('int_fundamental_steps') }}

),

newest as (

    select * from {{ ref('int_fundamentals') }}

    qualify row_number() over (partition by security_id, statement, period_end_date order by version desc) = 1

),

-- where a day brings an amendment of an older quarter too, the day's newest quarter is ours
filed_years as (

    select * from statements

    where dimension = 'ART'

    qualify row_number() over (partition by security_id, known_at order by period_end_date desc) = 1

),

-- the vendor's trailing year of a filing, and ours at the moment the filing became known
trailing_years as (

    {% for item in trailing_items -%}
    select
        'trailing_year' as check_name,
        '{{ item }}' as item,
        concat_ws(' ', filed_years.ticker, filed_years.published_date) as key,
        filed_years.{{ item }} as vendors,
        steps.{{ item }}_ttm as ours

    from filed_years

    inner join steps
        on
            filed_years.security_id = steps.security_id
            and filed_years.known_at = steps.effective_at
            and filed_years.known_at = steps.income_known_at
    {{- ' union all ' if not loop.last }}
    {%- endfor %}

),

restated_quarters as (

    {% for statement, items in quarterly_items.items() -%}
    {%- set last_statement = loop.last -%}
    {%- for item in items -%}
    select
        'restated_quarter' as check_name,
        '{{ item }}' as item,
        concat_ws(' ', statements.ticker, statements.period_end_date) as key,
        statements.{{ item }} as vendors,
        newest.{{ item }} as ours

    from statements

    inner join newest
        on
            statements.security_id = newest.security_id
            and statements.period_end_date = newest.period_end_date

    where
        statements.dimension = 'MRQ'
        and newest.statement = '{{ statement }}'
        and newest.vendor = 'sharadar'
    {{- ' union all ' if not (loop.last and last_statement) }}
    {% endfor -%}
    {%- endfor %}

),

month_ends as (

    select
        session_date,
        session_index

    from {{ ref('int_sessions') }}

    where is_month_end

),

market_values as (

    select
        'market_value' as check_name,
        'market_value_usd' as item,
        concat_ws(' ', daily.ticker, daily.as_of_date) as key,
        daily.market_value_usd as vendors,
        ours.market_value_usd as ours

    from {{ ref('stg_sharadar__daily') }} as daily

    inner join month_ends
        on daily.as_of_date = month_ends.session_date

    inner join names
        on
            daily.ticker = names.ticker
            and daily.as_of_date >= names.linked_from
            and daily.as_of_date < names.linked_to

    inner join {{ ref('int_market_values') }} as ours
        on
            names.security_id = ours.security_id
            and daily.as_of_date = ours.as_of_date

),

bars as (

    select
        bars.dataset,
        bars.ticker,
        bars.session_date,
        bars.close,
        bars.close_unadjusted

    from {{ ref('int_bars') }} as bars

    inner join month_ends
        on bars.session_index = month_ends.session_index

    where
        bars.vendor = 'sharadar'
        and bars.reason is null
        and bars.close_unadjusted is not null

),

split_levels as (

    select * from {{ ref('int_split_levels') }}

),

as_traded as (

    select
        'close_unadjusted' as check_name,
        'close_unadjusted' as item,
        concat_ws(' ', bars.ticker, bars.session_date) as key,
        bars.close_unadjusted as vendors,
        bars.close * coalesce(split_levels.price_multiplier, 1) as ours

    from bars

    asof left join split_levels
        on
            bars.dataset = split_levels.dataset
            and bars.ticker = split_levels.ticker
            and bars.session_date < split_levels.split_date

),

pairs as (

    select * from trailing_years

    union all

    select * from restated_quarters

    union all

    select * from market_values

    union all

    select * from as_traded

),

compared as (

    select
        *,
        vendors is not null and ours is not null as is_compared,
        abs(ours - vendors) / nullif(greatest(abs(ours), abs(vendors)), 0) as relative_difference

    from pairs

    where vendors is not null

)

select
    ---------- keys
    'sharadar' as vendor,
    check_name,
    item,

    ---------- how far the two agree
    count(*) filter (where is_compared) as compared_rows,
    count(*) filter (where relative_difference > {{ tolerance }}) as differing_rows,
    count(*) filter (where ours is null) as rows_without_ours,
    max(relative_difference) as largest_relative_difference,
    min(key) filter (where relative_difference > {{ tolerance }}) as first_differing_key

from compared

group by check_name, item

order by check_name, item
