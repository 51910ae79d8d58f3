{#- Insider transactions from the forms themselves that passed every check. A form carries the date of its filing
    and is known at that date's end (var date_only_known).
    Grain: one row per transaction as delivered. Source: sec_form4. -#}

with

checked as (

    select * from {{ ref('stg_sec_form4__checked_insider_transactions') }}

)

{{ insider_transactions() }}
