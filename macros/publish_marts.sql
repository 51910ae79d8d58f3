{#- on-run-end of a full green build: publish. Filled in with kairos/publish.py. -#}
{% macro publish_marts(results) %}
{% endmacro %}
