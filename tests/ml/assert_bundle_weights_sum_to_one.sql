{#- Returns bundles whose weights do not sum to 1, or that have no factors, or limits in the wrong order. -#}

select
    bundles.bundle_name,
    bundles.winsor_low,
    bundles.winsor_high,
    sum(members.weight) as weight_sum,
    case
        when count(members.factor_name) = 0 then 'no factors in seeds/factor_bundle_members.csv'
        when sum(members.weight) <> 1 then 'weights in seeds/factor_bundle_members.csv must sum to 1'
        else 'winsor_low must be below winsor_high'
    end as finding
from {{ ref('factor_bundles') }} as bundles
left join {{ ref('factor_bundle_members') }} as members on bundles.bundle_name = members.bundle_name
group by all
having coalesce(sum(members.weight), 0) <> 1 or bundles.winsor_low >= bundles.winsor_high
