{#- Post-hook of a model that adds to what the state knows: writes the rows whose first_seen_at is this run's into one new
    file of the state's folder of that name, called after its content. A build that adds nothing writes nothing.
    Example: {{ "{{ config(post_hook=\"{{ append_to_state('row_loads') }}\") }}" }} -#}
{% macro append_to_state(folder) -%}
    {%- if execute -%}
        {%- set new = "from " ~ this ~ " as loads where first_seen_at = " ~ this_load() -%}
        {%- set name = run_query("select md5(string_agg(loads::varchar, '' order by loads::varchar)) " ~ new).rows[0][0] -%}
        {%- if name -%}
            {%- set path = run_query("select kairos_state_folder('" ~ folder ~ "')").rows[0][0] -%}
            {%- do run_query("copy (" ~ new ~ " order by all) to '" ~ path | replace("'", "''") ~ "/" ~ name[:16] ~ ".parquet' (format parquet, compression zstd, use_tmp_file true)") -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- The moment of this load, UTC, as a literal: when the run began. -#}
{% macro this_load() -%}
    timestamp '{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S.%f") }}'
{%- endmacro %}
