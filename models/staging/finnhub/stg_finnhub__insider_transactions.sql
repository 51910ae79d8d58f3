{#- Insider transactions of the vendor that passed every check. A form carries the date of its filing and is known
    at that date's end (var date_only_known).
    Grain: one row per transaction as delivered. Source: finnhub insider_transactions. -#}

with

checked as (

    select * from {{ ref('stg_finnhub__checked_insider_transactions') }}

)

{{ insider_transactions() }}
