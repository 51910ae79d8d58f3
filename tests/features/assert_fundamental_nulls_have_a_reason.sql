{#- Every fundamental feature has a value or a NULL with a reason that seed fundamental_null_reason_words lists, and
    never both. Returns features with the number of rows where a value stands beside a reason, a NULL beside none, the
    reason is not on the list, or not_yet_known is said although every statement the feature needs was known by the
    decision (so that from the first date on which its inputs are known until staleness every gap is explained). -#}

{%- set income, balance, cashflow = 'first_known.income', 'first_known.balance', 'first_known.cashflow' -%}
{%- set valuations = {
    'earnings_yield': [income],
    'fcf_yield': [cashflow],
    'book_to_market': [balance],
    'sales_yield': [income],
    'ev_to_ebitda': [income, balance, cashflow],
    'dividend_yield': [cashflow],
} -%}
{%- set needs = dict(valuations, **{
    'roa': [income, balance],
    'roe': [income, balance],
    'operating_margin': [income],
    'gross_margin': [income],
    'gross_profitability': [income, balance],
    'asset_growth': [balance],
    'revenue_growth': [income],
    'earnings_growth': [income],
    'accruals': [income, balance, cashflow],
    'current_ratio': [balance],
    'debt_to_equity': [balance],
    'net_issuance': ['least(' ~ income ~ ', ' ~ balance ~ ', ' ~ cashflow ~ ')'],
    'fundamental_age_days': [income],
}) -%}
{%- for valuation, statements in valuations.items() -%}
{%- do needs.update({valuation ~ '_vs_sector': statements}) -%}
{%- endfor -%}
{%- set served = [] -%}
{%- for column in graph.nodes['model.kairos.feat_fundamental'].columns if execute -%}
{%- do served.append(column) -%}
{%- endfor -%}
{%- for column in graph.nodes['model.kairos.feat_relative'].columns if execute and column.endswith('_vs_sector') -%}
{%- do served.append(column) -%}
{%- endfor -%}
{%- for column in served if column not in needs and column not in ['as_of_date', 'security_id', 'known_at'] -%}
{%- do exceptions.raise_compiler_error(model.name ~ ' does not know what ' ~ column ~ ' needs') -%}
{%- endfor %}
{%- set no_reason, any_other, not_yet_known, not_on_the_list = 0, 1, 2, 3 %}

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

words as (

    select list(reason) as known_words

    from {{ ref('fundamental_null_reason_words') }}

),

served as (

    select
        fundamental.as_of_date,
        fundamental.security_id,
        {%- for feature in needs %}
        {{ feature }} is not null as {{ feature }}
        {%- if not loop.last %},{% endif %}
        {%- endfor %}

    from {{ ref('feat_fundamental') }} as fundamental
    positional join {{ ref('feat_relative') }} as relative

    where {{ same_rows(['fundamental', 'relative']) }}

),

-- what is asked of a word, in a byte: a join that carries the words themselves holds them all in memory
reasons as (

    select
        reasons.as_of_date,
        reasons.security_id,
        {%- for feature in needs %}
        case
            when reasons.{{ feature }} is null then {{ no_reason }}
            when not coalesce(list_contains(words.known_words, reasons.{{ feature }}), true) then {{ not_on_the_list }}
            when reasons.{{ feature }} = 'not_yet_known' then {{ not_yet_known }}
            else {{ any_other }}
        end::utinyint as {{ feature }}
        {%- if not loop.last %},{% endif %}
        {%- endfor %}

    from {{ ref('int_fundamental_null_reasons') }} as reasons

    cross join words

),

counted as (

    select
        {%- for feature, statements in needs.items() %}
        count(*) filter (
            where served.{{ feature }} = (coalesce(reasons.{{ feature }}, {{ no_reason }}) <> {{ no_reason }})
            or reasons.{{ feature }} = {{ not_on_the_list }}
            or (
                reasons.{{ feature }} = {{ not_yet_known }}
                {%- for statement in statements %}
                and {{ statement }} <= prices.decided_at
                {%- endfor %}
            )
        ) as {{ feature }},
        {%- endfor %}
        count(*) as counted_rows

    from served

    inner join {{ ref('int_prices') }} as prices
        on
            served.security_id = prices.security_id
            and served.as_of_date = prices.as_of_date

    left join reasons
        on
            served.security_id = reasons.security_id
            and served.as_of_date = reasons.as_of_date

    left join first_known
        on served.security_id = first_known.security_id

),

by_feature as (

    unpivot counted
    on columns(* exclude (counted_rows))
    into name feature_name value bad_rows

)

select * from by_feature
where bad_rows > 0
