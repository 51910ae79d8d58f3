{#- All alphas side by side: the active ones, the hand-weighted alpha_v8, and the ensembles of them.
    Grain: one row per (as_of_date, security_id), members from the first date on which any alpha speaks.
    An ensemble's score is the mean of its members' percentile ranks among the members of the date, by the weights in
    force on it (ml_ensemble_weights); a negative weight counts the rank from the other end. A blend is an ensemble of
    ensembles, ranked again. NULL for a name of which members with less than needed_share of the weight speak, and so
    for all names where they are not active, and before the first fit. -#}
{%- set members = var('active_alphas') + ['alpha_v8'] %}
{%- set ensembles = var('ensembles') %}
{%- set blends = var('blends') %}
{%- set blended = var('blended') %}

with

learned as (

    select * from {{ ref('ml_alphas__learned') }}

),

{{ market_days() }}

weights as (

    select
        weights.ensemble_name,
        weights.effective_date,
        weights.regime,
        weights.weight,
        weights.ensemble_name || '__' || weights.member as slot,
        ensembles.needed_share::double as needed_share

    from {{ ref('ml_ensemble_weights') }} as weights
    inner join {{ ref('ensembles') }} as ensembles on weights.ensemble_name = ensembles.ensemble_name

),

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

),

spans as (

    select distinct
        effective_date,
        regime
    from periods

),

wide_weights as (

    select
        spans.effective_date,
        spans.regime,
        {%- for ensemble in ensembles + blends %}
        max(weights.needed_share) filter (where weights.ensemble_name = '{{ ensemble }}') as {{ ensemble }}__needed,
        {%- for member in (members if ensemble in ensembles else blended) %}
        coalesce(max(weights.weight) filter (where weights.slot = '{{ ensemble }}__{{ member }}'), 0)
            as {{ ensemble }}__{{ member }},
        {%- endfor %}
        {%- endfor %}
        count(*) as member_weights
    from spans
    inner join weights
        on spans.effective_date = weights.effective_date and weights.regime in ('any', spans.regime)
    group by spans.effective_date, spans.regime

),

{{ percentile_ranks('learned', members) }}

weighed as (

    select
        {%- for ensemble in ensembles %}
        {{ weighted_rank(ensemble, members) }} as {{ ensemble }},
        {%- endfor %}
        {%- for alpha in members %}
        learned_ranked.{{ alpha }},
        {%- endfor %}
        {%- for blend in blends %}
        wide_weights.{{ blend }}__needed,
        {%- for ensemble in blended %}
        wide_weights.{{ blend }}__{{ ensemble }},
        {%- endfor %}
        {%- endfor %}
        learned_ranked.as_of_date,
        learned_ranked.security_id
    from learned_ranked
    left join periods on learned_ranked.as_of_date = periods.as_of_date
    left join wide_weights
        on
            periods.effective_date = wide_weights.effective_date
            and periods.regime = wide_weights.regime

),

{{ percentile_ranks('weighed', blended) }}

mixed as (

    select
        {%- for blend in blends %}
        {{ weighted_rank(blend, blended) }} as {{ blend }},
        {%- endfor %}
        *
    from weighed_ranked

)

select
    as_of_date,
    security_id,
    {%- for alpha in var('active_alphas') + ensembles + blends %}
    {{ alpha }},
    {%- endfor %}
    alpha_v8
from mixed
order by as_of_date, security_id
