{#- What happened to the alphas' fits: registered by the build that first made them, promoted and rolled back by hand.
    Grain: one row per event_number. Source: the state, and what this build adds to it; append-only.
    A version is a fit; an alpha's versions are counted in the order in which they came to be. -#}
{{ config(post_hook="{{ append_to_state('registry_events') }}") }}

with

kept as (

    select * from {{ source('state', 'registry_events') }}

),

last_numbers as (

    select coalesce(max(event_number), 0) as event_number

    from kept

),

last_versions as (

    select
        alpha_name,
        max(version) as version

    from kept
    group by alpha_name

),

gates as (

    {{ gate_verdicts() }}

),

fits as (

    select
        fit_id,
        alpha_name,
        fold_id,
        effective_date

    from {{ ref('ml_fits') }}

),

made as (

    select fits.*

    from fits
    anti join kept
        on
            fits.fit_id = kept.fit_id
            and kept.event = 'register'

),

added as (

    select
        last_numbers.event_number + row_number() over (order by made.alpha_name, made.effective_date) as event_number,
        made.alpha_name,
        'register' as event,
        made.fit_id,
        made.fold_id,
        (coalesce(last_versions.version, 0) + row_number() over (
            partition by made.alpha_name order by made.effective_date
        ))::integer as version,
        made.effective_date,
        'build' as who,
        'scheduled' as why,
        coalesce(gates.gate_result, 'passed') as gate_result,
        {{ this_load() }} as first_seen_at

    from made
    cross join last_numbers
    left join last_versions
        on made.alpha_name = last_versions.alpha_name
    left join gates
        on made.fit_id = gates.fit_id

),

events as (

    select * from kept
    union all
    select * from added

)

select
    ---------- keys
    event_number,

    ---------- what happened to which version
    alpha_name,
    event,
    fit_id,
    fold_id,
    version,

    ---------- from when on it serves
    effective_date,

    ---------- who and why
    who,
    why,
    gate_result,
    first_seen_at

from events
order by event_number
