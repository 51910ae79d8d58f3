{#- CTEs from events, each from its known_at on, to states that also change where a split changes the unit of a count, so
    that daily rows need one as-of join and find counts in the unit of their own day: `in_units` has the columns of
    events, effective_at (an event comes, or the day of a split begins) and share_multiplier, which brings counts with
    every split undone to the moment. Needs the CTE split_factors (security_id, split_date, split_factor).
    Example: {{ "{{ states_between_splits('compared') }}" }} -#}
{% macro states_between_splits(events) -%}
split_days as (

    select
        security_id,
        split_date::timestamp as effective_at

    from split_factors

),

continued as (

    select
        split_days.effective_at,
        {{ events }}.*

    from split_days

    {{ as_of_join('split_days', events, left_at='effective_at') }}

    where
        {{ events }}.security_id is not null
        and {{ events }}.known_at < split_days.effective_at

),

states as (

    select
        known_at as effective_at,
        *

    from {{ events }}

    union all

    select * from continued

),

dated as (

    select
        *,
        effective_at::date as effective_date

    from states

),

in_units as (

    select
        dated.*,
        coalesce(split_factors.split_factor, 1) as share_multiplier

    from dated

    {{ as_of_join('dated', 'split_factors', left_at='effective_date', right_at='split_date') }}

)
{%- endmacro %}
