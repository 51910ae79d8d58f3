{#- Returns places at which the keys of two relations differ, row by row in storage order: both promise the same rows in the
    same order and are joined by position. to: the relation that sets the order. -#}
{% test stored_like(model, to) %}

select
    here.security_id,
    here.as_of_date,
    there.security_id as security_id_there,
    there.as_of_date as as_of_date_there

from {{ model }} as here
positional join {{ to }} as there

where coalesce(here.security_id <> there.security_id or here.as_of_date <> there.as_of_date, true)

{% endtest %}
