{#- What each member of an ensemble weighs from which date on, and the evidence for it.
    Grain: one row per (ensemble_name, effective_date, regime, member). effective_date is the start of a test window of
    any active alpha, on which fits and weights change; evidence is rank IC that had matured before it, of the member at
    its own horizon, and so of past folds only. regime is the state of the market for which a row holds: "any", but for
    regime_expert, whose evidence is that of the dates on which the market was in that state.
    fixed, blend: the weights of the seed. ic_weighted: those times the mean rank IC, none where that is negative.
    regime_expert: all of the weight on the best mean rank IC. signed: the seed's, negative for a member with t below -2,
    whose ranks count upside down. t takes every horizon_days dates for one, since their returns overlap.
    A member with fewer than min_dates of evidence weighs nothing beside members with more, and where that would leave
    nothing the seed's weights hold. Absolute weights sum to 1. -#}

with

ensembles as (

    select * from {{ ref('ensembles') }}

),

ensemble_members as (

    select * from {{ ref('ensemble_members') }}

),

specs as (

    select *
    from {{ ref('alpha_specs') }}
    where is_active

),

quality as (

    select
        alpha_name,
        horizon_days,
        signal_date,
        matured_date,
        rank_ic

    from {{ ref('ml_alpha_quality__learned') }}
    where every_sessions = 1 and rank_ic is not null

),

starts as (

    select distinct test_start_date as effective_date
    from {{ ref('ml_folds') }}
    where status = 'fitted'

),

{{ market_days() }}

slots as (

    select
        ensembles.ensemble_name,
        ensembles.method,
        ensembles.min_dates,
        ensemble_members.member,
        specs.horizon_days,
        ensemble_members.weight::double as prior_weight,
        starts.effective_date,
        unnest(
            case
                when ensembles.method = 'regime_expert' then {{ market_regimes() }}
                else ['any']
            end
        ) as regime
    from ensembles
    inner join ensemble_members on ensembles.ensemble_name = ensemble_members.ensemble_name
    left join specs on ensemble_members.member = specs.alpha_name
    cross join starts

),

evidence as (

    select
        slots.ensemble_name,
        slots.effective_date,
        slots.regime,
        slots.member,
        count(*) as dates,
        sum(quality.rank_ic::decimal(18, 15))::double / count(*) as rank_ic,
        sum((quality.rank_ic * quality.rank_ic)::decimal(18, 15))::double as squares,
        max(quality.matured_date) as last_matured_date
    from slots
    inner join quality
        on
            slots.member = quality.alpha_name
            and slots.horizon_days = quality.horizon_days
            and slots.effective_date > quality.matured_date
    inner join market_days on quality.signal_date = market_days.as_of_date
    where slots.method <> 'fixed' and slots.regime in ('any', market_days.regime)
    group by all

),

judged as (

    select
        slots.*,
        coalesce(evidence.dates, 0) as dates,
        evidence.rank_ic,
        evidence.rank_ic
        / nullif(
            sqrt(greatest(evidence.squares - evidence.dates * evidence.rank_ic * evidence.rank_ic, 0))
            / sqrt(nullif(evidence.dates - 1, 0)),
            0
        )
        * sqrt(evidence.dates / slots.horizon_days) as rank_ic_t,
        evidence.last_matured_date,
        coalesce(evidence.dates >= slots.min_dates, false) and slots.method not in ('fixed', 'blend') as is_learned
    from slots
    left join evidence
        on
            slots.ensemble_name = evidence.ensemble_name
            and slots.effective_date = evidence.effective_date
            and slots.regime = evidence.regime
            and slots.member = evidence.member

),

learned as (

    select
        *,
        case
            when method = 'signed' then prior_weight * case when is_learned and rank_ic_t < -2 then -1 else 1 end
            when not is_learned then 0
            when method = 'ic_weighted' then prior_weight * greatest(rank_ic, 0)
            when row_number() over (slot order by is_learned desc, rank_ic desc, member asc) = 1 then 1
            else 0
        end as learned_weight
    from judged
    window slot as (partition by ensemble_name, effective_date, regime)

),

chosen as (

    select
        *,
        case
            when max(abs(learned_weight)) over (partition by ensemble_name, effective_date, regime) > 0
                then learned_weight
            else prior_weight
        end as weight
    from learned

)

select
    ---------- keys
    ensemble_name,
    effective_date,
    regime,
    member,

    ---------- weight
    weight
    / sum(abs(weight)::decimal(18, 15)) over (partition by ensemble_name, effective_date, regime)::double as weight,
    is_learned,

    ---------- evidence
    dates,
    rank_ic,
    rank_ic_t,
    last_matured_date
from chosen
order by ensemble_name, effective_date, regime, member
