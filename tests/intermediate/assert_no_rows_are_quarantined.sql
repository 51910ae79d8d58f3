{#- Returns rows when files hold rows that cannot be used: the number of them by file and reason, with an example. A
    warning and no failure: what is left is sound, and int_quarantine holds every refused row. -#}

{{ config(severity='warn', meta={'is_said_of_refused_rows': true}) }}

select
    file,
    reason,
    count(*) as refused_rows,
    min(key) as first_key,
    min_by(example, key) as example

from {{ ref('int_quarantine') }}

group by file, reason

order by refused_rows desc
