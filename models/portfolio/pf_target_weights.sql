{#- Target weights of every rule (var portfolio_rules), capped here and nowhere else: a name's weight is its size,
    poured until the book is full, bounded by max_position_pct and by what its sector may hold (max_sector_mult times the
    sector's share by count of the eligible names). Excess goes to the unbound names in proportion to their size; what no
    name can take is cash and the decision is infeasible. Both caps are exact limits (macro water_level): within a sector
    they give each name its bound, over the book they give the weights.
    Grain: one row per (as_of_date, strategy, security_id). -#}

with

strategies as (

    select
        strategy,
        max_position_pct,
        max_sector_mult

    from {{ ref('strategies') }}

),

sized as (

    {% for rule in var('portfolio_rules') %}
    select * from {{ ref('pf_weights__' ~ rule) }}
    {{ 'union all by name' if not loop.last }}
    {% endfor %}

),

with_caps as (

    select
        sized.*,
        sized.size / (
            sum(sized.size::decimal(38, 15)) over (partition by sized.strategy, sized.as_of_date)
        )::double as size_weight,
        strategies.max_position_pct,
        strategies.max_sector_mult * sized.eligible_names_of_sector / sized.eligible_names as sector_cap

    from sized
    inner join strategies on sized.strategy = strategies.strategy

),

with_sector_level as (

    {{ water_level(
        'with_caps', ['strategy', 'as_of_date', 'sector'], 'size_weight', 'max_position_pct', 'sector_cap', 'sector_level'
    ) }}

),

bounded as (

    select
        *,
        coalesce(least(max_position_pct, sector_level * size_weight), max_position_pct) as bound,
        case when sector_level * size_weight < max_position_pct then 'sector' else 'position' end as bound_by

    from with_sector_level

),

with_level as (

    {{ water_level('bounded', ['strategy', 'as_of_date'], 'size_weight', 'bound', '1', 'level') }}

),

weighted as (

    select
        *,
        coalesce(least(bound, level * size_weight), bound) as target_weight,
        case when level * size_weight < bound then 'none' else bound_by end as binding_constraint

    from with_level

),

with_cash as (

    select
        *,
        1 - (sum(target_weight::decimal(38, 18)) over (partition by strategy, as_of_date))::double as unplaced_weight

    from weighted

)

select
    ---------- keys
    as_of_date,
    strategy,
    security_id,

    ---------- point in time
    decided_at,

    ---------- rank and size
    score,
    score_rank,
    sector,
    volatility,
    size_weight,

    ---------- weight
    target_weight,
    binding_constraint,
    unplaced_weight > 1e-9 as is_infeasible,
    case when unplaced_weight > 1e-9 then unplaced_weight else 0 end as cash_weight
from with_cash
order by strategy, as_of_date, security_id
