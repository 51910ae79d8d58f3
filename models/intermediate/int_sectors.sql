{#- Sector and industry of a security from a date on. A vendor that delivers only today's gives one row, valid from the
    calendar's beginning and flagged is_snapshot: nobody can tell from it what the sector was then.
    Grain: one row per security and valid_from. Source: simfin companies. -#}

with

companies as (

    select * from {{ ref('stg_simfin__companies') }}

),

spells as (

    select * from {{ ref('int_spells') }}

)

select
    ---------- keys
    spells.security_id,
    companies.known_at::date as valid_from,

    ---------- point in time
    companies.known_at,

    ---------- sector
    companies.sector,
    companies.industry,
    companies.is_snapshot

from companies

inner join spells
    on companies.ticker = spells.ticker

where companies.sector is not null

order by spells.security_id, companies.known_at
