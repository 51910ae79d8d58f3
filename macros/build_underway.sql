{#- on-run-start: say in the warehouse that a build is under way (table raw.build_underway), so that one that is stopped
    is known by it: tables of two builds may then stand side by side. A row is a build and, once it has ended, a node
    that did not pass. And what it is built from (raw.built_from): a command that adds to the state of another market, or
    names its files after it, would do so without a word. -#}
{% macro build_begins() %}
    {% if execute and flags.WHICH in ['build', 'run'] %}
        {% do run_query("create schema if not exists raw") %}
        {% do run_query("create table if not exists raw.build_underway (invocation_id varchar, node varchar)") %}
        {% do run_query("insert into raw.build_underway values ('" ~ invocation_id ~ "', null)") %}
        {% do run_query(run_query("select kairos_built_from()").rows[0][0]) %}
    {% endif %}
{% endmacro %}

{#- on-run-end: others may have the state, and of what did not pass, now or before, that stays known which has not passed
    since. What a build left that was stopped nobody can tell: that stays known until a whole one has passed. -#}
{% macro build_ends(results) %}
    {% if execute and flags.WHICH in ['build', 'run'] %}
        {% do run_query("select kairos_state_end()") %}
        {% set failed, passed = [], [] %}
        {% for result in results %}
            {% do (failed if did_not_pass([result]) else passed).append("'" ~ result.node.unique_id ~ "'") %}
        {% endfor %}
        {% set is_whole = not failed and not is_partial(results) %}
        {% if is_whole and flags.WHICH == 'build' %}
            {% do run_query("delete from raw.build_underway") %}
        {% else %}
            {% set done = "node is null" if is_whole else "invocation_id = '" ~ invocation_id ~ "'" %}
            {% do run_query("delete from raw.build_underway where " ~ done) %}
            {% if passed %}{% do run_query("delete from raw.build_underway where node in (" ~ passed | join(', ') ~ ")") %}{% endif %}
            {% if failed %}{% do run_query("insert into raw.build_underway select '" ~ invocation_id ~ "', unnest([" ~ failed | join(', ') ~ "])") %}{% endif %}
        {% endif %}
        {% if run_query("select count(*) from raw.build_underway").rows[0][0] == 0 %}
            {% do run_query("drop table raw.build_underway") %}
        {% endif %}
    {% endif %}
{% endmacro %}
