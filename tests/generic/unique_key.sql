{#- Returns each key that stands on more than one row, and each column of not_null that holds NULL, with the number of rows.
    columns: the columns that together are the key. One node for both, because each costs dbt as much as a small model. -#}
{% test unique_key(model, columns, not_null=[]) %}

with

findings as (

    select
        'key on several rows' as finding,
        concat_ws(', ', {{ columns | join(', ') }}) as place,
        count(*) as found_rows
    from {{ model }}
    group by {{ columns | join(', ') }}
    having count(*) > 1
    {%- if not_null %}

    union all

    select
        'column with NULL' as finding,
        column_name as place,
        null_rows as found_rows
    from ({{ columns_with_null(model, not_null) }})
    {%- endif %}

)

select * from findings

{% endtest %}
