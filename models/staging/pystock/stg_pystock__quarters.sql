{#- Single quarters of the reports, as far as they could be worked out at each moment: the fourth is the year less
    the three before it, a cash flow is the year to date less the one of the report before; each at the newest
    version then known. A quarter is worked out again whenever its report or one that it rests on changes, and is a
    new version when its numbers do. What it needs and does not have is NULL. eps of a fourth quarter is NULL, for
    it does not add up. The report before lies 75 to 107 days earlier, a year's third quarter up to 125 (a year of 52
    weeks may be three quarters of 12 and one of 16, or begin with the long one), its second 160 to 215, its first 248
    to 300, each with its own period's name; of two that fit the one that was known first.
    Grain: one row per ticker, period_end_date and known_at. Source: pystock reports. -#}

{%- set flows = ['revenue', 'operating_income', 'net_income'] %}
{%- set levels = ['assets', 'assets_current', 'liabilities_current', 'cash', 'equity'] %}
{%- set numbers = flows + levels + ['operating_cash_flow', 'eps_diluted'] %}
{%- set parts = ['one_before', 'two_before', 'three_before'] %}

with

reports as (

    select * from {{ ref('stg_pystock__reports') }}

),

periods as (

    select
        ticker,
        period_end_date,
        arg_min(fiscal_period, known_at) as fiscal_period,
        min(known_at) as first_known_at

    from reports

    group by ticker, period_end_date

),

-- the periods that a period rests on
links as (

    select
        periods.ticker,
        periods.period_end_date,
        periods.first_known_at,
        case
            when periods.fiscal_period <> 'FY' or earlier.fiscal_period = 'Q3' then 'one_before'
            when earlier.fiscal_period = 'Q2' then 'two_before'
            else 'three_before'
        end as part,
        earlier.period_end_date as part_end_date

    from periods

    inner join periods as earlier
        on
            periods.ticker = earlier.ticker
            and case concat(earlier.fiscal_period, ' of ', periods.fiscal_period)
                when 'Q1 of Q2' then periods.period_end_date - earlier.period_end_date between 75 and 107
                when 'Q2 of Q3' then periods.period_end_date - earlier.period_end_date between 75 and 107
                when 'Q3 of FY' then periods.period_end_date - earlier.period_end_date between 75 and 125
                when 'Q2 of FY' then periods.period_end_date - earlier.period_end_date between 160 and 215
                when 'Q1 of FY' then periods.period_end_date - earlier.period_end_date between 248 and 300
                else false
            end

    qualify row_number() over (
        partition by periods.ticker, periods.period_end_date, part
        order by earlier.first_known_at, earlier.period_end_date
    ) = 1

),

parts as (

    select
        ticker,
        period_end_date,
        any_value(part_end_date) filter (where part = 'one_before') as one_before_end_date,
        any_value(part_end_date) filter (where part = 'two_before') as two_before_end_date,
        any_value(part_end_date) filter (where part = 'three_before') as three_before_end_date

    from links

    group by ticker, period_end_date

),

-- when the period's own report or one that it rests on becomes known, from its first own report on
moments as (

    select
        ticker,
        period_end_date,
        known_at

    from reports

    union

    select
        links.ticker,
        links.period_end_date,
        reports.known_at

    from links

    inner join reports
        on
            links.ticker = reports.ticker
            and links.part_end_date = reports.period_end_date
            and links.first_known_at < reports.known_at

),

placed as (

    select
        moments.ticker,
        moments.period_end_date,
        moments.known_at,
        periods.fiscal_period,
        parts.one_before_end_date,
        parts.two_before_end_date,
        parts.three_before_end_date

    from moments

    inner join periods
        on
            moments.ticker = periods.ticker
            and moments.period_end_date = periods.period_end_date

    left join parts
        on
            moments.ticker = parts.ticker
            and moments.period_end_date = parts.period_end_date

),

with_own as (

    select
        placed.*,
        reports.dataset,
        {%- for item in flows + levels %}
        reports.{{ item }},
        {%- endfor %}
        reports.eps_diluted,
        reports.operating_cash_flow_to_date

    from placed
    {{ as_of_join('placed', 'reports', keys=['ticker', 'period_end_date'], left_at='known_at') }}

),
{% for part in parts %}
{{ part }}_reports as (

    select
        ticker,
        period_end_date as {{ part }}_end_date,
        known_at,
        {%- for item in flows %}
        {{ item }},
        {%- endfor %}
        operating_cash_flow_to_date

    from reports

),

with_{{ part }} as (

    select
        {%- set earlier = 'with_own' if loop.first else 'with_' ~ parts[loop.index0 - 1] %}
        {{ earlier }}.*,
        {%- for item in flows %}
        {{ part }}_reports.{{ item }} as {{ item }}_{{ part }},
        {%- endfor %}
        {{ part }}_reports.operating_cash_flow_to_date as cash_flow_{{ part }}

    from {{ earlier }}
    {{ as_of_join(earlier, part ~ '_reports', keys=['ticker', part ~ '_end_date'], left_at='known_at') }}

),
{% endfor %}
worked_out as (

    select
        ---------- keys
        ticker,
        period_end_date,
        case fiscal_period when 'FY' then 'Q4' else fiscal_period end as fiscal_period,

        ---------- point in time
        known_at,
        known_at::date as published_date,

        ---------- origin
        dataset,

        ---------- of the quarter, USD
        {%- for item in flows %}
        case
            when fiscal_period = 'FY'
                then {{ item }} - ({{ item }}_three_before + {{ item }}_two_before + {{ item }}_one_before)
            else {{ item }}
        end as {{ item }},
        {%- endfor %}
        case
            when fiscal_period = 'Q1' then operating_cash_flow_to_date
            else operating_cash_flow_to_date - cash_flow_one_before
        end as operating_cash_flow,
        case when fiscal_period <> 'FY' then eps_diluted end as eps_diluted,

        ---------- at its end, USD
        {{ levels | join(",\n        ") }}

    from with_three_before

)

select *

from worked_out

qualify
    [{{ numbers | join(", ") }}]
    is distinct from lag([{{ numbers | join(", ") }}]) over (partition by ticker, period_end_date order by known_at)
    or row_number() over (partition by ticker, period_end_date order by known_at) = 1
