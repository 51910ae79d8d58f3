{#- on-run-end: of every data test that failed or warned, the first of the rows it found, which say what is wrong where;
    dbt itself only counts them. What a test with meta.is_said_of_refused_rows finds, macro report_refused_rows has said
    when it has spoken. -#}
{% macro report_failed_tests(results) %}
    {% set shown = 3 %}
    {% set refusals_are_said = 'int_quarantine' in models_built(results) %}
    {% for result in results if execute and result.node.resource_type == 'test' and result.status in ('fail', 'warn')
        and not (refusals_are_said and result.node.config.meta.get('is_said_of_refused_rows')) %}
        {% set found = run_query("select * from (" ~ result.node.compiled_code ~ "\n) limit " ~ shown) %}
        {% for row in found.rows %}
            {% set said = [] %}
            {% for column in found.column_names %}{% do said.append(column ~ "=" ~ row[column]) %}{% endfor %}
            {% do log(result.node.name ~ " (" ~ result.status ~ ", row " ~ loop.index ~ " of " ~ result.failures ~ "): "
                ~ said | join(", "), info=True) %}
        {% endfor %}
    {% endfor %}
{% endmacro %}
