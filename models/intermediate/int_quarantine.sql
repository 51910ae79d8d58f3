{#- Every raw row that staging refused, of all vendors: nothing is dropped without standing here.
    Grain: one row per refused row. -#}

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

)

select * from refused

order by dataset, file, reason, key, example
