{#- The weight in force of each member of each ensemble, by date: what started last, of the state the market is in.
    Grain: one row per (as_of_date, ensemble_name, member), dates from the first test window on.
    Source: ml_ensemble_weights. -#}
{{ config(materialized='view') }}

with

weights as (

    select
        ensemble_name,
        effective_date,
        regime,
        member,
        weight

    from {{ ref('ml_ensemble_weights') }}

),

ensembles as (

    select
        ensemble_name,
        needed_share

    from {{ ref('ensembles') }}

),

{{ market_days() }}

starts as (

    select distinct effective_date from weights

),

periods as (

    select
        market_days.as_of_date,
        market_days.regime,
        starts.effective_date
    from market_days
    {{ as_of_join('market_days', 'starts', keys=[], left_at='as_of_date', right_at='effective_date') }}

)

select
    periods.as_of_date,
    weights.ensemble_name,
    weights.member,
    weights.weight::double as weight,
    ensembles.needed_share::double as needed_share

from periods
inner join weights
    on periods.effective_date = weights.effective_date and weights.regime in ('any', periods.regime)
inner join ensembles on weights.ensemble_name = ensembles.ensemble_name
