{#- on-run-end: say which raw rows were refused, by file and reason, with a count, an example and the cure. -#}
{% macro report_refused_rows() %}
    {% if execute and flags.WHICH == 'build' and results | selectattr('node.name', 'equalto', 'int_quarantine')
        | selectattr('status', 'equalto', 'success') | list | length > 0 %}
        {% set refused = run_query("
            select quarantine.file, quarantine.reason, count(*) as refused_rows,
                coalesce(min(quarantine.key), '') as first_key,
                coalesce(min_by(quarantine.example, quarantine.key), min(quarantine.example), '') as example,
                any_value(reasons.meaning) as meaning, any_value(reasons.cure) as cure
            from intermediate.int_quarantine as quarantine
            left join seeds.refusal_reasons as reasons on quarantine.reason = reasons.reason
            group by quarantine.file, quarantine.reason
            order by quarantine.file, refused_rows desc, quarantine.reason") %}
        {% for row in refused.rows %}
            {% do log("Refused " ~ row.refused_rows ~ (" row of " if row.refused_rows == 1 else " rows of ") ~ row.file ~ ": " ~ row.meaning ~ " (" ~ row.reason
                ~ "), e.g. " ~ row.first_key ~ " " ~ row.example ~ ". Cure: " ~ row.cure ~ ".", info=True) %}
        {% endfor %}
        {% if refused.rows | length > 0 %}
            {% do log("Every refused row is in intermediate.int_quarantine; the rest of the files is used.", info=True) %}
        {% endif %}
    {% endif %}
{% endmacro %}
