{#- Every raw row that staging refused, of all vendors: nothing is dropped without standing here.
    Grain: one row per refused row. Source: stg_<vendor>__quarantined_rows, seed refusal_reasons. -#}

with

refused as (

    {% for vendor in ['cboe', 'simfin', 'sp500', 'yahoo'] -%}
    select
        dataset,
        file,
        reason,
        key,
        example

    from {{ ref('stg_' ~ vendor ~ '__quarantined_rows') }}
    {{- ' union all ' if not loop.last }}
    {%- endfor %}

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
