{#- Every raw row that staging refused, of all vendors, and the bars that int_bars refused for the bars before them:
    nothing is dropped without standing here.
    Grain: one row per refused row. Source: stg_<vendor>__quarantined_rows, int_bars, seed refusal_reasons. -#}

with

refused as (

    {% for source in [
        'cboe__quarantined_rows',
        'finnhub__quarantined_rows',
        'finra__quarantined_rows',
        'pystock__quarantined_rows',
        'sec_form4__quarantined_rows',
        'sharadar__quarantined_rows',
        'sharadar__quarantined_ownership_rows',
        'short_interest__quarantined_rows',
        'simfin__quarantined_rows',
        'sp500__quarantined_rows',
        'yahoo__quarantined_rows',
    ] -%}
    select
        dataset,
        file,
        reason,
        key,
        example

    from {{ ref('stg_' ~ source) }}
    union all
    {% endfor %}
    select
        dataset,
        file,
        reason,
        concat_ws(' ', ticker, session_date) as key,
        concat('C=', close, ' V=', volume_shares) as example

    from {{ ref('int_bars') }}

    where reason is not null

),

reasons as (

    select * from {{ ref('refusal_reasons') }}

),

explained as (

    select
        refused.dataset,
        refused.file,
        refused.reason,
        refused.key,
        refused.example,
        reasons.meaning,
        reasons.cure

    from refused

    left join reasons
        on refused.reason = reasons.reason

)

select * from explained

order by dataset, file, reason, key, example
