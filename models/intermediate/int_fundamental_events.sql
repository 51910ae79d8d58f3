{#- The price-free state of a security's fundamentals at each moment at which any of its statements becomes known.
    Grain: one row per (security_id, known_at).
    A view: int_fundamental_steps stores what the features read of it, and any other item is worked out when asked for.
    At each moment every item is rebuilt from the newest versions then known: the quarters of one statement are joined to
    the moments of that statement (bounded: nothing older than 720 days before the newest period can enter), because a
    lag() over quarters would miss that an old quarter was restated later. Where a company's statement came quarter
    after quarter, each once, a lag() says the same to the bit, at a fraction of the cost. The newest quarter is the
    newest by period end. A sum needs four quarters, 320 days at most from first to last period end, and no missing item;
    sums are q1 + q2 + q3 + q4, newest first. Year-ago: the newest known quarter 330 to 400 days before the newest.
    Each item is known with its own statement: the newest of the three meet at these few moments, so that the daily rows
    need one as-of join. The reason of each NULL stands beside it. -#}
{{ config(materialized='view') }}

{%- set statements = ['income', 'balance', 'cashflow'] -%}
{%- set flows = fundamental_items('income') + fundamental_items('cashflow') -%}
{%- set levels = fundamental_items('balance') -%}
{#- what a ratio needs, in the order in which its absence is named, and what it is divided by -#}
{%- set ratios = {
    'roa': (['net_income_ttm', 'assets_average'], 'assets_average'),
    'operating_margin': (['operating_income_ttm', 'revenue_ttm'], 'revenue_ttm'),
    'gross_margin': (['gross_profit_ttm', 'revenue_ttm'], 'revenue_ttm'),
    'gross_profitability': (['gross_profit_ttm', 'assets'], 'assets'),
    'asset_growth': (['assets_average'], 'assets_year_ago'),
    'revenue_growth': (['revenue_ttm', 'revenue_ttm_year_ago'], 'revenue_ttm_year_ago'),
    'earnings_growth': (['net_income_ttm', 'net_income_ttm_year_ago'], 'net_income_ttm_year_ago'),
    'accruals': (['net_income_ttm', 'operating_cash_flow_ttm', 'assets_average'], 'assets_average'),
    'current_ratio': (['assets_current', 'liabilities_current'], 'liabilities_current'),
} -%}
{%- set count_columns = ['shares_basic', 'basis_date', 'period_end_date'] %}

with recursive

-- in the order of storage, by security_id, statement, period_end_date, version: the days since the reports before it
spaced as not materialized (

    select
        *,
        row_number() over () as report_id,
        {%- for n in range(1, 9) %}
        case
            when lag(security_id, {{ n }}) over () = security_id and lag(statement, {{ n }}) over () = statement
                then period_end_date - lag(period_end_date, {{ n }}) over ()
        end as days_since_{{ n }},
        {%- endfor %}
        known_at <= lag(known_at) over () as is_not_later,
        case
            when
                lead(security_id) over () = security_id
                and lead(statement) over () = statement
                and lead(period_end_date) over () = period_end_date
                then lead(known_at) over ()
        end as superseded_at

    from {{ ref('int_fundamentals') }}

),

-- statements that came other than quarter after quarter, each quarter once, with at most the usual gaps
irregular as (

    select distinct
        security_id,
        statement

    from spaced

    where
        version > 1
        or (days_since_1 is not null and is_not_later)
        or days_since_1 >= 330
        or days_since_2 >= 330
        or days_since_6 <= 400

),

-- the sums of four reports in a row, newest first
reports as (

    select
        *,
        {%- for item in flows %}
        {{ item }} + lag({{ item }}, 1) over () + lag({{ item }}, 2) over () + lag({{ item }}, 3) over ()
            as {{ item }}_of_four,
        {%- endfor %}
        case
            {%- for n in range(3, 6) %}
            when days_since_{{ n }} between 330 and 400 then {{ n }}
            {%- endfor %}
        end as year_ago,
        case
            {%- for n in range(3, 6) %}
            when days_since_{{ n }} between 330 and 400 then days_since_{{ n + 3 }} - days_since_{{ n }} <= 320
            {%- endfor %}
        end as has_ttm_year_ago

    from spaced

),

-- where all came in turn, the quarters known at a report are the ones stored before it, a year ago 3 to 5 places back
by_place as (

    select
        *,
        {%- for item in flows %}
        case
            {%- for n in range(3, 6) %}
            when year_ago = {{ n }} and has_ttm_year_ago then lag({{ item }}_of_four, {{ n }}) over ()
            {%- endfor %}
        end as {{ item }}_of_four_year_ago,
        {%- endfor %}
        {%- for item in levels + count_columns %}
        case
            {%- for n in range(3, 6) %}
            when year_ago = {{ n }} then lag({{ item }}, {{ n }}) over ()
            {%- endfor %}
        end as {{ item }}_year_ago,
        {%- endfor %}
        coalesce(days_since_3 <= 320, false) as has_ttm

    from reports

),

regular as (

    select
        by_place.security_id,
        by_place.statement,
        by_place.known_at,
        by_place.usable_at,
        by_place.period_end_date,
        case
            when by_place.days_since_3 is null then 'fewer_than_four_quarters'
            when not by_place.has_ttm then 'ttm_span'
        end as ttm_null_reason,
        case when by_place.year_ago is null then 'no_year_ago' end as year_ago_null_reason,
        case
            when by_place.year_ago is null then 'no_year_ago'
            when not coalesce(by_place.has_ttm_year_ago, false) then 'no_ttm_year_ago'
        end as ttm_year_ago_null_reason,
        {%- for item in flows %}
        case when by_place.has_ttm then by_place.{{ item }}_of_four end as {{ item }}_ttm,
        by_place.{{ item }}_of_four_year_ago as {{ item }}_ttm_year_ago,
        {%- endfor %}
        {%- for item in levels %}
        by_place.{{ item }},
        by_place.{{ item }}_year_ago,
        {%- endfor %}
        by_place.vendor,
        by_place.known_at as quarter_known_at,
        by_place.is_restated_value,
        by_place.basis_date,
        by_place.shares_basic,
        by_place.shares_basic_year_ago,
        by_place.basis_date_year_ago,
        by_place.period_end_date_year_ago

    from by_place

    anti join irregular
        on by_place.security_id = irregular.security_id and by_place.statement = irregular.statement

),

-- the others: the quarters of a statement are joined to its moments
restated as (

    select spaced.*

    from spaced

    semi join irregular
        on spaced.security_id = irregular.security_id and spaced.statement = irregular.statement

),

arrivals as (

    select
        security_id,
        statement,
        known_at,
        max(usable_at) as usable_at,
        max(period_end_date) as period_end_date,
        count(*) filter (where version = 1) as new_quarters

    from restated

    group by security_id, statement, known_at

),

moments as (

    select
        security_id,
        statement,
        known_at,
        usable_at,
        max(period_end_date) over so_far as newest_period_end_date,
        sum(new_quarters) over so_far as known_quarters

    from arrivals

    window so_far as (
        partition by security_id, statement
        order by known_at
        rows between unbounded preceding and current row
    )

),

known_then as (

    select
        moments.security_id,
        moments.statement,
        moments.known_at,
        max(moments.usable_at) as usable_at,
        max(moments.known_quarters) as known_quarters,
        -- newest first; report_id rises with the period's end, and of a period one version is known
        list_reverse_sort(list(restated.report_id)) as report_ids,
        list_reverse_sort(list(restated.period_end_date)) as period_end_dates

    from moments

    inner join restated
        on
            moments.security_id = restated.security_id
            and moments.statement = restated.statement
            and moments.known_at >= restated.known_at
            and moments.known_at < coalesce(restated.superseded_at, timestamp 'infinity')
            and moments.newest_period_end_date >= restated.period_end_date
            and moments.newest_period_end_date <= restated.period_end_date + 720

    group by moments.security_id, moments.statement, moments.known_at

),

with_year_ago as (

    select
        *,
        list_position(
            period_end_dates,
            list_filter(
                period_end_dates,
                lambda past: past between period_end_dates[1] - 400 and period_end_dates[1] - 330
            )[1]
        ) as year_ago

    from known_then

),

quarters as (

    select
        security_id,
        statement,
        known_at,
        usable_at,
        period_end_dates[1] as period_end_date,
        case
            when known_quarters < 4 then 'fewer_than_four_quarters'
            when coalesce(period_end_dates[1] - period_end_dates[4] > 320, true) then 'ttm_span'
        end as ttm_null_reason,
        case when year_ago is null then 'no_year_ago' end as year_ago_null_reason,
        case
            when year_ago is null then 'no_year_ago'
            when coalesce(period_end_dates[year_ago] - period_end_dates[year_ago + 3] > 320, true)
                then 'no_ttm_year_ago'
        end as ttm_year_ago_null_reason,
        {%- for n in range(1, 5) %}
        case when period_end_dates[1] - period_end_dates[4] <= 320 then report_ids[{{ n }}] end as q{{ n }}_id,
        {%- endfor %}
        {%- for n in range(4) %}
        case
            when period_end_dates[year_ago] - period_end_dates[year_ago + 3] <= 320
                then report_ids[year_ago + {{ n }}]
        end as y{{ n + 1 }}_id,
        {%- endfor %}
        report_ids[1] as newest_id,
        report_ids[year_ago] as year_ago_id

    from with_year_ago

),

-- the numbers of a statement: flows of four quarters are added up, levels stand beside those a year before
numbers as (

    select * from regular

    union all by name

    select
        quarters.security_id,
        quarters.statement,
        quarters.known_at,
        quarters.usable_at,
        quarters.period_end_date,
        quarters.ttm_null_reason,
        quarters.year_ago_null_reason,
        quarters.ttm_year_ago_null_reason,
        {%- for item in flows %}
        q1.{{ item }} + q2.{{ item }} + q3.{{ item }} + q4.{{ item }} as {{ item }}_ttm,
        y1.{{ item }} + y2.{{ item }} + y3.{{ item }} + y4.{{ item }} as {{ item }}_ttm_year_ago,
        {%- endfor %}
        {%- for item in levels %}
        newest.{{ item }},
        year_ago.{{ item }} as {{ item }}_year_ago,
        {%- endfor %}
        newest.vendor,
        newest.known_at as quarter_known_at,
        newest.is_restated_value,
        newest.basis_date,
        newest.shares_basic,
        year_ago.shares_basic as shares_basic_year_ago,
        year_ago.basis_date as basis_date_year_ago,
        year_ago.period_end_date as period_end_date_year_ago

    from quarters

    inner join restated as newest
        on quarters.newest_id = newest.report_id
    {% for quarter in ['year_ago', 'q1', 'q2', 'q3', 'q4', 'y1', 'y2', 'y3', 'y4'] %}
    left join restated as {{ quarter }}
        on quarters.{{ quarter }}_id = {{ quarter }}.report_id
    {% endfor %}
),

published as (

    select
        security_id,
        known_at,
        max(usable_at) as usable_at,
        {%- for statement in statements %}
        bool_or(statement = '{{ statement }}') as has_{{ statement }}
        {%- if not loop.last %},{% endif %}
        {%- endfor %}

    from numbers

    group by security_id, known_at

    order by security_id asc, known_at asc

),

placed as (

    select
        *,
        row_number() over () as place

    from published

),

-- which publication of each statement was the newest at the moment: running maxima in the order of time
located as (

    select
        security_id,
        known_at,
        usable_at,
        {%- for statement in statements %}
        case
            when max(security_id) filter (where has_{{ statement }}) over so_far = security_id
                then max_by(known_at, place) filter (where has_{{ statement }}) over so_far
        end as {{ statement }}_at
        {%- if not loop.last %},{% endif %}
        {%- endfor %}

    from placed

    -- the linter's parser knows no named window that has a frame and nothing else
    window so_far as (rows between unbounded preceding and current row) -- noqa: PRS

),

-- the count of shares in the newest quarter of the three, and the one a year before
{%- set newest_end = 'greatest(income.period_end_date, balance.period_end_date, cashflow.period_end_date)' %}
met as (

    select
        located.*,
        {{ newest_end }} as shares_period_end_date,
        {%- for statement in statements %}
        {{ statement }}.period_end_date as {{ statement }}_end,
        {%- endfor %}
        case
            {%- for statement in statements %}
            when {{ statement }}.shares_basic > 0 and {{ statement }}.period_end_date = {{ newest_end }}
                then {
                    'vendor': {{ statement }}.vendor,
                    'known_at': {{ statement }}.quarter_known_at,
                    'basis_date': {{ statement }}.basis_date,
                    'shares': {{ statement }}.shares_basic
                }
            {%- endfor %}
        end as newest_count,
        case
            {%- for statement in statements %}
            when {{ statement }}.shares_basic_year_ago > 0 and {{ statement }}.period_end_date = {{ newest_end }}
                then {
                    'period_end_date': {{ statement }}.period_end_date_year_ago,
                    'basis_date': {{ statement }}.basis_date_year_ago,
                    'shares': {{ statement }}.shares_basic_year_ago
                }
            {%- endfor %}
        end as count_year_ago

    from located
    {% for statement in statements %}
    left join numbers as {{ statement }}
        on
            located.security_id = {{ statement }}.security_id
            and located.{{ statement }}_at = {{ statement }}.known_at
            and {{ statement }}.statement = '{{ statement }}'
    {% endfor %}
),

-- where the statements of the newest quarter, one or two, have no count of a year ago, another statement of then may
then_known as (

    select
        met.security_id,
        met.known_at,
        reports.period_end_date,
        list_position({{ statements }}, reports.statement) as place,
        max_by(
            {
                'period_end_date': reports.period_end_date,
                'basis_date': reports.basis_date,
                'shares': reports.shares_basic
            },
            reports.version
        ) as newest_version

    from met

    inner join {{ ref('int_fundamentals') }} as reports
        on
            met.security_id = reports.security_id
            and met.known_at >= reports.known_at
            and met.shares_period_end_date >= reports.period_end_date + 330
            and met.shares_period_end_date <= reports.period_end_date + 400

    where
        met.newest_count is not null
        and met.count_year_ago is null
        and not coalesce(met.income_end = met.balance_end and met.income_end = met.cashflow_end, false)

    group by met.security_id, met.known_at, reports.period_end_date, reports.statement

),

counts_elsewhere as (

    select
        security_id,
        known_at,
        min_by(newest_version, place) as count_elsewhere

    from (
        select
            *,
            max(period_end_date) over (partition by security_id, known_at) as newest_period_end_date

        from then_known
    ) as placed_then

    where
        period_end_date = newest_period_end_date
        and newest_version['shares'] > 0

    group by security_id, known_at

),

paired as (

    select
        met.* exclude (income_end, balance_end, cashflow_end)
        replace (coalesce(met.count_year_ago, counts_elsewhere.count_elsewhere) as count_year_ago)

    from met

    left join counts_elsewhere
        on
            met.security_id = counts_elsewhere.security_id
            and met.known_at = counts_elsewhere.known_at

),

counted as (

    select
        * exclude (newest_count, count_year_ago),
        count_year_ago['period_end_date'] as shares_year_ago_period_end_date,
        count_year_ago['basis_date'] as basis_date_year_ago,
        count_year_ago['shares'] as shares_basic_year_ago,
        newest_count['vendor'] as vendor,
        newest_count['known_at'] as shares_known_at,
        newest_count['basis_date'] as basis_date,
        newest_count['shares'] as shares_basic

    from paired

),

share_factors as (

    select
        security_id,
        vendor,
        split_date,
        share_factor

    from {{ ref('int_share_factors') }}

),

-- every count on one basis, that of no split at all: counts of two dates can be compared and brought to any date
split_counts as (

    select counted.*

    from counted

    semi join share_factors
        on counted.security_id = share_factors.security_id

),
{% for suffix in ['', '_year_ago'] %}
count_units{{ suffix }} as (

    select
        split_counts.security_id,
        split_counts.known_at,
        share_factors.share_factor

    from split_counts
    {{ as_of_join(
        'split_counts', 'share_factors', keys=['security_id', 'vendor'],
        left_at='basis_date' ~ suffix, right_at='split_date'
    ) }}

),
{% endfor %}
unsplit as (

    select
        counted.*,
        counted.shares_basic / coalesce(count_units.share_factor, 1) as shares_unsplit,
        counted.shares_basic_year_ago / coalesce(count_units_year_ago.share_factor, 1) as shares_unsplit_year_ago

    from counted

    left join count_units
        on
            counted.security_id = count_units.security_id
            and counted.known_at = count_units.known_at

    left join count_units_year_ago
        on
            counted.security_id = count_units_year_ago.security_id
            and counted.known_at = count_units_year_ago.known_at

),

-- which counts to believe: a walk through a security's counts, needed only where any differs by more than 1.6 times
-- from the one before it, which takes a largest count of more than 1.6 times the smallest
unsteady as (

    select security_id

    from unsplit

    group by security_id

    having max(shares_unsplit) > 1.5 * min(shares_unsplit)

),

-- a first count has no accepted one to be held against: it is held against the shares behind its own quarter's earnings
-- per share, and 100 times apart it cannot be
first_counts as (

    select
        security_id,
        min(known_at) as known_at,
        min_by(shares_period_end_date, known_at) as period_end_date,
        min_by(shares_basic, known_at) as shares_basic

    from unsplit

    where shares_basic is not null

    group by security_id

),

earnings as (

    select
        first_counts.security_id,
        first_counts.shares_basic,
        max_by(
            abs(reported.net_income / reported.eps_diluted), reported.version
        ) as shares_behind_earnings

    from first_counts

    inner join {{ ref('int_fundamentals') }} as reported
        on
            first_counts.security_id = reported.security_id
            and first_counts.period_end_date = reported.period_end_date
            and first_counts.known_at >= reported.known_at

    where
        reported.statement = 'income'
        and reported.net_income <> 0
        and reported.eps_diluted <> 0

    group by first_counts.security_id, first_counts.shares_basic

),

impossible_firsts as (

    select security_id

    from earnings

    where shares_basic not between shares_behind_earnings / 100 and shares_behind_earnings * 100

),

doubtful as (

    select security_id

    from unsteady

    union

    select security_id

    from impossible_firsts

),

counts as (

    select
        security_id,
        known_at,
        shares_period_end_date as period_end_date,
        shares_unsplit,
        row_number() over by_time as step,
        not coalesce(
            shares_unsplit between lag(shares_unsplit) over by_time / 1.6 and lag(shares_unsplit) over by_time * 1.6,
            true
        ) as is_jump

    from unsplit

    semi join doubtful
        on unsplit.security_id = doubtful.security_id

    where shares_unsplit is not null

    window by_time as (partition by security_id order by known_at)

),

jumpy as (

    select security_id

    from counts

    where is_jump

    union

    select security_id

    from impossible_firsts

),

jumpy_counts as (

    select counts.*

    from counts

    semi join jumpy
        on counts.security_id = jumpy.security_id

),

walk as (

    select
        jumpy_counts.security_id,
        jumpy_counts.step,
        jumpy_counts.known_at,
        case when impossible_firsts.security_id is null then jumpy_counts.shares_unsplit end as accepted,
        case when impossible_firsts.security_id is not null then jumpy_counts.shares_unsplit end as doubted,
        case when impossible_firsts.security_id is not null then jumpy_counts.period_end_date end
            as doubted_period_end_date,
        impossible_firsts.security_id is not null as is_suspect

    from jumpy_counts

    left join impossible_firsts
        on jumpy_counts.security_id = impossible_firsts.security_id

    where jumpy_counts.step = 1

    union all

    select
        judged.security_id,
        judged.step,
        judged.known_at,
        case when judged.is_suspect then judged.accepted else judged.shares_unsplit end as accepted,
        case when judged.is_suspect then judged.shares_unsplit end as doubted,
        case when judged.is_suspect then judged.period_end_date end as doubted_period_end_date,
        judged.is_suspect

    from (
        select
            next_count.security_id,
            next_count.step,
            next_count.known_at,
            next_count.shares_unsplit,
            next_count.period_end_date,
            walk.accepted,
            -- neither near the last accepted one nor a later quarter that confirms the doubted one; where none was
            -- ever accepted, the first that is not the doubted one over again in the same quarter
            case
                when walk.accepted is null
                    then
                        next_count.shares_unsplit between walk.doubted / 1.6 and walk.doubted * 1.6
                        and next_count.period_end_date <= walk.doubted_period_end_date
                else
                    next_count.shares_unsplit not between walk.accepted / 1.6 and walk.accepted * 1.6
                    and coalesce(
                        next_count.shares_unsplit not between walk.doubted / 1.6 and walk.doubted * 1.6
                        or next_count.period_end_date <= walk.doubted_period_end_date,
                        true
                    )
            end as is_suspect

        from walk

        inner join jumpy_counts as next_count
            on
                walk.security_id = next_count.security_id
                and walk.step + 1 = next_count.step
    ) as judged

),

-- a count of a year ago that was in doubt while its quarter was the newest is believed only where one accepted since,
-- of that quarter or the next, is near it
doubted_year_ago as (

    select
        unsplit.security_id,
        unsplit.known_at

    from unsplit

    inner join jumpy_counts
        on
            unsplit.security_id = jumpy_counts.security_id
            and unsplit.known_at >= jumpy_counts.known_at
            and jumpy_counts.period_end_date
            between unsplit.shares_year_ago_period_end_date and unsplit.shares_year_ago_period_end_date + 120

    inner join walk
        on
            jumpy_counts.security_id = walk.security_id
            and jumpy_counts.step = walk.step

    group by unsplit.security_id, unsplit.known_at

    having
        bool_or(walk.is_suspect and jumpy_counts.period_end_date = unsplit.shares_year_ago_period_end_date)
        and not bool_or(
            not walk.is_suspect
            and unsplit.shares_unsplit_year_ago between walk.accepted / 1.6 and walk.accepted * 1.6
        )

),

-- the numbers beside the counts, each statement by the key of its newest publication
stated as (

    select
        unsplit.security_id,
        unsplit.known_at,
        unsplit.usable_at,
        {%- for statement in statements %}
        {{ statement }}.period_end_date as {{ statement }}_period_end_date,
        {{ statement }}.quarter_known_at as {{ statement }}_known_at,
        {%- if statement != 'balance' %}
        case
            when {{ statement }}.period_end_date is null then 'not_yet_known' else {{ statement }}.ttm_null_reason
        end as {{ statement }}_null_reason,
        {{ statement }}.ttm_year_ago_null_reason as {{ statement }}_year_ago_null_reason,
        {%- for item in fundamental_items(statement) %}
        {{ statement }}.{{ item }}_ttm,
        {{ statement }}.{{ item }}_ttm_year_ago,
        {%- endfor %}
        {%- else %}
        case when balance.period_end_date is null then 'not_yet_known' end as balance_null_reason,
        balance.year_ago_null_reason as balance_year_ago_null_reason,
        {%- for item in levels %}
        balance.{{ item }},
        balance.{{ item }}_year_ago,
        (balance.{{ item }} + balance.{{ item }}_year_ago) / 2 as {{ item }}_average,
        {%- endfor %}
        {%- endif %}
        {%- endfor %}
        coalesce(income.is_restated_value, false)
        or coalesce(balance.is_restated_value, false)
        or coalesce(cashflow.is_restated_value, false) as is_restated_value,
        unsplit.shares_period_end_date,
        unsplit.shares_known_at,
        unsplit.vendor,
        unsplit.basis_date,
        unsplit.shares_basic,
        unsplit.shares_unsplit,
        case when doubted_year_ago.security_id is null then unsplit.shares_unsplit_year_ago end
            as shares_unsplit_year_ago,
        coalesce(walk.is_suspect, false) as is_shares_suspect,
        case
            when unsplit.shares_basic is null then 'shares_unknown'
            when walk.is_suspect then 'shares_suspect'
        end as shares_null_reason,
        case
            when unsplit.shares_unsplit_year_ago is null then 'no_year_ago'
            when doubted_year_ago.security_id is not null then 'shares_suspect'
        end as shares_year_ago_null_reason

    from unsplit
    {% for statement in statements %}
    left join numbers as {{ statement }}
        on
            unsplit.security_id = {{ statement }}.security_id
            and unsplit.{{ statement }}_at = {{ statement }}.known_at
            and {{ statement }}.statement = '{{ statement }}'
    {% endfor %}
    left join walk
        on
            unsplit.security_id = walk.security_id
            and unsplit.known_at = walk.known_at

    left join doubted_year_ago
        on
            unsplit.security_id = doubted_year_ago.security_id
            and unsplit.known_at = doubted_year_ago.known_at

),

with_reasons as (

    select
        *,
        {%- for item in flows %}
        {%- set statement = 'cashflow' if item in fundamental_items('cashflow') else 'income' %}
        coalesce(
            {{ statement }}_null_reason,
            case when {{ item }}_ttm is null then 'missing_item' end
        ) as {{ item }}_ttm_null_reason,
        coalesce(
            {{ statement }}_year_ago_null_reason,
            case when {{ item }}_ttm_year_ago is null then 'missing_item' end
        ) as {{ item }}_ttm_year_ago_null_reason,
        {%- endfor %}
        {%- for item in levels %}
        coalesce(balance_null_reason, case when {{ item }} is null then 'missing_item' end)
            as {{ item }}_null_reason,
        coalesce(
            balance_null_reason,
            case when {{ item }} is null then 'missing_item' end,
            balance_year_ago_null_reason,
            case when {{ item }}_year_ago is null then 'missing_item' end
        ) as {{ item }}_average_null_reason,
        {%- endfor %}
        debt - cash as net_debt,
        operating_income_ttm + depreciation_amortization_ttm as ebitda_ttm

    from stated

),

final as (

    select
        ---------- keys and point in time
        security_id,
        known_at,
        usable_at,
        is_restated_value,

        ---------- newest quarters: what they describe and since when they are known
        income_period_end_date,
        income_known_at,
        balance_period_end_date,
        balance_known_at,
        cashflow_period_end_date,
        cashflow_known_at,

        ---------- sums of the four newest quarters, and the sums a year before
        {%- for item in flows %}
        {{ item }}_ttm,
        {{ item }}_ttm_year_ago,
        {%- endfor %}

        ---------- levels of the newest quarter, a year before, and the mean of both
        {%- for item in levels %}
        {{ item }},
        {{ item }}_year_ago,
        {{ item }}_average,
        {%- endfor %}

        ---------- share counts of the newest quarter
        vendor as shares_vendor,
        shares_period_end_date,
        shares_known_at,
        basis_date as shares_basis_date,
        shares_basic,
        shares_unsplit,
        is_shares_suspect,

        ---------- ratios without a price, and what enters those with one
        net_debt,
        ebitda_ttm,
        net_income_ttm / nullif(assets_average, 0) as roa,
        case when equity_average > 0 then net_income_ttm / equity_average end as roe,
        operating_income_ttm / nullif(revenue_ttm, 0) as operating_margin,
        gross_profit_ttm / nullif(revenue_ttm, 0) as gross_margin,
        gross_profit_ttm / nullif(assets, 0) as gross_profitability,
        (assets - assets_year_ago) / nullif(abs(assets_year_ago), 0) as asset_growth,
        (revenue_ttm - revenue_ttm_year_ago) / nullif(abs(revenue_ttm_year_ago), 0) as revenue_growth,
        (net_income_ttm - net_income_ttm_year_ago) / nullif(abs(net_income_ttm_year_ago), 0) as earnings_growth,
        (net_income_ttm - operating_cash_flow_ttm) / nullif(assets_average, 0) as accruals,
        assets_current / nullif(liabilities_current, 0) as current_ratio,
        case when equity > 0 then debt / equity end as debt_to_equity,
        case when not is_shares_suspect then ln(shares_unsplit / shares_unsplit_year_ago) end as net_issuance,

        ---------- reasons of NULLs
        revenue_ttm_null_reason,
        net_income_ttm_null_reason,
        free_cash_flow_ttm_null_reason,
        dividends_paid_ttm_null_reason,
        equity_null_reason,
        shares_null_reason,
        coalesce(debt_null_reason, cash_null_reason) as net_debt_null_reason,
        coalesce(
            operating_income_ttm_null_reason,
            depreciation_amortization_ttm_null_reason,
            case when ebitda_ttm <= 0 then 'non_positive_ebitda' end
        ) as ebitda_ttm_null_reason,
        {%- for ratio, (parts, denominator) in ratios.items() %}
        coalesce(
            {%- for part in parts %}
            {{ part }}_null_reason,
            {%- endfor %}
            case when {{ denominator }} = 0 then 'zero_denominator' end
        ) as {{ ratio }}_null_reason,
        {%- endfor %}
        coalesce(
            net_income_ttm_null_reason,
            equity_average_null_reason,
            case when equity_average <= 0 then 'non_positive_equity' end
        ) as roe_null_reason,
        coalesce(
            equity_null_reason, case when equity <= 0 then 'non_positive_equity' end, debt_null_reason
        ) as debt_to_equity_null_reason,
        coalesce(shares_null_reason, shares_year_ago_null_reason) as net_issuance_null_reason

    from with_reasons

)

select * from final
