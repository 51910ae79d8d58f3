{#- Returns files of prices of which more than a fifth of the rows were refused: then the file is not what it claims to
    be (wrong columns, another calendar, another currency's volumes) and results would rest on the leftovers.
    int_quarantine lists the rows; correct or remove the file. -#}

select
    file,
    count(*) as delivered_rows,
    count(reason) as refused_rows,
    mode(reason) as most_frequent_reason

from {{ ref('stg_yahoo__checked_prices') }}

group by file

having count(reason) > 0.2 * count(*)
