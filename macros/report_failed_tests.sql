{#- on-run-end: of every data test that failed or warned, the first of the rows it found, which say what is wrong where;
    dbt itself only counts them. What a test with meta.is_told_elsewhere finds, another hook says. -#}
{% macro report_failed_tests(results) %}
    {% set shown = 3 %}
    {% for result in results if execute and result.node.resource_type == 'test' and result.status in ('fail', 'warn')
        and not result.node.config.meta.get('is_told_elsewhere') %}
        {% set found = run_query("select * from (" ~ result.node.compiled_code ~ "\n) limit " ~ shown) %}
        {% for row in found.rows %}
            {% set said = [] %}
            {% for column in found.column_names %}{% do said.append(column ~ "=" ~ row[column]) %}{% endfor %}
            {% do log(result.node.name ~ " (" ~ result.status ~ ", row " ~ loop.index ~ " of " ~ result.failures ~ "): "
                ~ said | join(", "), info=True) %}
        {% endfor %}
    {% endfor %}
{% endmacro %}
