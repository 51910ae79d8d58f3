{#- on-run-end: say which raw rows were refused, by file and reason, with a count, an example and the cure, and in which
    files tickers stand that no price file has, one line each. -#}
{% macro report_refused_rows() %}
    {% set built = models_built(results) %}
    {% if 'int_quarantine' in built %}
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
    {% if 'unpriced_tickers' in built %}
        {% for row in run_query("select * from monitoring.unpriced_tickers order by file").rows %}
            {% do log(row.unpriced_tickers ~ " of " ~ row.tickers ~ " tickers of " ~ row.file ~ " have no price bars, rows not used: "
                ~ row.unpriced_rows ~ ", e.g. " ~ row.example_ticker ~ (", which the prices call "
                ~ row.example_priced_as ~ ": write it so (" ~ row.respelled_tickers ~ " such)" if row.example_priced_as else "")
                ~ ".", info=True) %}
        {% endfor %}
    {% endif %}
{% endmacro %}
