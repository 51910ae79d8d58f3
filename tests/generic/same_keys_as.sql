{#- Returns keys that stand in only one of two relations. Both must be unique on the columns.
    to: the other relation; columns: the key in both. -#}
{% test same_keys_as(model, to, columns) %}

select
    {{ columns | join(', ') }},
    here.is_here is null as is_missing_here,
    there.is_there is null as is_missing_there

from (
    select
        {{ columns | join(', ') }},
        true as is_here

    from {{ model }}
) as here

full join (
    select
        {{ columns | join(', ') }},
        true as is_there

    from {{ to }}
) as there using ({{ columns | join(', ') }})

where here.is_here is null or there.is_there is null

{% endtest %}
