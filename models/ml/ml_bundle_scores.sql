{#- Hand-weighted factor bundles: each factor winsorised and standardised over the date's members, then weighed.
    Grain: one row per (bundle_name, as_of_date, security_id), members only. mf_score = sum(w dir z) / sum(w) over the
    factors a name has; NULL when less than half of the weight is there. Weights and limits are rows of the seeds; the
    columns to read are var bundle_factors, which a test holds against the rows. Sums are exact decimals (macro
    standardised): no bit depends on the order of rows.
    Source: ml_panel, the members: a table, whose size the planner knows. From the collector, a view joined by position, it
    expects no row and hashes all of them where it should hash the dates: twice the time. -#}
{%- set factors = var('bundle_factors') %}

with

weights as (

    select
        bundles.bundle_name,
        bundles.winsor_low,
        bundles.winsor_high,
        bundles.is_zscored,
        {%- for x in factors %}
        coalesce(sum(members.weight) filter (where members.factor_name = '{{ x }}'), 0) as {{ x }}_weight,
        coalesce(sum(members.weight * members.direction) filter (where members.factor_name = '{{ x }}'), 0)::double
            as {{ x }}_signed_weight,
        {%- endfor %}
        sum(members.weight) as whole_weight
    from {{ ref('factor_bundles') }} as bundles
    inner join {{ ref('factor_bundle_members') }} as members on bundles.bundle_name = members.bundle_name
    group by all

),

panel as (

    select
        weights.bundle_name,
        weights.winsor_low,
        weights.winsor_high,
        members.as_of_date,
        {%- for x in factors %}
        members.{{ x }},
        {%- endfor %}
        members.security_id
    from {{ ref('ml_panel') }} as members
    cross join weights

),

{{ standardised('panel', factors, by=['bundle_name', 'as_of_date'], low='winsor_low', high='winsor_high') }}

sums as (

    select
        standardised.as_of_date,
        standardised.bundle_name,
        standardised.security_id,
        weights.whole_weight,
        (
            {%- for x in factors %}
            {{ '+ ' if not loop.first }}case
                when standardised.{{ x }}_z is not null then weights.{{ x }}_weight else 0
            end
            {%- endfor %}
        ) as weight,
        (
            {%- for x in factors %}
            {{ '+ ' if not loop.first }}coalesce(
                weights.{{ x }}_signed_weight
                * case when weights.is_zscored then standardised.{{ x }}_z else standardised.{{ x }}_winsorised end, 0
            )::decimal(38, 15)
            {%- endfor %}
        )::double as contribution
    from panel_standardised as standardised
    inner join weights on standardised.bundle_name = weights.bundle_name

),

scores as (

    select
        as_of_date,
        bundle_name,
        security_id,
        case when weight >= whole_weight / 2 then contribution / weight::double end as mf_score
    from sums
    where weight > 0

)

select * from scores
order by bundle_name, as_of_date, security_id
