{#- Bars of shares (SEP) and of funds (SFP) as delivered, each with the reason why it is refused, or none. Split in two
    by stg_sharadar__prices (reason is NULL) and stg_sharadar__quarantined_rows. macros/checked_bars.sql has the
    reasons.
    Grain: one row per delivered row. Source: sharadar SEP, SFP. -#}

with

delivered as (

    {% for table in ['sep', 'sfp'] -%}
    select
        _dataset as dataset,
        _file as file,
        _row_error as row_error,
        '{{ table | upper }}' as price_table,
        ticker,
        date as session_date,
        open,
        high,
        low,
        close,
        closeadj as close_total_return,
        closeunadj as close_unadjusted,
        volume as volume_shares

    from {{ source('sharadar', table) }}
    {{- ' union all ' if not loop.last }}
    {%- endfor %}

),

{{ checked_bars(['close_unadjusted']) }}
