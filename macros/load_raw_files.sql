{#- on-run-start: show the market's files to dbt as views raw.<vendor>__<table>, typed as declared in kairos/raw.py; a
    dataset that is not there is an empty relation of the right columns. A build keeps the state for itself. Stops with
    one clear message when a file cannot be used. -#}
{% macro load_raw_files() %}
    {% if execute and flags.WHICH in ['build', 'run', 'test'] %}
        {% if flags.WHICH != 'test' %}
            {% set refusal = run_query("select kairos_state_begin()").rows[0][0] %}
            {% if refusal %}{% do exceptions.raise_compiler_error(refusal) %}{% endif %}
        {% endif %}
        {% set answer = run_query("select kairos_raw_statements()").columns[0].values()[0] | string %}
        {% set answer = fromjson(answer) %}
        {% if answer.error %}
            {% do run_query("select kairos_state_end()") %}
            {% do exceptions.raise_compiler_error(answer.error) %}
        {% endif %}
        {% for notice in answer.notices %}{% do log(notice, info=True) %}{% endfor %}
        {% for statement in answer.statements %}{% do run_query(statement) %}{% endfor %}
    {% endif %}
{% endmacro %}
