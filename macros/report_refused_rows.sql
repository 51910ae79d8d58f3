{#- on-run-end: say which raw rows were refused, by file and reason, with a count, an example and the cure. -#}
{% macro report_refused_rows() %}
    {% if execute and flags.WHICH == 'build' and results | selectattr('node.name', 'equalto', 'int_quarantine')
        | selectattr('status', 'equalto', 'success') | list | length > 0 %}
        {% set refused = run_query("
            select file, reason, count(*) as refused_rows, coalesce(min(key), '') as first_key,
                coalesce(min_by(example, key), min(example), '') as example,
                any_value(meaning) as meaning, any_value(cure) as cure
            from intermediate.int_quarantine
            group by file, reason
            order by file, refused_rows desc, reason") %}
        {% for row in refused.rows %}
            {% do log("Refused " ~ row.refused_rows ~ (" row of " if row.refused_rows == 1 else " rows of ") ~ row.file ~ ": " ~ row.meaning ~ " (" ~ row.reason
                ~ "), e.g. " ~ row.first_key ~ " " ~ row.example ~ ". Cure: " ~ row.cure ~ ".", info=True) %}
        {% endfor %}
        {% if refused.rows | length > 0 %}
            {% do log("Every refused row is in intermediate.int_quarantine; the rest of the files is used.", info=True) %}
        {% endif %}
    {% endif %}
{% endmacro %}
