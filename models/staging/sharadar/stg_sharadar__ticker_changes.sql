{#- Changes of a security's ticker: its ticker on a date is former_ticker of its first change after the date, and ticker
    itself where none follows. Units of files, like splits: they say what a name in a file of today was called before.
    Grain: one row per ticker and date. Source: sharadar ACTIONS. -#}

select
    ---------- keys; the ticker is today's
    ticker,
    action_date as change_date,

    ---------- the name it had until then
    contra_ticker as former_ticker

from {{ ref('stg_sharadar__actions') }}

where
    action = 'tickerchangefrom'
    and contra_ticker <> ticker
