{#- What insiders bought and sold in the market over 90 calendar days, from each moment on at which that changes:
    when a form becomes known its trades come in, 90 days later they go. Sums are exact decimals, so that what has
    come and gone leaves nothing behind. Shares are summed with every split undone; share_multiplier brings them to
    the moment. A security is covered from the first row of a file that names it (whatever its code) as long as the
    file goes on: its newest row is at most 45 days old. Where no file covers it nothing is said, for a file that
    covers little says little.
    Grain: one row per (security_id, effective_at): a form comes or goes, coverage begins or ends, a split changes
    the unit. Source: int_insider_transactions, int_insider_deliveries, int_split_factors,
    stg_<vendor>__insider_transactions. -#}

{%- set window_days = 90 %}
{%- set fresh_days = setting_number('insider_file_fresh_days') %}
{%- set sums = [
    'net_count', 'shares_bought', 'shares_net', 'value_bought', 'value_net', 'unpriced_bought', 'unpriced',
] %}

with

split_factors as (

    select * from {{ ref('int_split_factors') }}

),

trades as (

    select
        security_id,
        known_at,
        transaction_date,
        code = 'P' as is_bought,
        shares,
        value_usd

    from {{ ref('int_insider_transactions') }}

    where is_open_market

),

deliveries as (

    select
        security_id,
        dataset,
        min(known_at) as first_known_at

    from {{ ref('int_insider_deliveries') }}

    group by security_id, dataset

),

-- the moments of a file, whatever securities it names
file_moments as (

    {% for vendor in var('insider_vendors') %}
    select distinct
        dataset,
        known_at

    from {{ ref('stg_' ~ vendor ~ '__insider_transactions') }}
    {{ 'union' if not loop.last }}
    {% endfor %}
),

-- on what trades count: their shares without splits
unsplit as (

    select
        trades.*,
        (trades.shares / coalesce(split_factors.split_factor, 1))::decimal(38, 8) as shares_unsplit,
        trades.value_usd::decimal(38, 8) as value_exact

    from trades

    {{ as_of_join('trades', 'split_factors', left_at='transaction_date', right_at='split_date') }}

),

signed as (

    select
        security_id,
        known_at,
        case when is_bought then 1 else -1 end as net_count,
        case when is_bought then shares_unsplit else 0 end as shares_bought,
        case when is_bought then shares_unsplit else -shares_unsplit end as shares_net,
        case when is_bought then coalesce(value_exact, 0) else 0 end as value_bought,
        case when is_bought then coalesce(value_exact, 0) else -coalesce(value_exact, 0) end as value_net,
        case when is_bought and value_exact is null then 1 else 0 end as unpriced_bought,
        case when value_exact is null then 1 else 0 end as unpriced

    from unsplit

),

-- a file ends when nothing follows for so many days, and may go on later
file_spans as (

    select
        dataset,
        known_at,
        lag(known_at) over by_time as earlier_known_at,
        lead(known_at) over by_time as next_known_at,
        (known_at::date + {{ fresh_days + 1 }})::timestamp as silent_from

    from file_moments

    window by_time as (partition by dataset order by known_at)

),

file_turns as (

    select
        dataset,
        known_at as turned_at,
        1 as covering

    from file_spans

    where coalesce(known_at >= (earlier_known_at::date + {{ fresh_days + 1 }})::timestamp, true)

    union all

    select
        dataset,
        silent_from as turned_at,
        -1 as covering

    from file_spans

    where coalesce(next_known_at >= silent_from, true)

),

changes as (

    select
        security_id,
        known_at as effective_at,
        known_at,
        0 as covering,
        {{ sums | join(",\n        ") }}

    from signed

    union all by name

    select
        security_id,
        known_at + interval {{ window_days }} day as effective_at,
        known_at,
        {%- for item in sums %}
        -{{ item }} as {{ item }},
        {%- endfor %}
        0 as covering

    from signed

    union all by name

    -- from its first row in a file on a security is covered when the file is, and then turns with it
    select
        security_id,
        first_known_at as effective_at,
        first_known_at as known_at,
        1 as covering

    from deliveries

    union all by name

    select
        deliveries.security_id,
        file_turns.turned_at as effective_at,
        deliveries.first_known_at as known_at,
        file_turns.covering

    from deliveries

    inner join file_turns
        on
            deliveries.dataset = file_turns.dataset
            and deliveries.first_known_at < file_turns.turned_at

    union all by name

    select
        split_factors.security_id,
        split_factors.split_date::timestamp as effective_at

    from split_factors

    semi join deliveries
        on split_factors.security_id = deliveries.security_id

),

summed as (

    select
        security_id,
        effective_at,
        max(known_at) as known_at,
        {%- for item in sums %}
        sum(coalesce({{ item }}, 0)) as {{ item }},
        {%- endfor %}
        sum(coalesce(covering, 0)) as covering

    from changes

    group by security_id, effective_at

),

states as (

    select
        security_id,
        effective_at,
        effective_at::date as effective_date,
        max(known_at) over so_far as known_at,
        {%- for item in sums %}
        sum({{ item }}) over so_far as {{ item }},
        {%- endfor %}
        sum(covering) over so_far > 0 as is_covered

    from summed

    window
        so_far as (
            partition by security_id
            order by effective_at
            rows between unbounded preceding and current row
        )

)

select
    ---------- keys
    states.security_id,
    states.effective_at,

    ---------- point in time
    states.known_at,

    ---------- whether a file that goes on names the security
    states.is_covered,

    ---------- of the forms of 90 days; values NULL where a trade has no price
    states.net_count::integer as net_count,
    states.shares_bought::double as shares_bought_unsplit,
    states.shares_net::double as shares_net_unsplit,
    case when states.unpriced_bought = 0 then states.value_bought::double end as value_bought_usd,
    case when states.unpriced = 0 then states.value_net::double end as value_net_usd,

    ---------- unit of the moment
    coalesce(split_factors.split_factor, 1) as share_multiplier

from states

{{ as_of_join('states', 'split_factors', left_at='effective_date', right_at='split_date') }}

order by states.security_id, states.effective_at
