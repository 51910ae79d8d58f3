{#- The rest of a model stg_<vendor>__checked_prices: judges the rows of its CTE `delivered`, bar by bar and then key by
    key, and gives each the reason why it is refused, or none. Reasons in the order of the case below, the first that
    holds. `delivered` has dataset, file, row_error, ticker, session_date, open, high, low, close, close_total_return,
    volume_shares, and the columns named in `further`: prices that may be missing and must be sound where they are not.
    Example: {{ "{{ checked_bars(['close_unadjusted']) }}" }} -#}
{% macro checked_bars(further=[]) -%}
{#- of 3.3 million real bars two have a high or a low at more than ten times the close: a junk symbol's, and a cent's -#}
{%- set widest_range = 10 -%}
{#- the limits below are ratios within the bar, so that no later split moves a bar across them; this one is beyond what
    any chain of reverse splits makes of a price, and below what exact decimals hold -#}
{%- set largest_number = '1e20' -%}
{#- and below what dividends and splits to come make of a price -#}
{%- set smallest_price = '1e-9' -%}
{%- set prices -%}
delivered.open, delivered.high, delivered.low, delivered.close, delivered.close_total_return
{%- for price in further %}, coalesce(delivered.{{ price }}, 1){% endfor %}
{%- endset -%}
sessions as (

    select * from {{ ref('sessions') }}

),

basis as (

    select * from {{ source('market', 'basis') }}

),

judged as (

    select
        delivered.*,
        sessions.closes_at as known_at,
        case
            when delivered.row_error is not null then 'unreadable_value'
            when delivered.ticker is null or delivered.session_date is null then 'null_key'
            when delivered.session_date > current_date then 'in_the_future'
            when sessions.session_date is null then 'not_a_session'
            when
                delivered.open is null
                or delivered.high is null
                or delivered.low is null
                or delivered.close is null
                or delivered.close_total_return is null
                or delivered.volume_shares is null
                then 'null_price_or_volume'
            when
                not (
                    isfinite(delivered.open)
                    and isfinite(delivered.high)
                    and isfinite(delivered.low)
                    and isfinite(delivered.close)
                    and isfinite(delivered.close_total_return)
                    and isfinite(delivered.volume_shares)
                    {%- for price in further %}
                    and isfinite(coalesce(delivered.{{ price }}, 1))
                    {%- endfor %}
                )
                then 'infinite_price'
            when
                least({{ prices }}) <= 0
                then 'non_positive_price'
            when delivered.volume_shares < 0 then 'negative_volume'
            when
                delivered.high < delivered.low
                or delivered.close > delivered.high * (1 + 1e-4)
                or delivered.close < delivered.low * (1 - 1e-4)
                then 'close_outside_range'
            -- vendors' opens miss the range by a tick now and then, which is much of a price in cents
            when delivered.open > delivered.high * 1.5 or delivered.open < delivered.low / 1.5 then 'open_outside_range'
            when
                delivered.high > delivered.close * {{ widest_range }}
                or delivered.low < delivered.close / {{ widest_range }}
                then 'range_too_wide'
            when
                greatest({{ prices }}, delivered.volume_shares) > {{ largest_number }}
                then 'number_too_large'
            when least({{ prices }}) < {{ smallest_price }} then 'number_too_small'
        end as reason

    from delivered

    left join sessions
        on delivered.session_date = sessions.session_date

),

repeated_keys as (

    select
        ticker,
        session_date

    from judged

    where reason is null

    group by ticker, session_date

    having count(*) > 1

),

-- of a key delivered twice, the file first by name speaks, and other files of its basis must agree with it
repeated as (

    select
        judged.*,
        coalesce(basis.basis_date, date '9999-12-31') as basis_date,
        first_value(coalesce(basis.basis_date, date '9999-12-31')) over by_file as basis_date_of_first,
        dense_rank() over (
            partition by judged.ticker, judged.session_date, basis.basis_date
            order by
                {%- for price in further %}
                judged.{{ price }},
                {%- endfor %}
                judged.open, judged.high, judged.low, judged.close, judged.close_total_return, judged.volume_shares
        ) as version_on_basis,
        row_number() over by_file as copy

    from judged

    inner join repeated_keys
        on
            judged.ticker = repeated_keys.ticker
            and judged.session_date = repeated_keys.session_date

    left join basis
        on judged.dataset = basis.dataset

    where judged.reason is null

    window
        by_file as (
            partition by judged.ticker, judged.session_date
            order by judged.file
        )

),

resolved as (

    select
        * exclude (basis_date, basis_date_of_first, version_on_basis, copy, reason),
        case
            when basis_date <> basis_date_of_first then 'duplicate_row'
            when
                max(version_on_basis) over (partition by ticker, session_date, basis_date) > 1
                then 'conflicting_duplicate'
            when copy > 1 then 'duplicate_row'
        end as reason

    from repeated

),

checked as (

    select judged.*

    from judged

    left join repeated_keys
        on
            judged.ticker = repeated_keys.ticker
            and judged.session_date = repeated_keys.session_date

    where judged.reason is not null or repeated_keys.ticker is null

    union all by name

    select * from resolved

)

select * from checked
{%- endmacro %}
