{#- Returns alphas that are active in only one of seeds/alpha_specs.csv and var active_alphas (the columns of ml_alphas). -#}

select
    specs.alpha_name as active_spec,
    listed.alpha_name as listed_alpha
from (select alpha_name from {{ ref('alpha_specs') }} where is_active) as specs
full join (select unnest({{ var('active_alphas') }}) as alpha_name) as listed
    on specs.alpha_name = listed.alpha_name
where specs.alpha_name is null or listed.alpha_name is null
