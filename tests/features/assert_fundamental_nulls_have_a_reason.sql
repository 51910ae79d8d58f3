{#- Every fundamental feature has a value or a NULL with a reason that seed fundamental_null_reason_words lists, and
    never both. Returns rows, counted by feature and reason, where a value stands beside a reason, a NULL beside none, the
    reason is not on the list, or not_yet_known is said although every statement the feature needs was known by the
    decision (so that from the first date on which its inputs are known until staleness every gap is explained). -#}

{%- set needs = {
    'earnings_yield': ['income'],
    'fcf_yield': ['cashflow'],
    'book_to_market': ['balance'],
    'roa': ['income', 'balance'],
    'roe': ['income', 'balance'],
    'operating_margin': ['income'],
    'fundamental_age_days': ['income'],
} %}

with

first_known as (

    select
        security_id,
        min(known_at) filter (where statement = 'income') as income,
        min(known_at) filter (where statement = 'balance') as balance,
        min(known_at) filter (where statement = 'cashflow') as cashflow

    from {{ ref('int_fundamentals') }}

    group by security_id

),

beside as (

    select
        served.as_of_date,
        served.security_id,
        {%- for feature, statements in needs.items() %}
        served.{{ feature }} is not null as has_{{ feature }},
        reasons.{{ feature }} as {{ feature }}_reason,
        coalesce(
            reasons.{{ feature }} = 'not_yet_known'
            {%- for statement in statements %}
            and first_known.{{ statement }} <= prices.decided_at
            {%- endfor %},
            false
        ) as was_known_{{ feature }},
        {%- endfor %}
        prices.decided_at

    from {{ ref('feat_fundamental') }} as served

    inner join {{ ref('int_prices') }} as prices
        on
            served.security_id = prices.security_id
            and served.as_of_date = prices.as_of_date

    left join {{ ref('int_fundamental_null_reasons') }} as reasons
        on
            served.security_id = reasons.security_id
            and served.as_of_date = reasons.as_of_date

    left join first_known
        on served.security_id = first_known.security_id

),

counted as (

    {% for feature in needs %}
    select
        '{{ feature }}' as feature_name,
        {{ feature }}_reason as reason,
        has_{{ feature }} as has_value,
        was_known_{{ feature }} as was_known,
        count(*) as row_count,
        min(as_of_date) as first_date,
        min(security_id) as example_security_id

    from beside

    group by {{ feature }}_reason, has_{{ feature }}, was_known_{{ feature }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select counted.*

from counted

left join {{ ref('fundamental_null_reason_words') }} as words
    on counted.reason = words.reason

where
    counted.has_value = (counted.reason is not null)
    or (counted.reason is not null and words.reason is null)
    or counted.was_known
