{#- Pre-hook of a model that reads what this build has added to the state: its view is made again, since the one made when
    the run started has the files of then.
    Example: {{ "{{ config(pre_hook=\"{{ show_state('ml_trials') }}\") }}" }} -#}
{% macro show_state(folder) -%}
    {%- if execute -%}
        {%- do run_query(run_query("select kairos_state_view('" ~ folder ~ "')").rows[0][0]) -%}
    {%- endif -%}
{%- endmacro %}
