{#- Returns places at which the keys of two relations differ, row by row in storage order: both promise the same rows in the
    same order and are joined by position. to: the relation that sets the order. -#}
{% test stored_like(model, to) %}

select
    case
        when here.security_id is null or there.security_id is null then 'one has rows that the other has not'
        else
            'other rows, or in another order: windows are over () in the order in which the rows are read, without'
            || ' partition by or order by, and a join does not keep it'
    end as finding,
    here.security_id,
    here.as_of_date,
    there.security_id as security_id_there,
    there.as_of_date as as_of_date_there

from {{ model }} as here
positional join {{ to }} as there

where coalesce(here.security_id <> there.security_id or here.as_of_date <> there.as_of_date, true)

{% endtest %}
