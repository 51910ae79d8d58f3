{#- Returns each key that stands on more than one row.
    columns: the columns that together are the key. -#}
{% test unique_key(model, columns) %}

select
    {{ columns | join(', ') }},
    count(*) as copies

from {{ model }}

group by {{ columns | join(', ') }}

having count(*) > 1

{% endtest %}
