{#- Hand-weighted factor bundles: each factor winsorised and standardised over the date's members, then weighed.
    Grain: one row per (bundle_name, as_of_date, security_id), members only. mf_score = sum(w dir z) / sum(w) over the
    factors a name has; NULL when less than half of the weight is there.
    Sums are exact decimals of values brought to [0, 1] by the date's limits first, so that no bit depends on the order
    of rows and no factor's unit costs precision. A name's factors stay one list, in the order of the bundle's names:
    only each date's limits and moments are worked out factor by factor. -#}

with

panel as (

    select * exclude (known_at, decided_at, is_member)
    from {{ ref('features') }}
    where is_member

),

feature_names as (

    select any_value(struct_keys(features)) as names
    from (select columns(* exclude (as_of_date, security_id)) from panel) as features

),

factors as (

    select
        bundles.*,
        members.factor_name,
        members.weight,
        (members.weight * members.direction)::double as signed_weight,
        sum(members.weight) over (partition by bundles.bundle_name) as whole_weight,
        list_position(feature_names.names, members.factor_name) as feature_position
    from {{ ref('factor_bundles') }} as bundles
    inner join {{ ref('factor_bundle_members') }} as members on bundles.bundle_name = members.bundle_name
    cross join feature_names

),

bundles as (

    select
        bundle_name,
        any_value(winsor_low) as winsor_low,
        any_value(winsor_high) as winsor_high,
        any_value(is_zscored) as is_zscored,
        any_value(whole_weight) as whole_weight,
        list(feature_position order by factor_name) as feature_positions,
        list(weight order by factor_name) as weights,
        list(signed_weight order by factor_name) as signed_weights
    from factors
    where feature_position is not null
    group by bundle_name

),

member_values as (

    select
        bundles.bundle_name,
        panel.as_of_date,
        panel.security_id,
        list_select(
            list_value(*columns(panel.* exclude (as_of_date, security_id)))::double[], bundles.feature_positions
        ) as factor_values
    from panel
    cross join bundles

),

long_values as (

    select
        bundle_name,
        as_of_date,
        generate_subscripts(factor_values, 1)::smallint as factor_position,
        unnest(factor_values) as factor_value
    from member_values

),

sorted_values as (

    select
        bundle_name,
        as_of_date,
        factor_position,
        list_sort(list(factor_value) filter (factor_value is not null)) as ordered,
        count(factor_value) - 1 as last_position
    from long_values
    group by bundle_name, as_of_date, factor_position

),

-- quantile_cont by hand: it takes constant positions only, and these are columns of a seed.
positions as (

    select
        sorted_values.*,
        bundles.winsor_low * sorted_values.last_position as low_position,
        bundles.winsor_high * sorted_values.last_position as high_position
    from sorted_values
    inner join bundles on sorted_values.bundle_name = bundles.bundle_name

),

limits as (

    select
        bundle_name,
        as_of_date,
        factor_position,
        ordered,
        ordered[floor(low_position)::integer + 1] as below_low,
        ordered[floor(high_position)::integer + 1] as below_high,
        below_low + (ordered[ceil(low_position)::integer + 1] - below_low) * (low_position - floor(low_position))
            as low_limit,
        below_high + (ordered[ceil(high_position)::integer + 1] - below_high) * (high_position - floor(high_position))
            as high_limit
    from positions

),

units as (

    select
        bundle_name,
        as_of_date,
        factor_position,
        low_limit,
        high_limit,
        list_transform(
            ordered,
            lambda x: coalesce(
                (least(greatest(x, low_limit), high_limit) - low_limit) / nullif(high_limit - low_limit, 0), 0
            )
        ) as unit_values
    from limits

),

moments as (

    select
        bundle_name,
        as_of_date,
        factor_position,
        low_limit,
        high_limit,
        len(unit_values) as names,
        list_sum(unit_values::decimal(18, 15)[])::double as unit_sum,
        list_sum(list_transform(unit_values, lambda x: x * x)::decimal(18, 15)[])::double as unit_square_sum,
        unit_sum / names as unit_mean,
        sqrt(greatest(unit_square_sum - unit_sum * unit_mean, 0) / nullif(names - 1, 0)) as unit_deviation
    from units

),

dates as (

    select
        moments.bundle_name,
        moments.as_of_date,
        any_value(bundles.is_zscored) as is_zscored,
        any_value(bundles.whole_weight) as whole_weight,
        list(
            struct_pack(
                weight := bundles.weights[moments.factor_position],
                signed_weight := bundles.signed_weights[moments.factor_position],
                low := moments.low_limit,
                high := moments.high_limit,
                mean := moments.unit_mean,
                deviation := moments.unit_deviation
            )
            order by moments.factor_position
        ) as factors
    from moments
    inner join bundles on moments.bundle_name = bundles.bundle_name
    group by moments.bundle_name, moments.as_of_date

),

contributions as (

    select
        member_values.bundle_name,
        member_values.as_of_date,
        member_values.security_id,
        dates.whole_weight,
        list_filter(
            list_zip(member_values.factor_values, dates.factors), lambda pair: pair[1] is not null
        ) as held,
        list_sum(list_transform(held, lambda pair: pair[2].weight)) as held_weight,
        list_transform(
            held,
            lambda pair: pair[2].signed_weight * case
                when dates.is_zscored
                    then coalesce(
                        (
                            coalesce(
                                (least(greatest(pair[1], pair[2].low), pair[2].high) - pair[2].low)
                                / nullif(pair[2].high - pair[2].low, 0), 0
                            ) - pair[2].mean
                        ) / nullif(pair[2].deviation, 0), 0
                    )
                else least(greatest(pair[1], pair[2].low), pair[2].high)
            end
        ) as directed
    from member_values
    inner join dates
        on
            member_values.bundle_name = dates.bundle_name
            and member_values.as_of_date = dates.as_of_date

),

scores as (

    select
        as_of_date,
        bundle_name,
        security_id,
        case
            when held_weight >= whole_weight / 2
                then list_sum(directed::decimal(38, 15)[])::double / held_weight::double
        end as mf_score
    from contributions
    where held_weight is not null

)

select * from scores
order by bundle_name, as_of_date, security_id
