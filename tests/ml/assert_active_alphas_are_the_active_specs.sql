{#- Returns alphas active in only one of seeds/alpha_specs.csv and var active_alphas, the columns of ml_alphas. -#}

with

active as (

    select alpha_name
    from {{ ref('alpha_specs') }}
    where is_active

),

listed as (

    select unnest({{ var('active_alphas') }}) as alpha_name

)

select
    coalesce(active.alpha_name, listed.alpha_name) as alpha_name,
    case
        when listed.alpha_name is null then 'active in seeds/alpha_specs.csv, missing in var active_alphas'
        else 'in var active_alphas, without an active row in seeds/alpha_specs.csv'
    end as finding

from active
full join listed on active.alpha_name = listed.alpha_name
where active.alpha_name is null or listed.alpha_name is null
