{#- Hand-weighted factor bundles: each factor winsorised and standardised over the date's members, then weighed.
    Grain: one row per (bundle_name, as_of_date, security_id), members only. mf_score = sum(w dir z) / sum(w) over the
    factors a name has; NULL when less than half of the weight is there.
    Sums are exact decimals of values brought to [0, 1] by the date's limits first, so that no bit depends on the order
    of rows and no factor's unit costs precision. -#}

with

bundles as (

    select * from {{ ref('factor_bundles') }}

),

factors as (

    select
        bundles.*,
        members.factor_name,
        members.weight,
        (members.weight * members.direction)::double as signed_weight,
        sum(members.weight) over (partition by bundles.bundle_name) as whole_weight,
        (row_number() over (order by bundles.bundle_name, members.factor_name))::smallint as factor_id
    from bundles
    inner join {{ ref('factor_bundle_members') }} as members on bundles.bundle_name = members.bundle_name

),

panel as (

    select * exclude (known_at, decided_at, is_member)
    from {{ ref('features') }}
    where is_member

),

long_panel as (

    unpivot panel
    on columns(* exclude (as_of_date, security_id))
    into name factor_name value factor_value

),

factor_values as (

    select
        factors.factor_id,
        long_panel.as_of_date,
        long_panel.security_id,
        long_panel.factor_value
    from long_panel
    inner join factors on long_panel.factor_name = factors.factor_name

),

sorted_values as (

    select
        factor_id,
        as_of_date,
        list_sort(list(factor_value)) as ordered,
        count(*) - 1 as last_position
    from factor_values
    group by factor_id, as_of_date

),

-- quantile_cont by hand: it takes constant positions only, and these are columns of a seed.
positions as (

    select
        sorted_values.factor_id,
        sorted_values.as_of_date,
        sorted_values.ordered,
        factors.winsor_low * sorted_values.last_position as low_position,
        factors.winsor_high * sorted_values.last_position as high_position
    from sorted_values
    inner join factors on sorted_values.factor_id = factors.factor_id

),

limits as (

    select
        factor_id,
        as_of_date,
        ordered[floor(low_position)::integer + 1] as below_low,
        ordered[floor(high_position)::integer + 1] as below_high,
        below_low + (ordered[ceil(low_position)::integer + 1] - below_low) * (low_position - floor(low_position))
            as low_limit,
        below_high + (ordered[ceil(high_position)::integer + 1] - below_high) * (high_position - floor(high_position))
            as high_limit
    from positions

),

clipped as (

    select
        factor_values.factor_id,
        factor_values.as_of_date,
        factor_values.security_id,
        least(greatest(factor_values.factor_value, limits.low_limit), limits.high_limit) as clipped_value,
        coalesce((clipped_value - limits.low_limit) / nullif(limits.high_limit - limits.low_limit, 0), 0) as unit_value
    from factor_values
    inner join limits
        on
            factor_values.factor_id = limits.factor_id
            and factor_values.as_of_date = limits.as_of_date

),

moments as (

    select
        factor_id,
        as_of_date,
        count(*) as names,
        sum(unit_value::decimal(18, 15))::double as unit_sum,
        sum((unit_value * unit_value)::decimal(18, 15))::double as unit_square_sum,
        unit_sum / names as unit_mean,
        sqrt(greatest(unit_square_sum - unit_sum * unit_mean, 0) / nullif(names - 1, 0)) as unit_deviation
    from clipped
    group by factor_id, as_of_date

),

contributions as (

    select
        factors.bundle_name,
        factors.weight,
        factors.whole_weight,
        clipped.as_of_date,
        clipped.security_id,
        factors.signed_weight * case
            when factors.is_zscored
                then coalesce((clipped.unit_value - moments.unit_mean) / nullif(moments.unit_deviation, 0), 0)
            else clipped.clipped_value
        end as contribution
    from clipped
    inner join moments
        on
            clipped.factor_id = moments.factor_id
            and clipped.as_of_date = moments.as_of_date
    inner join factors on clipped.factor_id = factors.factor_id

),

scores as (

    select
        as_of_date,
        bundle_name,
        security_id,
        case
            when sum(weight) >= any_value(whole_weight) / 2
                then sum(contribution::decimal(38, 15))::double / sum(weight)::double
        end as mf_score
    from contributions
    group by as_of_date, bundle_name, security_id

)

select * from scores
order by bundle_name, as_of_date, security_id
