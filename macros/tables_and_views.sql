{#- Materializations of views and tables: what a model made takes the place of what stood there in one statement or one
    transaction, so that a model that fails leaves what stood there. dbt's build it under another name, rename both and
    drop the first: three statements more for every node, of which each costs more than making a view. -#}
{% materialization view, adapter='duckdb' %}
    {%- set target_relation = this.incorporate(type='view') -%}
    {%- set existing_relation = load_cached_relation(this) -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- if existing_relation is not none and not existing_relation.is_view -%}
        {%- call statement('gone') -%} drop {{ existing_relation.type }} {{ existing_relation }} {%- endcall -%}
    {%- endif -%}
    {%- call statement('main') -%}
        {%- if config.get('contract').enforced %}{{ get_assert_columns_equivalent(compiled_code) }}{% endif %}
        create or replace view {{ target_relation }} as (
            {{ compiled_code }}
        )
    {%- endcall -%}
    {{ finish(target_relation) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{% materialization table, adapter='duckdb', supported_languages=['sql', 'python'] %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set existing_relation = load_cached_relation(this) -%}
    {#- Python writes on a connection of its own, outside of the transaction -#}
    {%- set is_aside = existing_relation is not none and model['language'] == 'python' -%}
    {%- set made_relation = make_intermediate_relation(target_relation) if is_aside else target_relation -%}
    {%- set is_plain = model['language'] == 'sql' and not config.get('contract').enforced -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- if is_aside -%}
        {% do drop_relation_if_exists(load_cached_relation(made_relation)) %}
    {%- elif existing_relation is not none and not (is_plain and existing_relation.is_table) -%}
        {%- call statement('gone') -%} drop {{ existing_relation.type }} {{ existing_relation }} {%- endcall -%}
    {%- endif -%}
    {%- call statement('main', language=model['language']) -%}
        {%- if is_plain -%}
            {#- not dropped before: a model may read what it replaces -#}
            create or replace table {{ made_relation }} as (
                {{ compiled_code }}
            )
        {%- else -%}
            {{ create_table_as(False, made_relation, compiled_code, model['language']) }}
        {%- endif -%}
    {%- endcall -%}
    {%- if is_aside -%}
        {%- call statement('gone') -%}
            drop {{ existing_relation.type }} {{ existing_relation }};
            alter table {{ made_relation }} rename to {{ target_relation.identifier }}
        {%- endcall -%}
    {%- endif -%}
    {{ finish(target_relation) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{#- What every materialization does when its relation stands: hooks, descriptions, the end of the transaction. -#}
{% macro finish(relation) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do persist_docs(relation, model) %}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
{%- endmacro %}
