{#- Sector and industry of a security from a date on. A vendor that delivers only today's gives one row, valid from
    the first bar on and flagged is_snapshot: nobody can tell from it what the sector was then.
    Grain: one row per security and valid_from. Source: simfin companies. -#}

with

companies as (

    select * from {{ ref('stg_simfin__companies') }}

),

spells as (

    select * from {{ ref('int_spells') }}

),

sessions as (

    select * from {{ ref('int_sessions') }}

)

select
    ---------- keys
    spells.security_id,
    greatest(companies.known_at::date, sessions.session_date) as valid_from,

    ---------- point in time
    greatest(companies.known_at, sessions.closes_at) as known_at,

    ---------- sector
    companies.sector,
    companies.industry,
    companies.is_snapshot

from companies

inner join spells
    on companies.ticker = spells.ticker

inner join sessions
    on spells.first_session_index = sessions.session_index

where companies.sector is not null

order by spells.security_id, valid_from
