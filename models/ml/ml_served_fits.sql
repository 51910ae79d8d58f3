{#- Which fit serves from which date on: each scheduled fit from its fold's test start, each one promoted or rolled back
    to by hand from the session after the market's last date of that day. A date is served by the row with the newest
    effective_date not after it; of two of one day the scheduled one, which did not exist when the other was chosen, else
    the one chosen last.
    Grain: one row per (alpha_name, effective_date). Source: ml_fits, the state's registry. A fit chosen by hand is
    served as it was then, from the copy the state keeps: code or data that have changed since do not change it. -#}

{{ config(materialized='view') }}

with

scheduled as (

    select
        *,
        0::bigint as event_number

    from {{ ref('ml_fits') }}

),

chosen as (

    select
        kept.* replace (events.effective_date as effective_date),
        events.event_number

    from {{ source('state', 'registry_events') }} as events
    inner join {{ source('state', 'registry_fits') }} as kept
        on events.fit_id = kept.fit_id
    inner join {{ ref('alpha_specs') }} as specs
        on events.alpha_name = specs.alpha_name
    where
        events.event in ('promote', 'rollback')
        and specs.is_active

),

fits as (

    select * from scheduled
    union all by name
    select * from chosen

)

select
    *,
    event_number > 0 as is_chosen
from fits
qualify
    row_number() over (
        partition by alpha_name, effective_date order by event_number = 0 desc, event_number desc
    ) = 1
order by alpha_name, effective_date
