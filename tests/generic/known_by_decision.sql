{#- Returns rows that were not known at the decision: known_at is NULL or later than decided_at. A model without a column
    decided_at is held against the close of its as_of_date (decided_at: none). -#}
{% test known_by_decision(model, known_at='known_at', decided_at='decided_at', as_of_date='as_of_date') %}
{% if decided_at is none or decided_at == 'none' %}

select
    rows_of_model.{{ as_of_date }},
    rows_of_model.{{ known_at }},
    sessions.closes_at

from {{ model }} as rows_of_model

left join {{ ref('int_sessions') }} as sessions
    on rows_of_model.{{ as_of_date }} = sessions.session_date

where coalesce(rows_of_model.{{ known_at }} > sessions.closes_at, true)

{% else %}

select
    {{ as_of_date }},
    {{ known_at }},
    {{ decided_at }}

from {{ model }}

where coalesce({{ known_at }} > {{ decided_at }}, true)

{% endif %}
{% endtest %}
