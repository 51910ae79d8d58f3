{#- Sector and industry of a security from a date on. A vendor with a history gives a row per change; in a market that
    has its file its own securities have that and nothing else, so that no sector of today stands for an earlier one.
    For the others the companies' list gives today's: one row, valid from the first bar on and flagged is_snapshot, and
    nobody can tell from it what the sector was then. var sector_policy: snapshot serves today's sectors to all (for
    comparison only).
    Grain: one row per security and known_at. Source: int_companies, the vendors of var sector_vendors. -#}

{%- if setting('sector_policy') not in ['of_the_date', 'snapshot'] %}
{{ exceptions.raise_compiler_error("var sector_policy must be of_the_date or snapshot, got '" ~ setting('sector_policy') ~ "'. Correct it in dbt_project.yml or unset KAIROS__SECTOR_POLICY.") }}
{%- endif %}

with

companies as (

    select * from {{ ref('int_companies') }}

),

spells as (

    select * from {{ ref('int_spells') }}

),

sessions as (

    select * from {{ ref('int_sessions') }}

),

history as (

    {% for vendor in var('sector_vendors') -%}
    select
        '{{ vendor }}' as vendor,
        *

    from {{ ref('stg_' ~ vendor ~ '__sectors') }}
    {{- ' union all by name ' if not loop.last }}
    {%- endfor %}

),

-- vendors whose file of sectors the market has, whatever stands in it so far
vendors_with_history as (

    select distinct vendor

    from {{ source('market', 'files') }}

    where
        table_name = 'sectors'
        and vendor in ('{{ var("sector_vendors") | join("', '") }}')
        and '{{ setting("sector_policy") }}' = 'of_the_date'

),

dated as (

    -- of what was said before the first bar the newest counts, from that bar on
    select
        spells.security_id,
        greatest(history.valid_from, sessions.session_date) as valid_from,
        greatest(history.known_at, sessions.closes_at) as known_at,
        history.sector,
        history.industry,
        history.is_snapshot

    from spells

    inner join sessions
        on spells.first_session_index = sessions.session_index

    inner join vendors_with_history
        on spells.vendor = vendors_with_history.vendor

    inner join history
        on
            spells.vendor = history.vendor
            and spells.ticker = history.ticker

    qualify
        row_number() over (
            partition by spells.security_id, greatest(history.known_at, sessions.closes_at)
            order by history.valid_from desc
        ) = 1

),

snapshots as (

    select
        spells.security_id,
        greatest(companies.known_at::date, sessions.session_date) as valid_from,
        greatest(companies.known_at, sessions.closes_at) as known_at,
        companies.sector,
        companies.industry,
        companies.is_snapshot

    from companies

    inner join spells
        on companies.ticker = spells.ticker

    inner join sessions
        on spells.first_session_index = sessions.session_index

    anti join vendors_with_history
        on spells.vendor = vendors_with_history.vendor

    where companies.sector is not null

),

sectors as (

    select * from dated

    union all

    select * from snapshots

)

select
    ---------- keys
    security_id,
    valid_from,

    ---------- point in time
    known_at,

    ---------- sector
    sector,
    industry,
    is_snapshot

from sectors

order by security_id, known_at
