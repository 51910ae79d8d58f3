{#- Returns bundles whose weights do not sum to 1, or that have no factors, or limits in the wrong order. -#}

select
    bundles.bundle_name,
    bundles.winsor_low,
    bundles.winsor_high,
    sum(members.weight) as weight_sum
from {{ ref('factor_bundles') }} as bundles
left join {{ ref('factor_bundle_members') }} as members on bundles.bundle_name = members.bundle_name
group by all
having coalesce(sum(members.weight), 0) <> 1 or bundles.winsor_low >= bundles.winsor_high
