{#- Returns reasons of refused rows that seed refusal_reasons does not explain: a new reason needs a meaning
    and a cure. -#}

select
    quarantine.reason,
    count(*) as refused_rows

from {{ ref('int_quarantine') }} as quarantine

left join {{ ref('refusal_reasons') }} as reasons
    on quarantine.reason = reasons.reason

where reasons.reason is null

group by quarantine.reason
