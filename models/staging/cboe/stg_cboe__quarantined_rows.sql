{#- Rows of the vendor that were refused, with the reason.
    Grain: one row per refused row. Source: cboe VIX_History. -#}

with

checked as (

    select * from {{ ref('stg_cboe__checked_vix') }}

)

select
    dataset,
    file,
    reason,
    coalesce(session_date::varchar, '(no date)') as key,
    coalesce(row_error, concat('close=', vix_close)) as example

from checked

where reason is not null
