{#- What is new for the features in this build: the materialization feature_family reads it.
    Grain: one row. A view on int_feature_digests. -#}
{{ config(materialized='view') }}

{%- set sessions_kept = 2048 %}

with

digests as (

    select * from {{ ref('int_feature_digests') }}

),

build as (

    select
        any_value(version)::varchar as version,
        any_value(previous_version)::varchar as previous_version,
        any_value(through_date) as through_date,
        any_value(previous_through_date) as previous_through_date,
        coalesce(list(distinct security_id) filter (where is_past_changed and security_id <> 0), []) as renewed

    from digests

),

sessions as (

    select session_date

    from {{ ref('int_sessions') }}

),

new_sessions as (

    select
        count(*) as new_sessions,
        min(sessions.session_date) as first_new_date

    from sessions

    cross join build

    where
        sessions.session_date > build.previous_through_date
        and sessions.session_date <= build.through_date

),

looked_back as (

    select list(sessions.session_date order by sessions.session_date desc)[:{{ sessions_kept }}] as sessions_back

    from sessions

    cross join new_sessions

    where sessions.session_date <= new_sessions.first_new_date

)

select
    ---------- what the features are to be built from, and what they can be added to; NULL where they are made anew
    build.version,
    build.previous_version,
    build.through_date,

    ---------- new sessions; first the first new one, then the ones before it (never, where there is no new one)
    new_sessions.new_sessions::integer as new_sessions,
    coalesce(
        looked_back.sessions_back,
        list_resize([]::date[], {{ sessions_kept }}, date '9999-12-31')
    ) as sessions_back,

    ---------- securities whose past is not what it was
    len(build.renewed)::integer as renewed_names,
    build.renewed

from build

cross join new_sessions

cross join looked_back
