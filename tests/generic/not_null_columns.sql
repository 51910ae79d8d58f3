{#- Returns each of the columns that holds NULL, with the number of such rows. -#}
{% test not_null_columns(model, columns) %}

{{ columns_with_null(model, columns) }}

{% endtest %}
