{#- Insider transactions of the vendor that passed every check. A form carries the date of its filing and is known
    at that date's end (var date_only_known).
    Grain: one row per transaction as delivered. Source: sharadar SF2. -#}

with

checked as (

    select * from {{ ref('stg_sharadar__checked_insider_transactions') }}

)

{{ insider_transactions() }}
