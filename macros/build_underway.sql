{#- on-run-start: say in the warehouse that a build is under way (table raw.build_underway), so that one that is stopped is
    known by it: tables of two builds may then stand side by side. The table stays until a whole build passes, or the one
    that made it. -#}
{% macro build_begins() %}
    {% if execute and flags.WHICH in ['build', 'run'] %}
        {% do run_query("create schema if not exists raw") %}
        {% do run_query("create table if not exists raw.build_underway as select '" ~ invocation_id ~ "' as invocation_id") %}
    {% endif %}
{% endmacro %}

{#- on-run-end: a build that passed is no longer under way; others may have the state. -#}
{% macro build_ends(results) %}
    {% if execute and flags.WHICH in ['build', 'run'] %}{% do run_query("select kairos_state_end()") %}{% endif %}
    {% if execute and flags.WHICH in ['build', 'run'] and not did_not_pass(results) %}
        {% set begun_by = run_query("select invocation_id from raw.build_underway").columns[0].values() | list %}
        {% if begun_by == [invocation_id] or (flags.WHICH == 'build' and not is_partial(results)) %}
            {% do run_query("drop table raw.build_underway") %}
        {% endif %}
    {% endif %}
{% endmacro %}
