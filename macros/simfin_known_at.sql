{#- When a SimFin row is served, by var simfin_value_policy: publish_date (the first publication, whose values may since
    have been restated) or restated_date (the later of the first publication and the filing the values come from; a
    Restated Date before the Publish Date, which the vendor has, counts as the latter). Either way the date counts from
    its end (macro known_at). -#}
{% macro simfin_known_at() -%}
    {%- if setting('simfin_value_policy') == 'publish_date' -%}
    {{ known_at('"Publish Date"') }}
    {%- elif setting('simfin_value_policy') == 'restated_date' -%}
    {{ known_at('greatest("Publish Date", "Restated Date")') }}
    {%- else -%}
    {{ exceptions.raise_compiler_error("var simfin_value_policy must be publish_date or restated_date, got '" ~ setting('simfin_value_policy') ~ "'. Correct it in dbt_project.yml or unset KAIROS__SIMFIN_VALUE_POLICY.") }}
    {%- endif -%}
{%- endmacro %}
