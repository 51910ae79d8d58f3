{#- Returns securities of a vendor whose events decide (int_spells) that have been silent for 60 sessions or more at the
    market's end and have no event: halted for long, or dead without the vendor's saying so, and then carried at their
    last price for ever. A warning and no failure: the file may be right. -#}

{{ config(severity='warn') }}

select
    spells.security_id,
    spells.ticker,
    spells.last_session_index,
    spells.market_end_index - spells.last_session_index as silent_sessions,
    'silent without an event that ends it, and carried at its last price: deliver the event if it is dead' as finding

from {{ ref('int_spells') }} as spells

inner join {{ source('market', 'files') }} as files
    on
        spells.vendor = files.vendor
        and files.table_name = 'actions'

where
    spells.vendor in ('{{ var("event_vendors") | join("', '") }}')
    and spells.delisting_known_index is null
    and spells.market_end_index - spells.last_session_index >= 60
