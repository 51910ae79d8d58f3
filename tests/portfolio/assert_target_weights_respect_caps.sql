-- Every target weight keeps to the position cap and every sector to its cap, recomputed from the seed and the number of
-- eligible names. Returns the names and sectors that do not.
with

weights as (

    select
        weights.as_of_date,
        weights.strategy,
        weights.security_id,
        weights.sector,
        weights.target_weight,
        strategies.max_position_pct,
        strategies.max_sector_mult * candidates.eligible_names_of_sector / candidates.eligible_names as sector_cap

    from {{ ref('pf_target_weights') }} as weights
    inner join {{ ref('pf_candidates') }} as candidates
        on
            weights.as_of_date = candidates.as_of_date
            and weights.strategy = candidates.strategy
            and weights.security_id = candidates.security_id
    inner join {{ ref('strategies') }} as strategies on weights.strategy = strategies.strategy

),

above_position as (

    select
        as_of_date,
        strategy,
        'security ' || security_id as what,
        target_weight as weight,
        max_position_pct as cap

    from weights

    where target_weight > max_position_pct + 1e-12

),

above_sector as (

    select
        as_of_date,
        strategy,
        'sector ' || sector as what,
        sum(target_weight) as weight,
        min(sector_cap) as cap

    from weights

    group by as_of_date, strategy, sector

    having sum(target_weight) > min(sector_cap) + 1e-12

)

select * from above_position
union all
select * from above_sector
