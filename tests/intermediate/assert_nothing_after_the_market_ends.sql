{#- Returns sessions after the newest bar of a common share on which any security has a row. -#}

with

market_end as (

    select max(prices.as_of_date) as last_date

    from {{ ref('int_prices') }} as prices

    inner join {{ ref('int_securities') }} as securities
        on prices.security_id = securities.security_id

    where
        securities.security_type = 'common'
        and not prices.is_stale

)

select
    prices.as_of_date,
    count(*) as rows_after_the_end

from {{ ref('int_prices') }} as prices

cross join market_end

where prices.as_of_date > market_end.last_date

group by prices.as_of_date
