{#- on-run-end: a full green `dbt build` publishes every public mart and swaps published/current in one step; any other
    build says that it did not. Full is a build without selection; unit tests may be left out (`kairos build` does), for
    they test the code and not the data. kairos/publish.py has the SQL and the reasons. -#}
{% macro publish_marts(results) %}
    {% if execute and flags.WHICH == 'build' %}
        {% set bad = did_not_pass(results) %}
        {% if bad %}
            {% do log("Not published: " ~ bad ~ " of " ~ results | length ~ " nodes did not pass. The last published marts stay as they were.", info=True) %}
        {% elif is_partial(results) %}
            {% do log("Not published: a selected build is a part. `dbt build` without selection publishes, and so does `kairos publish`.", info=True) %}
        {% else %}
            {% set marts = [] %}
            {% for node in graph.nodes.values() if node.resource_type == 'model' and node.schema == 'marts' and node.config.access == 'public' %}
                {% do marts.append(node.name) %}
            {% endfor %}
            {% set version = run_query("select kairos_publish('" ~ marts | join(',') ~ "')").columns[0].values()[0] %}
            {% do log("Published " ~ marts | length ~ " marts: " ~ version, info=True) %}
        {% endif %}
    {% endif %}
{% endmacro %}

{#- How many nodes of a run did not pass. -#}
{% macro did_not_pass(results) -%}
    {{ return(results | selectattr('status', 'in', ['error', 'fail', 'skipped', 'runtime error']) | list | length) }}
{%- endmacro %}

{#- Whether a run of dbt build leaves out more than unit tests. -#}
{% macro is_partial(results) -%}
    {%- set args = invocation_args_dict -%}
    {%- set left_out = args.get('exclude_resource_types', []) | reject('equalto', 'unit_test') | list -%}
    {{ return(
        args.get('select') or args.get('exclude') or args.get('selector') or args.get('empty') or args.get('sample')
        or args.get('resource_types') or left_out or results | length == 0
    ) }}
{%- endmacro %}
