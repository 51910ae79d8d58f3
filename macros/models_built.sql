{#- Names of the models that this run of dbt build has made, for hooks on-run-end; none in any other command. -#}
{% macro models_built(results) -%}
    {{ return(
        results | selectattr('status', 'equalto', 'success') | map(attribute='node.name') | list
        if execute and flags.WHICH == 'build' else []
    ) }}
{%- endmacro %}
